import { describe, expect, it } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import { createInstanceMetadata } from '#cloud/aws/instance-metadata.ts';
import { ManualClock } from '#cloud/decorate/testing/manual-clock.ts';
import { startCloud } from '#cloud/emulator/cloud.ts';
import { until } from '#test/support/until.ts';
import { startServer } from './aws-http-server.ts';
import type { Received } from './aws-http-server.ts';

const MAC = '0a:11:22:33:44:55';
const DOCUMENT = {
  instanceId: 'i-0123456789abcdef0',
  instanceType: 'm5.large',
  region: 'eu-test-1',
  availabilityZone: 'eu-test-1a',
  privateIp: '10.0.0.10',
};
const interfacePath = (leaf: string) => `/latest/meta-data/network/interfaces/macs/${MAC}/${leaf}`;
const TREE: Readonly<Record<string, string>> = {
  '/latest/dynamic/instance-identity/document': JSON.stringify(DOCUMENT),
  '/latest/meta-data/mac': MAC,
  [interfacePath('interface-id')]: 'eni-1',
  [interfacePath('subnet-id')]: 'subnet-1',
  [interfacePath('vpc-id')]: 'vpc-1',
  [interfacePath('subnet-ipv4-cidr-block')]: '10.0.0.0/24',
  [interfacePath('vpc-ipv4-cidr-blocks')]: '10.0.0.0/16\n100.64.0.0/16',
  [interfacePath('security-group-ids')]: 'sg-1\nsg-2',
};

type Answer = (response: ServerResponse) => void;
const text =
  (status: number, body: string): Answer =>
  (response) =>
    void response.writeHead(status).end(body);

