/** The EKS Pod Identity agent of a node: keys for the service account whose token a request carries, at `/v1/credentials`. */
import type { RequestListener } from 'node:http';
import type { CallLog } from '../call-log.ts';
import type { CredentialAuthority } from './authority.ts';

export interface PodIdentityParts {
  readonly authority: CredentialAuthority;
  readonly lifetimeSeconds: () => number;
  /** Token of a service account to the ARN of its role; the agent refuses others. */
  readonly associations: ReadonlyMap<string, string>;
  readonly log: CallLog;
}

export const CREDENTIALS_PATH = '/v1/credentials';

export function podIdentityListener({
  authority,
  lifetimeSeconds,
  associations,
  log,
}: PodIdentityParts): RequestListener {
  return (request, response) => {
    request.resume();
    const now = Date.now();
    const role = associations.get(request.headers.authorization ?? '');
    const isThere = request.method === 'GET' && request.url === CREDENTIALS_PATH;
    const status = isThere ? (role === undefined ? 401 : 200) : 404;
    log.add({
      kind: 'pod-identity',
      at: now,
      action: `${request.method} ${request.url}`,
      source: request.socket.remoteAddress ?? 'unix',
      status,
      durationMs: 0,
    });
    const answer =
      status === 200
        ? documentOf(authority.issue(role ?? '', lifetimeSeconds(), now))
        : { message: 'no role is associated with this token' };
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer));
  };
}

function documentOf(keys: ReturnType<CredentialAuthority['issue']>): object {
  return {
    AccessKeyId: keys.accessKeyId,
    SecretAccessKey: keys.secretAccessKey,
    Token: keys.sessionToken,
    AccountId: keys.holder.split(':')[4] ?? '',
    Expiration: new Date(keys.expiresAt).toISOString(),
  };
}
