/** Whether EC2 would serve a request, judged by its signature alone. */
import { Ec2Error } from '../ec2-error.ts';
import type { CredentialAuthority } from './authority.ts';
import { isSignedWith, parseAuthorization, type SignedRequest } from './signature.ts';

/** EC2 refuses a request that is older than this, or from so far in the future. */
const LARGEST_SKEW_MS = 15 * 60_000;

/** EC2's refusal; undefined where the request is signed with keys of this account. */
export function refusalOf(request: SignedRequest, authority: CredentialAuthority, now: number): Ec2Error | undefined {
  const authorization = parseAuthorization(textOf(request, 'authorization'));
  if (authorization === undefined) {
    return new Ec2Error(
      'MissingAuthenticationToken',
      'The request must contain valid (registered) access key ID or X.509 certificate',
      403,
    );
  }
  const found = authority.secretOf(authorization.accessKeyId, textOf(request, 'x-amz-security-token'), now);
  if ('refused' in found) return found.refused === 'expired' ? expired() : notValidated();
  if (!(Math.abs(now - timeOf(textOf(request, 'x-amz-date'))) <= LARGEST_SKEW_MS)) return expired();
  return isSignedWith(found.secret, authorization, request) ? undefined : notValidated();
}

function expired(): Ec2Error {
  return new Ec2Error('RequestExpired', 'Request has expired.');
}

function notValidated(): Ec2Error {
  return new Ec2Error('AuthFailure', 'AWS was not able to validate the provided access credentials', 401);
}

function textOf({ headers }: SignedRequest, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

/** `20261121T080000Z` as milliseconds since the Unix epoch; NaN where it is not of that form. */
function timeOf(text: string | undefined): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text ?? '');
  if (match === null) return Number.NaN;
  const [, year, month, day, hour, minute, second] = match;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
