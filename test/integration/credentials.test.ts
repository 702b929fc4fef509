/** Credentials as EKS gives them to a node's daemon, each by the real SDK over HTTP; EC2 refuses what is not signed with them. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { CloudProvider } from '#cloud/provider.ts';
import { until } from '#test/support/until.ts';
import { ACCOUNT, type CredentialBed, credentialBed, ROLE, serviceAccountToken } from './credentials-bed.ts';

let bed: CredentialBed;
beforeAll(async () => {
  bed = await credentialBed();
});
afterAll(async () => {
  await bed?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  bed.cloud.setCredentials(ACCOUNT);
  bed.mark();
});

const look = (provider: CloudProvider) => provider.describeSubnets({}, { cause: 'test' });
/** Status and key of each EC2 request. */
const asked = () => bed.calls('ec2').map(({ status, accessKeyId }) => [status, accessKeyId]);
const keyOf = (index: number) => bed.calls('ec2').at(index)?.accessKeyId ?? '';

describe('the role of the instance', () => {
  it('signs every call, by three metadata requests in all', async () => {
    const { provider } = bed.agent({});
    for (let i = 0; i < 3; i += 1) expect(await look(provider)).toHaveLength(1);
    expect(new Set(asked().map(([status]) => status))).toEqual(new Set([200]));
    expect(keyOf(0)).toMatch(/^ASIA/);
    expect(bed.calls('metadata').map(({ action }) => action)).toEqual([
      'PUT /latest/api/token',
      'GET /latest/meta-data/iam/security-credentials/',
      'GET /latest/meta-data/iam/security-credentials/node-role',
    ]);
  });

  it('outlives the process that asks: the next one asks metadata nothing', async () => {
    const agent = bed.agent({}, { idleMs: 50 });
    await look(agent.provider);
    const first = agent.pid;
    await until('the agent has ended', 30_000, () => agent.pid === undefined);
    const read = bed.calls('metadata').length;
    await look(agent.provider);
    expect(agent.pid).not.toBe(first);
    expect(bed.calls('metadata')).toHaveLength(read);
    expect(keyOf(0)).toBe(keyOf(1));
  });

  it('is renewed when EC2 does not accept it any more, and the call succeeds', async () => {
    const { provider } = bed.agent({});
    await look(provider);
    const old = keyOf(0);
    bed.cloud.authority.revoke(old);
    expect(await Promise.all([look(provider), look(provider), look(provider)])).toHaveLength(3);
    const later = asked().slice(1);
    const fresh = keyOf(-1);
    expect(fresh).not.toBe(old);
    expect(later.filter(([status]) => status === 200)).toEqual([
      [200, fresh],
      [200, fresh],
      [200, fresh],
    ]);
    expect(later.filter(([status]) => status !== 200).every(([status, key]) => status === 401 && key === old)).toBe(
      true,
    );
    bed.mark();
    await look(provider);
    expect(asked()).toEqual([[200, fresh]]);
  });

  it('is renewed before it ends, also by a process that was given it', async () => {
    // Below the five minutes before the end at which keys are renewed; none of them ends while the test runs.
    bed.cloud.setCredentials({ ...ACCOUNT, lifetimeSeconds: 280 });
    const agent = bed.agent({}, { idleMs: 50 });
    await look(agent.provider);
    const first = keyOf(0);
    await until('the agent has ended', 30_000, () => agent.pid === undefined);
    bed.cloud.setCredentials({ ...ACCOUNT, lifetimeSeconds: 240 });
    await look(agent.provider);
    expect(keyOf(-1)).not.toBe(first);
    expect(asked().map(([status]) => status)).toEqual([200, 200]);
  });

  it('keys that nothing can renew are refused once, with what EC2 said', async () => {
    const { provider } = bed.agent({ AWS_ACCESS_KEY_ID: 'AKIDSTRANGER', AWS_SECRET_ACCESS_KEY: 'x' });
    await expect(look(provider)).rejects.toMatchObject({ code: 'denied', ec2Code: 'AuthFailure' });
    expect(asked()).toEqual([[401, 'AKIDSTRANGER']]);
  });

  it("a secret that is not the key's is not accepted, the right one is", async () => {
    bed.cloud.authority.allow({ accessKeyId: 'AKIDUSER', secretAccessKey: 'right/secret+' });
    const wrong = bed.agent({ AWS_ACCESS_KEY_ID: 'AKIDUSER', AWS_SECRET_ACCESS_KEY: 'right/secret' });
    await expect(look(wrong.provider)).rejects.toMatchObject({ code: 'denied', ec2Code: 'AuthFailure' });
    const right = bed.agent({ AWS_ACCESS_KEY_ID: 'AKIDUSER', AWS_SECRET_ACCESS_KEY: 'right/secret+' });
    expect(await look(right.provider)).toHaveLength(1);
  });
});