/** A metadata service that honours one token at a time; `first` answers requests by path, one each, before it does. */
async function setUp(
  tree: Readonly<Record<string, string>> = TREE,
  first: readonly (readonly [string, Answer])[] = [],
) {
  const script = [...first];
  let token = 0;
  const service = (request: Received, response: ServerResponse): void => {
    const scripted = script.findIndex(([path]) => path === request.path);
    if (scripted !== -1) {
      script.splice(scripted, 1)[0]?.[1](response);
      return;
    }
    if (request.method === 'PUT' && request.path === '/latest/api/token') {
      const ttl = Number(request.headers['x-aws-ec2-metadata-token-ttl-seconds']);
      token += 1;
      text(ttl >= 1 && ttl <= 21_600 ? 200 : 400, `token-${String(token)}`)(response);
    } else if (request.headers['x-aws-ec2-metadata-token'] !== `token-${String(token)}`) text(401, '')(response);
    else {
      const body = tree[request.path];
      text(body === undefined ? 404 : 200, body ?? '')(response);
    }
  };
  const server = await startServer(service);
  const clock = new ManualClock();
  const environment = { AWS_EC2_METADATA_SERVICE_ENDPOINT: server.endpoint };
  const metadata = createInstanceMetadata(environment, { clock, random: () => 0, timeoutMs: 30_000 });
  return { server, clock, metadata, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

describe('instance metadata', () => {
  it('tells who and where this is, in at most ten requests over one connection', async () => {
    await using subject = await setUp();
    expect(await subject.metadata.identity()).toEqual({
      instanceId: 'i-0123456789abcdef0',
      instanceType: 'm5.large',
      region: 'eu-test-1',
      availabilityZone: 'eu-test-1a',
      primaryMac: MAC,
      primaryInterfaceId: 'eni-1',
      primaryAddress: '10.0.0.10',
      subnetId: 'subnet-1',
      subnetCidr: '10.0.0.0/24',
      vpcId: 'vpc-1',
      vpcCidrs: ['10.0.0.0/16', '100.64.0.0/16'],
      securityGroupIds: ['sg-1', 'sg-2'],
    });
    expect(subject.server.received.length).toBeLessThanOrEqual(10);
    expect(subject.server.connections()).toBe(1);
  });

  it('a token that is refused is replaced once', async () => {
    await using subject = await setUp(TREE, [['/latest/meta-data/mac', text(401, '')]]);
    await expect(subject.metadata.identity()).resolves.toMatchObject({ primaryMac: MAC });
    expect(subject.server.received.filter((request) => request.method === 'PUT')).toHaveLength(2);

    const twice = ['/latest/meta-data/mac', text(401, '')] as const;
    await using broken = await setUp(TREE, [twice, twice]);
    await expect(broken.metadata.identity()).rejects.toMatchObject({
      code: 'unavailable',
      operation: '/latest/meta-data/mac',
    });
  });

  it('asks again, some times, where there is no answer or one that says "later"', async () => {
    const path = interfacePath('vpc-id');
    await using subject = await setUp(TREE, [
      [path, text(503, 'busy')],
      [path, (response) => response.socket?.destroy()],
      [path, text(429, '')],
    ]);
    await expect(subject.clock.follow(subject.metadata.identity())).resolves.toMatchObject({ vpcId: 'vpc-1' });
    expect(subject.server.received.filter((request) => request.path === path)).toHaveLength(4);
  });

  it('a service that never answers is given up, and the error says what to check', async () => {
    await using silent = await startServer(() => undefined);
    const clock = new ManualClock();
    const environment = { AWS_EC2_METADATA_SERVICE_ENDPOINT: silent.endpoint };
    const metadata = createInstanceMetadata(environment, { clock, random: () => 0, timeoutMs: 2000, attempts: 3 });
    const failure = clock.follow(metadata.identity());
    await expect(failure).rejects.toMatchObject({ code: 'unavailable', operation: '/latest/api/token' });
    await expect(failure).rejects.toThrow(/hop limit/);
    await expect(failure).rejects.toThrow(silent.endpoint);
    expect(silent.received).toHaveLength(3);
  });

  it('a signal ends it while it waits for an answer, or for the next try', async () => {
    const caller = new AbortController();
    await using silent = await startServer(() => caller.abort());
    const environment = { AWS_EC2_METADATA_SERVICE_ENDPOINT: silent.endpoint };
    const waiting = createInstanceMetadata(environment).identity({ signal: caller.signal });
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' });

    await using busy = await setUp(TREE, [['/latest/api/token', text(503, '')]]);
    const second = new AbortController();
    const pausing = busy.metadata.identity({ signal: second.signal }).catch((error: unknown) => error);
    await until('the client pauses', 5000, () => busy.clock.sleeping > 0);
    second.abort();
    expect(await pausing).toMatchObject({ code: 'aborted' });
  });

  it.each([
    ['/latest/dynamic/instance-identity/document', 'not JSON'],
    ['/latest/dynamic/instance-identity/document', '[]'],
    ['/latest/dynamic/instance-identity/document', JSON.stringify({ ...DOCUMENT, privateIp: '10.0.0.300' })],
    ['/latest/dynamic/instance-identity/document', JSON.stringify({ ...DOCUMENT, instanceId: 7 })],
    ['/latest/dynamic/instance-identity/document', JSON.stringify({ ...DOCUMENT, region: undefined })],
    ['/latest/meta-data/mac', '<html>'],
    ['/latest/meta-data/mac', `${MAC}/../x`],
    [interfacePath('interface-id'), 'i-1'],
    [interfacePath('subnet-ipv4-cidr-block'), '10.0.0.0'],
    [interfacePath('vpc-ipv4-cidr-blocks'), '10.0.0.0/16\n10.0.0.0/40'],
    [interfacePath('security-group-ids'), ''],
    [interfacePath('subnet-id'), undefined],
  ])('%s answering %j is an error that names the path', async (path, body) => {
    const { [path]: _, ...rest } = TREE;
    await using subject = await setUp(body === undefined ? rest : { ...TREE, [path]: body });
    const failure = subject.metadata.identity();
    await expect(failure).rejects.toMatchObject({ name: 'CloudError', code: 'unavailable' });
    await expect(failure).rejects.toThrow(path);
  });

  it('a token that is no token, and an endpoint that is no address', async () => {
    await using subject = await setUp(TREE, [['/latest/api/token', text(200, 'two\nlines')]]);
    await expect(subject.metadata.identity()).rejects.toMatchObject({
      code: 'unavailable',
      operation: '/latest/api/token',
    });
    for (const endpoint of ['nowhere', 'https://169.254.169.254']) {
      const metadata = createInstanceMetadata({ AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint });
      await expect(metadata.identity()).rejects.toMatchObject({
        code: 'invalid',
        message: expect.stringContaining(endpoint),
      });
    }
  });

  it("of the embedded cloud is that of the instance that asks, by the cloud's own account", async () => {
    await using cloud = await startCloud();
    const { region } = cloud;
    const VpcId = region.execute('CreateVpc', { CidrBlock: '10.0.0.0/16' }).Vpc?.VpcId;
    region.execute('AssociateVpcCidrBlock', { VpcId, CidrBlock: '100.64.0.0/16' });
    const SubnetId = region.execute('CreateSubnet', { VpcId, CidrBlock: '10.0.1.0/24' }).Subnet?.SubnetId;
    const launch = {
      ImageId: 'ami-0123456789abcdef0',
      MinCount: 1,
      MaxCount: 1,
      InstanceType: 'm5.large',
      SubnetId,
    } as const;
    const instance = region.execute('RunInstances', launch).Instances?.[0];
    const primary = instance?.NetworkInterfaces?.[0];
    const instanceId = instance?.InstanceId ?? '';
    const { endpoint } = await cloud.serveMetadata({ host: '127.0.0.1', port: 0, instanceId });
    const metadata = createInstanceMetadata({ AWS_EC2_METADATA_SERVICE_ENDPOINT: endpoint });
    expect(await metadata.identity()).toEqual({
      instanceId,
      instanceType: 'm5.large',
      region: 'us-east-1',
      availabilityZone: instance?.Placement?.AvailabilityZone,
      primaryMac: primary?.MacAddress,
      primaryInterfaceId: primary?.NetworkInterfaceId,
      primaryAddress: instance?.PrivateIpAddress,
      subnetId: SubnetId,
      subnetCidr: '10.0.1.0/24',
      vpcId: VpcId,
      vpcCidrs: ['10.0.0.0/16', '100.64.0.0/16'],
      securityGroupIds: primary?.Groups?.map((group) => group.GroupId),
    });
    expect(cloud.calls().length).toBeLessThanOrEqual(10);
  });
});
