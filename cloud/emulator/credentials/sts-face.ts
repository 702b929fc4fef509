/**
 * AssumeRoleWithWebIdentity of STS, which gives a service account the keys of its role (IRSA). The token's form and
 * expiration are judged; its signature is not, because the emulator knows no issuer.
 */
import { randomUUID } from 'node:crypto';
import { escape as escapeXml } from '../ec2/encode.ts';
import type { CredentialAuthority, IssuedKeys } from './authority.ts';

export interface StsReply {
  readonly action: string;
  readonly status: number;
  readonly body: string;
  readonly errorCode: string | undefined;
}

/** STS requests name this version of the API; EC2's name another. */
export const STS_VERSION = '2011-06-15';
const ACTION = 'AssumeRoleWithWebIdentity';
const ROLE = /^arn:(aws[a-z-]*):iam::(\d{12}):role\/([\w+=,.@/-]+)$/;

/** Answers a form that `STS_VERSION` marks as one for STS. `lifetimeSeconds` bounds what is asked for. */
export function answerSts(
  form: URLSearchParams,
  authority: CredentialAuthority,
  lifetimeSeconds: number,
  now: number,
): StsReply {
  const action = form.get('Action') ?? '-';
  const refuse = (code: string, message: string): StsReply => ({
    action,
    status: 400,
    errorCode: code,
    body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error><RequestId>${randomUUID()}</RequestId></ErrorResponse>`,
  });
  if (action !== ACTION) return refuse('InvalidAction', `This emulator's STS has ${ACTION} alone`);
  const arn = form.get('RoleArn') ?? '';
  const [, partition, account, path = ''] = ROLE.exec(arn) ?? [];
  if (account === undefined) return refuse('ValidationError', 'Request ARN is invalid');
  const claims = claimsOf(form.get('WebIdentityToken') ?? '');
  if (claims === undefined) return refuse('InvalidIdentityToken', 'The ID Token provided is not a valid JWT');
  if (claims.expiresAt <= now) return refuse('ExpiredTokenException', 'Token expired');
  const asked = Number(form.get('DurationSeconds') ?? lifetimeSeconds);
  const session = form.get('RoleSessionName') ?? '';
  const name = path.split('/').at(-1) ?? '';
  const holder = `arn:${String(partition)}:sts::${account}:assumed-role/${name}/${session}`;
  const keys = authority.issue(holder, Math.min(asked, lifetimeSeconds), now);
  return { action, status: 200, errorCode: undefined, body: documentOf(keys, claims.subject) };
}

function claimsOf(token: string): { readonly subject: string; readonly expiresAt: number } | undefined {
  const payload = token.split('.').length === 3 ? token.split('.')[1] : undefined;
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload ?? '', 'base64url').toString('utf8'));
    if (typeof claims !== 'object' || claims === null || !('exp' in claims) || typeof claims.exp !== 'number')
      return undefined;
    const subject = 'sub' in claims && typeof claims.sub === 'string' ? claims.sub : '';
    return { subject, expiresAt: claims.exp * 1000 };
  } catch {
    return undefined;
  }
}

function documentOf(keys: IssuedKeys, subject: string): string {
  const field = (name: string, value: string): string => `<${name}>${escapeXml(value)}</${name}>`;
  const credentials = [
    field('AccessKeyId', keys.accessKeyId),
    field('SecretAccessKey', keys.secretAccessKey),
    field('SessionToken', keys.sessionToken),
    field('Expiration', new Date(keys.expiresAt).toISOString()),
  ].join('');
  const user =
    field('Arn', keys.holder) + field('AssumedRoleId', `AROAEMULATOR:${keys.holder.split('/').at(-1) ?? ''}`);
  return (
    `<${ACTION}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><${ACTION}Result>` +
    `<Credentials>${credentials}</Credentials><AssumedRoleUser>${user}</AssumedRoleUser>` +
    `${field('SubjectFromWebIdentityToken', subject)}</${ACTION}Result>` +
    `<ResponseMetadata>${field('RequestId', randomUUID())}</ResponseMetadata></${ACTION}Response>`
  );
}