describe('the role of the service account (IRSA)', () => {
  const variables = (tokenFile: string) => ({
    AWS_ROLE_ARN: ROLE,
    AWS_WEB_IDENTITY_TOKEN_FILE: tokenFile,
    AWS_ENDPOINT_URL_STS: bed.cloud.endpoint,
  });

  it('is assumed at STS with the token, and neither metadata nor another key is used', async () => {
    const { provider } = bed.agent(variables(await bed.file('token', serviceAccountToken(3600))));
    await look(provider);
    await look(provider);
    expect(bed.calls('sts').map(({ action, status }) => [action, status])).toEqual([
      ['AssumeRoleWithWebIdentity', 200],
    ]);
    expect(bed.calls('metadata')).toEqual([]);
    expect(asked()).toEqual([
      [200, keyOf(0)],
      [200, keyOf(0)],
    ]);
  });

  it('a token that has expired says so, and its successor helps without a restart', async () => {
    const tokenFile = await bed.file('rotated', serviceAccountToken(-60));
    const { provider } = bed.agent(variables(tokenFile));
    await expect(look(provider)).rejects.toMatchObject({
      code: 'denied',
      message: `DescribeSubnets: no credentials from the role of the service account (IRSA): ExpiredTokenException: Token expired; check that the file ${tokenFile} is mounted, that the trust policy of ${ROLE} names this service account, and that STS can be reached`,
    });
    expect(asked()).toEqual([]);
    await bed.file('rotated', serviceAccountToken(3600));
    expect(await look(provider)).toHaveLength(1);
  });

  it('a token that is not there, and an STS that is not, are told apart', async () => {
    const missing = bed.agent(variables('/nonexistent/token'));
    await expect(look(missing.provider)).rejects.toMatchObject({
      message: expect.stringContaining('/nonexistent/token'),
    });
    const tokenFile = await bed.file('token', serviceAccountToken(3600));
    const nobody = bed.agent({ ...variables(tokenFile), AWS_ENDPOINT_URL_STS: 'http://127.0.0.1:1' });
    await expect(look(nobody.provider)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/IRSA\): .*ECONNREFUSED.*; check .*STS can be reached/),
    });
  });
});

describe('EKS Pod Identity', () => {
  it('gives keys for the token of the service account, which is read anew each time', async () => {
    const agentOfNode = await bed.cloud.servePodIdentity(
      { host: '127.0.0.1', port: 0 },
      new Map([
        ['token-1', ROLE],
        ['token-2', ROLE],
      ]),
    );
    const tokenFile = await bed.file('eks-token', 'token-1');
    const { provider } = bed.agent({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${agentOfNode.endpoint}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile,
    });
    await look(provider);
    await look(provider);
    expect(bed.calls('pod-identity').map(({ status }) => status)).toEqual([200]);
    expect(bed.calls('metadata')).toEqual([]);
    await bed.file('eks-token', 'token-2');
    bed.cloud.authority.revoke(keyOf(0));
    await look(provider);
    expect(bed.calls('pod-identity').map(({ status }) => status)).toEqual([200, 200]);
    expect(bed.calls('ec2').at(-1)).toMatchObject({ status: 200 });
    expect(keyOf(-1)).not.toBe(keyOf(0));
  });

  it('a service account without a role is told what to check', async () => {
    const agentOfNode = await bed.cloud.servePodIdentity({ host: '127.0.0.1', port: 0 }, new Map());
    const { provider } = bed.agent({
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${agentOfNode.endpoint}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: await bed.file('stranger', 'token-9'),
    });
    await expect(look(provider)).rejects.toMatchObject({
      code: 'denied',
      message: expect.stringMatching(
        /no credentials from EKS Pod Identity: .*; check that the EKS Pod Identity agent runs/,
      ),
    });
  });
});

describe('no credentials at all', () => {
  const ADVICE =
    'attach an instance profile whose role has the policy AmazonEKS_CNI_Policy and let this network namespace reach ' +
    'instance metadata (HttpPutResponseHopLimit), or give the service account a role (IRSA or EKS Pod Identity)';

  it('an instance without a role', async () => {
    bed.cloud.setCredentials({ ...ACCOUNT, instanceRole: undefined });
    const { provider } = bed.agent({});
    await expect(look(provider)).rejects.toMatchObject({
      code: 'denied',
      operation: 'DescribeSubnets',
      message: expect.stringMatching(
        new RegExp(
          `^DescribeSubnets: no credentials from the role of the instance: .*; ${ADVICE.replaceAll(/[()]/g, '\\$&')}$`,
        ),
      ),
    });
    expect(asked()).toEqual([]);
    bed.cloud.setCredentials(ACCOUNT);
    expect(await look(provider)).toHaveLength(1);
  });

  it('metadata that is switched off', async () => {
    const { provider } = bed.agent({ AWS_EC2_METADATA_DISABLED: 'true' });
    await expect(look(provider)).rejects.toMatchObject({
      code: 'denied',
      message: expect.stringContaining(
        '; AWS_EC2_METADATA_DISABLED=true forbids the instance role: unset it, or give the service account a role (IRSA or EKS Pod Identity)',
      ),
    });
  });
});
