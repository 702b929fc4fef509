/** What goes wrong on request: scripted faults, throttling, latency and lagging reads, as the real SDK meets them. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Cloud } from '#cloud/emulator/cloud.ts';
import { EC2_THROTTLING } from '#cloud/emulator/cloud.ts';
import type { World } from './emulator-world.ts';
import { clientFor, given, makeSubnet, refusalOf, startWorld } from './emulator-world.ts';
import { until } from '#test/support/until.ts';

let world: World;
let cloud: Cloud;
let subnetId: string;

beforeEach(async () => {
  world = await startWorld();
  cloud = world.cloud;
  ({ subnetId } = await makeSubnet(world.ec2));
});
afterEach(async () => world[Symbol.asyncDispose]());

const create = () => world.ec2.createNetworkInterface({ SubnetId: subnetId });
const interfaces = () => cloud.region.networkInterfaces().length;

async function control(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; json: Record<string, unknown> }> {
  const response = await fetch(`${cloud.endpoint}/_wellspring/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, json: (await response.json()) as Record<string, unknown> };
}

describe('scripted faults', () => {
  it('error: EC2 refuses, nothing is executed, and the next call goes through', async () => {
    cloud.failNext('CreateNetworkInterface', { kind: 'error', code: 'InsufficientCidrBlocks', message: 'no room' });
    const refused = await refusalOf(create());
    expect(refused).toMatchObject({
      name: 'InsufficientCidrBlocks',
      message: 'no room',
      $metadata: { httpStatusCode: 400 },
    });
    expect(interfaces()).toBe(0);
    await create();
    expect(interfaces()).toBe(1);
  });

  it('error: as often as asked for, on that action alone', async () => {
    cloud.failNext('CreateNetworkInterface', { kind: 'error', code: 'InternalError', status: 500, times: 2 });
    await world.ec2.describeVpcs({});
    expect((await refusalOf(create())).name).toBe('InternalError');
    expect(cloud.pendingFaults()).toEqual([expect.objectContaining({ times: 1 })]);
    expect((await refusalOf(create())).name).toBe('InternalError');
    await create();
  });

  it('garbage and http-503: an answer that cannot be read, nothing executed', async () => {
    cloud.failNext('CreateNetworkInterface', { kind: 'garbage' });
    await refusalOf(create());
    cloud.failNext('CreateNetworkInterface', { kind: 'http-503' });
    expect(await refusalOf(create())).toMatchObject({ $metadata: { httpStatusCode: 503 } });
    expect(interfaces()).toBe(0);
  });

  it('drop: the connection is reset before anything is executed', async () => {
    cloud.failNext('*', { kind: 'drop' });
    expect(await refusalOf(create())).toMatchObject({ message: expect.stringContaining('ECONNRESET') });
    expect(interfaces()).toBe(0);
  });

  it('lost-answer: it happened, but nobody was told', async () => {
    cloud.failNext('CreateNetworkInterface', { kind: 'lost-answer' });
    expect(await refusalOf(create())).toMatchObject({ message: expect.stringContaining('ECONNRESET') });
    expect(interfaces()).toBe(1);
    expect(cloud.calls().at(-1)).toMatchObject({ action: 'CreateNetworkInterface', status: 0, fault: 'lost-answer' });
  });

  it('lost-answer: a retry with the client token finds what was made', async () => {
    using retrying = {
      client: clientFor(cloud.endpoint, { maxAttempts: 3 }),
      [Symbol.dispose]: () => retrying.client.destroy(),
    };
    cloud.failNext('CreateNetworkInterface', { kind: 'lost-answer' });
    await retrying.client.createNetworkInterface({ SubnetId: subnetId });
    expect(interfaces()).toBe(1);
  });

  it('delay: executed at once, answered late', async () => {
    cloud.failNext('CreateNetworkInterface', { kind: 'delay', delayMs: 150 });
    const started = performance.now();
    await create();
    expect(performance.now() - started).toBeGreaterThanOrEqual(149);
    expect(given(cloud.calls().at(-1)).durationMs).toBeGreaterThanOrEqual(149);
  });

  it('are armed, listed and cleared over HTTP; nonsense arms nothing', async () => {
    const armed = await control('POST', 'faults', [
      { action: 'CreateNetworkInterface', kind: 'drop', times: 'always' },
      { action: '*', kind: 'delay', delayMs: 1 },
    ]);
    expect(armed).toMatchObject({ status: 200, json: { faults: [{ times: 'always' }, { kind: 'delay', times: 1 }] } });
    await refusalOf(create());
    await refusalOf(create());
    expect((await control('DELETE', 'faults')).json).toEqual({ faults: [] });
    await create();
    for (const wrong of [
      { action: 'CreateNic', kind: 'drop' },
      { action: '*', kind: 'explode' },
      { action: '*', kind: 'error' },
      { action: '*', kind: 'drop', times: 0 },
      { action: '*', kind: 'drop', delayMs: 3 },
      [{ action: '*', kind: 'drop' }, { action: '*' }],
      'text',
    ]) {
      expect(await control('POST', 'faults', wrong)).toMatchObject({
        status: 400,
        json: { error: expect.any(String) },
      });
    }
    expect((await control('GET', 'faults')).json).toEqual({ faults: [] });
  });
});

describe('throttling', () => {
  it('is off until asked for, then answers RequestLimitExceeded and recovers', async () => {
    const bucket = { capacity: 2, refillPerSecond: 2 };
    cloud.setThrottling({ classes: EC2_THROTTLING.classes, actions: { CreateNetworkInterface: bucket } });
    await create();
    await create();
    // More than two a second, however slow they come.
    const more = await Promise.allSettled(Array.from({ length: 50 }, create));
    const refused = more.flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
    expect(refused[0]).toMatchObject({ name: 'RequestLimitExceeded', $metadata: { httpStatusCode: 503 } });
    expect(interfaces()).toBe(2 + more.length - refused.length);
    using patient = {
      client: clientFor(cloud.endpoint, { maxAttempts: 12 }),
      [Symbol.dispose]: () => patient.client.destroy(),
    };
    await patient.client.createNetworkInterface({ SubnetId: subnetId });
    cloud.setThrottling(undefined);
    for (let count = 0; count < 5; count += 1) await create();
  });

  it('counts reads without ids and filters apart', async () => {
    const none = { capacity: 1, refillPerSecond: 0 };
    cloud.setThrottling({ classes: { ...EC2_THROTTLING.classes, 'unfiltered-read': none } });
    await world.ec2.describeVpcs({});
    expect((await refusalOf(world.ec2.describeVpcs({}))).name).toBe('RequestLimitExceeded');
    await world.ec2.describeVpcs({ MaxResults: 5 });
    await world.ec2.describeSubnets({});
  });
});

describe('latency and lag', () => {
  it('hold answers back by action, and do so in parallel', async () => {
    cloud.setLatency({ actions: { CreateNetworkInterface: { minMs: 600, maxMs: 620 } } });
    const started = performance.now();
    await Promise.all(Array.from({ length: 10 }, create));
    const took = performance.now() - started;
    expect(took).toBeGreaterThanOrEqual(599);
    expect(took).toBeLessThan(10 * 600);
    expect(
      cloud
        .calls()
        .filter((call) => call.action === 'CreateNetworkInterface')
        .every((call) => call.durationMs >= 599),
    ).toBe(true);
  });

  it('let Describes answer from the past while writes meet the present', async () => {
    cloud.setStaleReads(60_000);
    const { NetworkInterface } = await create();
    const id = given(NetworkInterface?.NetworkInterfaceId);
    const early = await refusalOf(world.ec2.describeNetworkInterfaces({ NetworkInterfaceIds: [id] }));
    expect(early.name).toBe('InvalidNetworkInterfaceID.NotFound');
    await world.ec2.assignPrivateIpAddresses({ NetworkInterfaceId: id, SecondaryPrivateIpAddressCount: 1 });
    const visible = async () => {
      const { NetworkInterfaces } = await world.ec2.describeNetworkInterfaces({});
      return NetworkInterfaces?.[0]?.PrivateIpAddresses?.length === 2;
    };
    cloud.setStaleReads(400);
    await until('the past becomes the present', 5000, visible);
  });
});

describe('the control interface', () => {
  it('tells health, state and calls', async () => {
    await create();
    expect((await control('GET', 'health')).json).toMatchObject({ status: 'ok', region: 'eu-test-1' });
    expect((await control('GET', 'state')).json).toMatchObject({ networkInterfaces: [{ subnetId }], instances: [] });
    const { json } = await control('GET', 'calls?action=CreateNetworkInterface');
    expect(json['calls']).toEqual([expect.objectContaining({ kind: 'ec2', status: 200, source: '127.0.0.1' })]);
    expect((await control('GET', 'nothing')).status).toBe(404);
    expect((await control('PATCH', 'calls')).status).toBe(405);
  });

  it('sets the switches, and refuses what it does not know', async () => {
    const set = await control('PUT', 'switches', { latency: { default: 1 }, throttling: 'ec2', metadataLagMs: 5 });
    expect([set.status, set.json]).toEqual([200, expect.objectContaining({ metadataLagMs: 5, staleReadsMs: 0 })]);
    for (const wrong of [
      { latency: -1 },
      { latency: { default: { minMs: 5, maxMs: 1 } } },
      { speed: 1 },
      { throttling: 7 },
      null,
    ]) {
      expect((await control('PUT', 'switches', wrong)).status).toBe(400);
    }
    expect((await control('GET', 'switches')).json).toEqual(set.json);
  });
});
