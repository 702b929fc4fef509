/** The package `wellspring-cloud`: an EC2 region in the process of a test. */
import type { Cloud } from '../cloud.ts';
import { startCloud as startEmulator } from '../cloud.ts';
import { parseDescription } from '../description/parse.ts';
import { behindUrl, furnish } from '../furnish.ts';
import { parseSettings } from '../settings.ts';
import { stateOf } from '../state-view.ts';
import type { Names, RunningCloud, StartOptions } from './contract.ts';

export type * from './contract.ts';

/**
 * Starts a cloud with what is described. Rejects with a `DescriptionError` or `ListenError` that says in a sentence what
 * is wrong; nothing is left open then.
 */
export async function startCloud(options: StartOptions = {}): Promise<RunningCloud> {
  const { listen, metadata, behind, ...description } = options;
  const parsed = parseDescription(description);
  await using stack = new AsyncDisposableStack();
  const cloud = stack.use(
    await startEmulator({
      ...(listen !== undefined && { listen }),
      ...(metadata !== undefined && { metadata }),
      ...(behind !== undefined && { behind: behindUrl(behind) }),
      ...(parsed.region !== undefined && { region: parsed.region }),
      ...(parsed.seed !== undefined && { seed: parsed.seed }),
    }),
  );
  const names = await furnish(cloud, parsed, behind !== undefined);
  const open = stack.move();
  return running(cloud, names, () => open.disposeAsync());
}

function running(cloud: Cloud, names: Names, close: () => Promise<void>): RunningCloud {
  const { endpoint, metadataEndpoint } = cloud;
  const region = cloud.region.name;
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
  return {
    endpoint,
    metadataEndpoint,
    region,
    names,
    client: { endpoint, region, credentials },
    environment: {
      AWS_ENDPOINT_URL_EC2: endpoint,
      AWS_REGION: region,
      // The name that boto3 and version 1 of the AWS CLI know.
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      ...(metadataEndpoint !== undefined && { AWS_EC2_METADATA_SERVICE_ENDPOINT: metadataEndpoint }),
    },
    failNext: async (action, fault) => cloud.failNext(action, fault),
    pendingFaults: async () => cloud.pendingFaults(),
    clearFaults: async () => cloud.clearFaults(),
    set: async (switches) => cloud.set(parseSettings(switches)),
    state: async () => stateOf(cloud.region),
    calls: async () => cloud.calls(),
    changes: async (after) => cloud.changes(after),
    metadataOf: async (node) => {
      const instanceId = names.nodes[node] ?? node;
      return (await cloud.serveMetadata({ host: '127.0.0.1', port: 0, instanceId })).endpoint;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
