/** Where the API server is and as whom it is asked, from the environment. Nothing is loaded and nothing is tried here. */
import { existsSync } from 'node:fs';
import { isIPv6 } from 'node:net';

export type ClusterSource =
  /** Paths of KUBECONFIG, merged as kubectl does; `server` takes the place of the one in them. */
  | { readonly kind: 'kubeconfig'; readonly files: readonly string[]; readonly server: string | undefined }
  /** A pod's service account: `directory` holds `token` and `ca.crt`. */
  | { readonly kind: 'service-account'; readonly directory: string; readonly server: string };

export interface SourceOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** CLUSTER_ENDPOINT: a URL, or a host with or without a port; `''`: not set. */
  readonly clusterEndpoint: string;
  readonly serviceAccountDirectory?: string;
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** KUBECONFIG before the pod's service account; undefined where there is neither. */
export function clusterSource(options: SourceOptions): ClusterSource | undefined {
  const { env, clusterEndpoint, serviceAccountDirectory: directory = SERVICE_ACCOUNT } = options;
  const endpoint = clusterEndpoint === '' ? undefined : asUrl(clusterEndpoint);
  const files = (env['KUBECONFIG'] ?? '').split(':').filter((path) => path !== '');
  if (files.length > 0) return { kind: 'kubeconfig', files, server: endpoint };
  const server = endpoint ?? serviceUrl(env);
  if (server === undefined || !existsSync(`${directory}/token`)) return undefined;
  return { kind: 'service-account', directory, server };
}

function asUrl(endpoint: string): string {
  return (/^https?:\/\//.test(endpoint) ? endpoint : `https://${endpoint}`).replace(/\/+$/, '');
}

/** What kubelet tells every container of the Service `kubernetes`. */
function serviceUrl(env: SourceOptions['env']): string | undefined {
  const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '443' } = env;
  if (host === '') return undefined;
  return `https://${isIPv6(host) ? `[${host}]` : host}:${port}`;
}
