/** A kubeconfig with one cluster, user and context. */
import { writeFileSync } from 'node:fs';

export interface KubeconfigOptions {
  readonly server: string;
  readonly token?: string;
  readonly certificateAuthority?: string;
  /** The name in the server's certificate, where it is not the one in `server`. */
  readonly serverName?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
}

/** YAML is a superset of JSON. */
export function writeKubeconfig(path: string, options: KubeconfigOptions): string {
  const { server, token, certificateAuthority, serverName, clientCertificate, clientKey } = options;
  const trust =
    certificateAuthority === undefined
      ? { 'insecure-skip-tls-verify': true }
      : { 'certificate-authority': certificateAuthority };
  const user = { token, 'client-certificate': clientCertificate, 'client-key': clientKey };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [{ name: 'test', cluster: { server, 'tls-server-name': serverName, ...trust } }],
    users: [{ name: 'test', user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: 'kube-system' } }],
  };
  writeFileSync(path, JSON.stringify(config));
  return path;
}
