/** The way to EC2: proxies, and the endpoints of other partitions. The proxy sees where a client wants to go. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CredentialBed, credentialBed, ROLE, serviceAccountToken } from './credentials-bed.ts';

interface Proxy extends AsyncDisposable {
  readonly url: string;
  /** Hosts that were asked for: `host:port` by CONNECT, whole URLs by plain HTTP. */
  readonly wanted: string[];
}

/** Passes plain requests on; tunnels it refuses, because what is asked for through them is not on this machine. */
async function startProxy(): Promise<Proxy> {
  const wanted: string[] = [];
  const server = createServer((incoming, response) => {
    wanted.push(incoming.url ?? '');
    const outgoing = request(incoming.url ?? '', { method: incoming.method, headers: incoming.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    outgoing.on('error', () => response.writeHead(502).end());
    incoming.pipe(outgoing);
  });
  server.on('connect', (incoming, socket) => {
    wanted.push(incoming.url ?? '');
    socket.end('HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    wanted,
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

let bed: CredentialBed;
let proxy: Proxy;
beforeAll(async () => {
  bed = await credentialBed();
  proxy = await startProxy();
});
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await bed?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  bed.mark();
  proxy.wanted.length = 0;
});

const CAUSE = { cause: 'test' };

describe('a proxy', () => {
  it.each(['HTTP_PROXY', 'http_proxy'])('of %s is asked for EC2 and never for metadata', async (name) => {
    const { provider } = bed.agent({ [name]: proxy.url });
    expect(await provider.describeSubnets({}, CAUSE)).toHaveLength(1);
    expect(proxy.wanted).toEqual([`${bed.cloud.endpoint}/`]);
    expect(bed.calls('metadata').length).toBeGreaterThan(0);
  });

  it('is asked for STS, too', async () => {
    const { provider } = bed.agent({
      HTTP_PROXY: proxy.url,
      AWS_ROLE_ARN: ROLE,
      AWS_WEB_IDENTITY_TOKEN_FILE: await bed.file('token', serviceAccountToken(600)),
      AWS_ENDPOINT_URL_STS: bed.cloud.endpoint,
    });
    await provider.describeSubnets({}, CAUSE);
    expect(bed.calls('sts')).toHaveLength(1);
    expect(proxy.wanted).toHaveLength(2);
  });

  it('is not asked for the hosts of NO_PROXY', async () => {
    const { provider } = bed.agent({ HTTP_PROXY: proxy.url, NO_PROXY: 'example.com,127.0.0.1' });
    await provider.describeSubnets({}, CAUSE);
    expect(proxy.wanted).toEqual([]);
  });

  it('that cannot be reached makes the call unavailable, and says why', async () => {
    const { provider } = bed.agent({ HTTP_PROXY: 'http://127.0.0.1:1' });
    await expect(provider.describeSubnets({}, CAUSE)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('ECONNREFUSED'),
    });
  });
});

describe('the endpoint', () => {
  it.each([
    ['eu-central-1', {}, 'ec2.eu-central-1.amazonaws.com:443'],
    ['cn-north-1', {}, 'ec2.cn-north-1.amazonaws.com.cn:443'],
    ['us-gov-west-1', {}, 'ec2.us-gov-west-1.amazonaws.com:443'],
    ['eu-central-1', { AWS_USE_DUALSTACK_ENDPOINT: 'true' }, 'ec2.eu-central-1.api.aws:443'],
    ['cn-north-1', { AWS_USE_DUALSTACK_ENDPOINT: 'true' }, 'ec2.cn-north-1.api.amazonwebservices.com.cn:443'],
    ['us-east-1', { AWS_USE_FIPS_ENDPOINT: 'true' }, 'ec2-fips.us-east-1.amazonaws.com:443'],
    [
      'us-east-1',
      { AWS_USE_FIPS_ENDPOINT: 'true', AWS_USE_DUALSTACK_ENDPOINT: 'true' },
      'ec2-fips.us-east-1.api.aws:443',
    ],
    ['eu-central-1', { AWS_ENDPOINT_URL_EC2: 'https://ec2.corp.example' }, 'ec2.corp.example:443'],
  ])('of %s with %j is %s', async (region, variables, host) => {
    const { provider } = bed.agent({ HTTPS_PROXY: proxy.url, ...variables }, { region, endpoint: undefined });
    await expect(provider.describeSubnets({}, CAUSE)).rejects.toMatchObject({ code: 'unavailable' });
    expect(proxy.wanted).toEqual([host]);
  });

  it.each([
    ['cn-north-1', 'sts.cn-north-1.amazonaws.com.cn:443'],
    ['us-gov-west-1', 'sts.us-gov-west-1.amazonaws.com:443'],
    ['eu-central-1', 'sts.eu-central-1.amazonaws.com:443'],
  ])("of %s's STS is its own: %s", async (region, host) => {
    const variables = {
      HTTPS_PROXY: proxy.url,
      AWS_ROLE_ARN: ROLE,
      AWS_WEB_IDENTITY_TOKEN_FILE: await bed.file('token', serviceAccountToken(600)),
    };
    const { provider } = bed.agent(variables, { region, endpoint: undefined });
    await expect(provider.describeSubnets({}, CAUSE)).rejects.toMatchObject({ code: 'unavailable' });
    expect(proxy.wanted[0]).toBe(host);
  });
});
