/** The instance metadata face by plain HTTP: tokens, listings, what each interface says, who is asking, and lag. */
import { request } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { World } from './emulator-world.ts';
import { given, makeSubnet, runInstance, startWorld } from './emulator-world.ts';
import { until } from '#test/support/until.ts';

const MACS = '/latest/meta-data/network/interfaces/macs/';

let world: World;
let subnetId: string;
let vpcId: string;
let instanceId: string;
let endpoint: string;

beforeEach(async () => {
  world = await startWorld();
  ({ subnetId, vpcId } = await makeSubnet(world.ec2));
  instanceId = await runInstance(world.ec2, subnetId);
  ({ endpoint } = await world.cloud.serveMetadata({ host: '127.0.0.1', port: 0, instanceId }));
});
afterEach(async () => world[Symbol.asyncDispose]());

const askToken = (headers: Record<string, string>, at = endpoint) =>
  fetch(`${at}/latest/api/token`, { method: 'PUT', headers });

async function token(ttlSeconds = 60, at = endpoint): Promise<string> {
  return (await askToken({ 'X-aws-ec2-metadata-token-ttl-seconds': String(ttlSeconds) }, at)).text();
}

async function get(path: string, withToken?: string): Promise<{ status: number; text: string }> {
  const headers = { 'X-aws-ec2-metadata-token': withToken ?? (await token()) };
  const response = await fetch(endpoint + path, { headers });
  return { status: response.status, text: await response.text() };
}

async function attachInterface(index: number): Promise<{ id: string; mac: string }> {
  const { NetworkInterface } = await world.ec2.createNetworkInterface({
    SubnetId: subnetId,
    SecondaryPrivateIpAddressCount: 2,
  });
  const id = given(NetworkInterface?.NetworkInterfaceId);
  await world.ec2.attachNetworkInterface({ NetworkInterfaceId: id, InstanceId: instanceId, DeviceIndex: index });
  await world.ec2.assignPrivateIpAddresses({ NetworkInterfaceId: id, Ipv4PrefixCount: 1 });
  return { id, mac: given(NetworkInterface?.MacAddress) };
}

describe('session tokens', () => {
  it.each(['0', '21601', '-1', '60s', '1.5', ''])('are refused for a life of "%s" seconds', async (ttl) => {
    expect((await askToken({ 'X-aws-ec2-metadata-token-ttl-seconds': ttl })).status).toBe(400);
  });

  it('need the header, and no proxy on the way', async () => {
    expect((await askToken({})).status).toBe(400);
    const proxied = { 'X-aws-ec2-metadata-token-ttl-seconds': '60', 'X-Forwarded-For': '192.0.2.1' };
    expect((await askToken(proxied)).status).toBe(403);
  });

  it('are told their life, and are needed for everything', async () => {
    const given21600 = await askToken({ 'X-aws-ec2-metadata-token-ttl-seconds': '21600' });
    expect([given21600.status, given21600.headers.get('x-aws-ec2-metadata-token-ttl-seconds')]).toEqual([200, '21600']);
    expect((await fetch(`${endpoint}/latest/meta-data/`)).status).toBe(401);
    expect((await get('/latest/meta-data/', 'bogus')).status).toBe(401);
    const forged = `${(await token()).slice(0, -4)}AAAA`;
    expect((await get('/latest/meta-data/', forged)).status).toBe(401);
    expect((await fetch(`${endpoint}/latest/meta-data/`, { method: 'POST' })).status).toBe(405);
  });

  it('end with their life and do not pass to another instance', async () => {
    const asked = performance.now();
    const short = await token(3);
    const { status } = await get('/latest/meta-data/instance-id', short);
    // A machine that stood still for so long has seen it end.
    if (performance.now() - asked < 3000) expect(status).toBe(200);
    await until(
      'the token expires',
      5000,
      async () => (await get('/latest/meta-data/instance-id', short)).status === 401,
    );
    const other = await runInstance(world.ec2, subnetId);
    const others = await world.cloud.serveMetadata({ host: '127.0.0.1', port: 0, instanceId: other });
    expect((await get('/latest/meta-data/instance-id', await token(60, others.endpoint))).status).toBe(401);
  });
});

