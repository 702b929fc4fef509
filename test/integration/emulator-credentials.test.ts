/** Which requests the emulator takes for signed: one of the real SDK, and what is made of it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { refusalOf } from '#cloud/emulator/credentials/admission.ts';
import { CredentialAuthority } from '#cloud/emulator/credentials/authority.ts';
import type { SignedRequest } from '#cloud/emulator/credentials/signature.ts';
import { parseSettings } from '#cloud/emulator/settings.ts';
import { startServer } from './aws-http-server.ts';
import { clientFor } from './emulator-world.ts';

const MINUTE_MS = 60_000;
const authority = new CredentialAuthority();
const keys = authority.issue('somebody', 3600, Date.now());
let signed: SignedRequest;
let sentAt: number;

beforeAll(async () => {
  await using server = await startServer((_, response) => void response.writeHead(500).end());
  const { accessKeyId, secretAccessKey, sessionToken } = keys;
  const ec2 = clientFor(server.endpoint, { credentials: { accessKeyId, secretAccessKey, sessionToken } });
  await ec2.describeSubnets({ Filters: [{ Name: 'tag:a b', Values: ['x&y=*', "ü'"] }] }).catch(() => undefined);
  ec2.destroy();
  const [first] = server.received;
  if (first === undefined) throw new Error('the SDK sent nothing');
  signed = { ...first, url: first.path };
  sentAt = Date.now();
});
afterAll(() => authority.revoke(keys.accessKeyId));

const codeOf = (request: SignedRequest, now = sentAt, by = authority) => refusalOf(request, by, now)?.code;
const withHeader = (name: string, value: string | undefined): SignedRequest => ({
  ...signed,
  headers: { ...signed.headers, [name]: value },
});

describe('the emulator, told to require credentials', () => {
  it('takes what the SDK signed, until the keys expire', () => {
    expect(codeOf(signed)).toBeUndefined();
    expect(codeOf(signed, sentAt + 14 * MINUTE_MS)).toBeUndefined();
    expect(codeOf(signed, sentAt + 16 * MINUTE_MS)).toBe('RequestExpired');
    expect(codeOf(signed, keys.expiresAt)).toBe('RequestExpired');
  });

  it('refuses what was changed afterwards: the body, the method, the address, a signed header, the signature', () => {
    const changed: readonly SignedRequest[] = [
      { ...signed, body: `${signed.body}&DryRun=true` },
      { ...signed, body: '' },
      { ...signed, method: 'PUT' },
      { ...signed, url: '/other' },
      { ...signed, url: '/?a=b' },
      withHeader('host', 'elsewhere'),
      withHeader('authorization', String(signed.headers['authorization']).replace(/.{6}$/, '000000')),
      withHeader('x-amz-security-token', 'another'),
      withHeader('x-amz-security-token', undefined),
    ];
    expect(changed.map((request) => codeOf(request))).toEqual(changed.map(() => 'AuthFailure'));
  });

  it('refuses what is not signed, and keys that it does not know or took back', () => {
    expect(codeOf(withHeader('authorization', undefined))).toBe('MissingAuthenticationToken');
    expect(codeOf(withHeader('authorization', 'Basic dXNlcjpwYXNz'))).toBe('MissingAuthenticationToken');
    expect(codeOf(signed, sentAt, new CredentialAuthority())).toBe('AuthFailure');
    const other = new CredentialAuthority();
    const { accessKeyId } = other.issue('x', 60, sentAt);
    other.revoke(accessKeyId);
    expect(other.secretOf(accessKeyId, undefined, sentAt)).toEqual({ refused: 'unknown' });
  });

  it('is told so by a switch, whose words are checked', () => {
    expect(parseSettings({ credentials: { required: true, instanceRole: 'node' } })).toEqual({
      credentials: { required: true, instanceRole: 'node', lifetimeSeconds: 3600 },
    });
    for (const [wrong, sentence] of [
      [{ required: 'yes' }, 'credentials.required must be true or false'],
      [{ instanceRole: 'a/b' }, 'credentials.instanceRole must be the name of a role'],
      [{ lifetimeSeconds: 0 }, 'credentials.lifetimeSeconds must be a number from 1 to 43200'],
      [{ roles: [] }, 'credentials has no field roles'],
    ] as const)
      expect(() => parseSettings({ credentials: wrong })).toThrow(sentence);
  });
});
