/** A source of credentials as client-node's KubeConfig, read anew each time: files may have been replaced. */
import { readFile } from 'node:fs/promises';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { ClusterSource } from './source.ts';

/** An empty one. */
export type NewKubeConfig = () => Promise<KubeConfig>;

/** Rejects when a file is missing or is no kubeconfig; the message names it. */
export async function loadCredentials(source: ClusterSource, newKubeConfig: NewKubeConfig): Promise<KubeConfig> {
  const config = await newKubeConfig();
  if (source.kind === 'service-account') {
    const namespace = (await readFile(`${source.directory}/namespace`, 'utf8').catch(() => '')).trim();
    config.loadFromOptions({
      clusters: [{ name: 'here', server: source.server, caFile: `${source.directory}/ca.crt`, skipTLSVerify: false }],
      users: [
        {
          name: 'service-account',
          authProvider: { name: 'tokenFile', config: { tokenFile: `${source.directory}/token` } },
        },
      ],
      contexts: [
        { name: 'here', cluster: 'here', user: 'service-account', ...(namespace === '' ? {} : { namespace }) },
      ],
      currentContext: 'here',
    });
    return config;
  }
  for (const [index, file] of source.files.entries()) {
    const one = index === 0 ? config : await newKubeConfig();
    try {
      one.loadFromFile(file);
    } catch (error) {
      throw new Error(`KUBECONFIG: ${file} cannot be read: ${(error as Error).message}`, { cause: error });
    }
    // The first file that names a current context wins, as with kubectl.
    if (index > 0) config.mergeConfig(one, config.getCurrentContext() !== undefined);
  }
  return source.server === undefined ? config : elsewhere(config, source.server);
}

function elsewhere(config: KubeConfig, server: string): KubeConfig {
  const current = config.getCurrentCluster()?.name;
  config.loadFromOptions({
    clusters: config.getClusters().map((each) => (each.name === current ? { ...each, server } : each)),
    users: config.getUsers(),
    contexts: config.getContexts(),
    currentContext: config.getCurrentContext(),
  });
  return config;
}