describe('what metadata says', () => {
  it('names the instance, its place and its type', async () => {
    const expected = {
      'instance-id': instanceId,
      'instance-type': 'm5.large',
      'ami-id': 'ami-12345678',
      'local-ipv4': '10.0.0.4',
      'placement/availability-zone': 'eu-test-1a',
      'placement/region': 'eu-test-1',
      'security-groups': 'default',
      'services/domain': 'amazonaws.com',
    };
    for (const [path, value] of Object.entries(expected)) {
      expect([path, await get(`/latest/meta-data/${path}`)]).toEqual([path, { status: 200, text: value }]);
    }
    const { text } = await get('/latest/dynamic/instance-identity/document');
    expect(JSON.parse(text)).toMatchObject({
      instanceId,
      instanceType: 'm5.large',
      region: 'eu-test-1',
      privateIp: '10.0.0.4',
    });
    expect((await get('/latest/meta-data/nothing')).status).toBe(404);
    expect((await get('/latest/meta-data/instance-id/more')).status).toBe(404);
    expect((await get('/latest/meta-data/__proto__')).status).toBe(404);
  });

  it('lists directories with a slash behind them, asked with or without one', async () => {
    const listing = await get('/latest/meta-data');
    expect(listing).toEqual(await get('/latest/meta-data/'));
    expect(listing.text.split('\n')).toEqual(expect.arrayContaining(['instance-id', 'network/', 'placement/']));
    const { mac } = await attachInterface(1);
    const macs = (await get(MACS)).text.split('\n');
    expect(macs).toEqual([expect.stringMatching(/^([0-9a-f]{2}:){5}[0-9a-f]{2}\/$/), `${mac}/`]);
  });

  it('tells each interface as EC2 describes it', async () => {
    const { id, mac } = await attachInterface(1);
    const { NetworkInterfaces } = await world.ec2.describeNetworkInterfaces({ NetworkInterfaceIds: [id] });
    const held = given(NetworkInterfaces?.[0]);
    const own = async (path: string) => (await get(`${MACS}${mac}/${path}`)).text;
    expect(await own('local-ipv4s')).toBe(held.PrivateIpAddresses?.map((entry) => entry.PrivateIpAddress).join('\n'));
    expect((await own('local-ipv4s')).split('\n')[0]).toBe(held.PrivateIpAddress);
    expect(await own('ipv4-prefix')).toBe(held.Ipv4Prefixes?.map((entry) => entry.Ipv4Prefix).join('\n'));
    expect(await own('interface-id')).toBe(id);
    expect(await own('device-number')).toBe('1');
    expect(await own('network-card')).toBe('0');
    expect(await own('subnet-id')).toBe(subnetId);
    expect(await own('subnet-ipv4-cidr-block')).toBe('10.0.0.0/24');
    expect(await own('vpc-id')).toBe(vpcId);
    expect(await own('vpc-ipv4-cidr-blocks')).toBe('10.0.0.0/16');
    expect(await own('vpc-ipv6-cidr-blocks')).toMatch(/\/56$/);
    expect(await own('security-group-ids')).toBe(held.Groups?.map((group) => group.GroupId).join('\n'));
    expect((await get(`${MACS}${mac}/ipv6s`)).status).toBe(404);
    await world.ec2.assignIpv6Addresses({ NetworkInterfaceId: id, Ipv6AddressCount: 1 });
    expect((await get(`${MACS}${mac}/ipv6s`)).status).toBe(200);
    await world.ec2.detachNetworkInterface({ AttachmentId: given(held.Attachment?.AttachmentId) });
    expect((await get(`${MACS}${mac}/`)).status).toBe(404);
  });

  it('lags behind EC2 when told to', async () => {
    world.cloud.setMetadataLag(60_000);
    const { mac } = await attachInterface(1);
    const session = await token();
    expect((await get(`${MACS}${mac}/interface-id`, session)).status).toBe(404);
    world.cloud.setMetadataLag(300);
    await until(
      'metadata catches up',
      5000,
      async () => (await get(`${MACS}${mac}/interface-id`, session)).status === 200,
    );
  });

  it('ends with the instance', async () => {
    await world.ec2.terminateInstances({ InstanceIds: [instanceId] });
    expect((await get('/latest/meta-data/instance-id')).status).toBe(404);
  });
});

describe('who is asking', () => {
  /** A request whose source address is one of the loopback network. */
  function from(
    localAddress: string,
    at: string,
    path: string,
    method = 'GET',
    headers = {},
  ): Promise<{ status: number; text: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(at + path, { localAddress, method, headers, agent: false }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
      });
      sent.on('error', reject).end();
    });
  }

  it('is told by the source address: any address or prefix of an instance', async () => {
    const { region } = world.cloud;
    const loopback = given(region.execute('CreateVpc', { CidrBlock: '127.7.0.0/16' }).Vpc?.VpcId);
    const subnet = given(
      region.execute('CreateSubnet', { VpcId: loopback, CidrBlock: '127.7.0.0/24' }).Subnet?.SubnetId,
    );
    const one = await runInstance(world.ec2, subnet);
    const two = await runInstance(world.ec2, subnet);
    const eni = region.networkInterfaces().find((entry) => entry.attachment?.instanceId === two);
    const { AssignedIpv4Prefixes } = region.execute('AssignPrivateIpAddresses', {
      NetworkInterfaceId: given(eni).id,
      Ipv4PrefixCount: 1,
    });
    const inPrefix = given(AssignedIpv4Prefixes?.[0]?.Ipv4Prefix).replace(/\d+\/28$/, (last) =>
      String(parseInt(last, 10) + 9),
    );
    const all = await world.cloud.serveMetadata({ host: '127.0.0.1', port: 0 });
    const ask = async (source: string) => {
      const ttl = { 'X-aws-ec2-metadata-token-ttl-seconds': '60' };
      const session = await from(source, all.endpoint, '/latest/api/token', 'PUT', ttl);
      const headers = { 'X-aws-ec2-metadata-token': session.text };
      return (await from(source, all.endpoint, '/latest/meta-data/instance-id', 'GET', headers)).text;
    };
    expect(await ask('127.7.0.4')).toBe(one);
    expect(await ask('127.7.0.5')).toBe(two);
    expect(await ask(inPrefix)).toBe(two);
    expect(await ask('127.7.0.99')).toContain('No instance');
    const counted = world.cloud.calls().filter((call) => call.kind === 'metadata' && call.instanceId === two);
    expect(counted.map((call) => call.action)).toEqual([
      'PUT /latest/api/token',
      'GET /latest/meta-data/instance-id',
      'PUT /latest/api/token',
      'GET /latest/meta-data/instance-id',
    ]);
  });
});
