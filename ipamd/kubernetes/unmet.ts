/** Settings that need the API server where there is none. */
import type { Config } from '../config/config.ts';
import { OPTIONS } from '../config/options.data.ts';
import type { ClusterSource } from './source.ts';

const NEEDS_IT = ['customNetworking', 'annotatePodIp'] as const;

/** One sentence for each setting that cannot be served as ipamd was started, with what to do. */
export function unmetByCluster(config: Config, source: ClusterSource | undefined): readonly string[] {
  if (source !== undefined && config.nodeName !== '') return [];
  const lacking =
    source === undefined
      ? 'no API server is configured: run ipamd in a pod with a service account, or set KUBECONFIG'
      : `${OPTIONS.nodeName.env} is not set: set it to the name of this node (downward API: spec.nodeName)`;
  return NEEDS_IT.filter((key) => config[key]).map(
    (key) => `${OPTIONS[key].env}=true needs the API server, but ${lacking}; or leave ${OPTIONS[key].env} out.`,
  );
}
