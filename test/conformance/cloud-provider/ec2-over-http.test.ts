import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createEc2ClientSend } from '#cloud/aws/ec2-client.ts';
import { createEc2Provider } from '#cloud/aws/ec2-provider.ts';
import { systemClock } from '#cloud/decorate/clock.ts';
import { ManualClock } from '#cloud/decorate/testing/manual-clock.ts';
import { withRetry } from '#cloud/decorate/retry.ts';
import { startCloud } from '#cloud/emulator/cloud.ts';
import type { Cloud, Fault } from '#cloud/emulator/cloud.ts';
import type { Ec2Action } from '#cloud/emulator/region.ts';
import type { CloudErrorCode } from '#cloud/errors.ts';
import type { CloudProvider } from '#cloud/provider.ts';
import { until } from '#test/support/until.ts';
import { describeCloudProvider } from './describe-cloud-provider.ts';
import { CAUSE, emulatedPlace, given, makeWorld } from './subject.ts';
import type { Subject } from './subject.ts';

const CREDENTIALS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' } as const;
const before = Object.keys(CREDENTIALS).map((key) => [key, process.env[key]] as const);

beforeAll(() => {
  Object.assign(process.env, CREDENTIALS);
});
afterAll(() => {
  for (const [key, value] of before) {
    if (value === undefined) delete process.env[key];
    else process.env[key] = value;
  }
});

async function makeSubject(): Promise<Subject & { readonly cloud: Cloud }> {
  const cloud = await startCloud();
  const send = createEc2ClientSend({
    region: 'us-east-1',
    endpoint: cloud.endpoint,
    version: '0.0.0',
    httpTimeoutSeconds: 5,
  });
  const dispose = async (): Promise<void> => {
    send[Symbol.dispose]();
    await cloud[Symbol.asyncDispose]();
  };
  return {
    cloud,
    provider: createEc2Provider(send),
    place: emulatedPlace(cloud.region),
    [Symbol.asyncDispose]: dispose,
  };
}

describeCloudProvider("the SDK over the emulator's HTTP", makeSubject);

/** A provider that retries without waiting for real time. */
function retrying(provider: CloudProvider): CloudProvider {
  const clock = { ...systemClock, now: () => 0, sleep: () => Promise.resolve() };
  return withRetry(provider, { clock, random: () => 0 });
}

const FAULTS: readonly (readonly [string, Fault, CloudErrorCode])[] = [
  ['a 503', { kind: 'http-503' }, 'unavailable'],
  ['garbage', { kind: 'garbage' }, 'unavailable'],
  ['a dropped connection', { kind: 'drop' }, 'unavailable'],
  ['a lost answer', { kind: 'lost-answer' }, 'unavailable'],
  ['throttling', { kind: 'error', code: 'RequestLimitExceeded', status: 503 }, 'throttled'],
  ['an internal error', { kind: 'error', code: 'InternalError', status: 500 }, 'unavailable'],
  ['a missing permission', { kind: 'error', code: 'UnauthorizedOperation', status: 403 }, 'denied'],
];

describe("the SDK over the emulator's HTTP, when the way is bad", () => {
  it.each(FAULTS.filter(([, , code]) => code !== 'throttled'))(
    '%s has its code, and is met once by an assign',
    async (_, fault, code) => {
      await using subject = await makeSubject();
      const { create, subnet, look } = await makeWorld(subject);
      const made = await create(await subnet(24));
      subject.cloud.failNext('AssignPrivateIpAddresses', fault);
      const request = { networkInterfaceId: made.id, addressCount: 2 };
      const failure = retrying(subject.provider).assignPrivateIpAddresses(request, CAUSE);
      await expect(failure).rejects.toMatchObject({ name: 'CloudError', code, operation: 'AssignPrivateIpAddresses' });
      // Only a look tells what became of it.
      expect((await look(made.id)).secondaryAddresses).toHaveLength(fault.kind === 'lost-answer' ? 2 : 0);
    },
  );

  it('a throttled assign is repeated, and assigns once', async () => {
    await using subject = await makeSubject();
    const world = await makeWorld({ ...subject, provider: retrying(subject.provider) });
    const made = await world.create(await world.subnet(24));
    subject.cloud.failNext('AssignPrivateIpAddresses', {
      kind: 'error',
      code: 'RequestLimitExceeded',
      status: 503,
      times: 2,
    });
    const request = { networkInterfaceId: made.id, addressCount: 2 };
    const { addresses } = await world.provider.assignPrivateIpAddresses(request, CAUSE);
    expect((await world.look(made.id)).secondaryAddresses.toSorted()).toEqual([...addresses].toSorted());
    expect(addresses).toHaveLength(2);
  });

  it.each(FAULTS.filter(([, , code]) => code !== 'denied'))(
    'a create gets over %s, and makes one interface',
    async (_, fault) => {
      await using subject = await makeSubject();
      const world = await makeWorld({ ...subject, provider: retrying(subject.provider) });
      const subnetId = await world.subnet(24);
      subject.cloud.failNext('CreateNetworkInterface', { ...fault, times: 3 });
      const made = await world.create(subnetId, { secondaryAddressCount: 2 });
      const found = await subject.provider.describeNetworkInterfaces({ filters: { 'subnet-id': [subnetId] } }, CAUSE);
      expect(found.map((eni) => eni.id)).toEqual([made.id]);
      expect(subject.cloud.pendingFaults()).toEqual([]);
    },
  );

  it('a fault that stays is passed on after four attempts', async () => {
    await using subject = await makeSubject();
    subject.cloud.failNext('DescribeSubnets', { kind: 'http-503', times: 'always' });
    await expect(retrying(subject.provider).describeSubnets({}, CAUSE)).rejects.toMatchObject({ code: 'unavailable' });
    expect(subject.cloud.calls().filter((call) => call.action === 'DescribeSubnets')).toHaveLength(4);
  });

  it('of a delete and a detach whose answers are lost the retry says not-found: they are done', async () => {
    await using subject = await makeSubject();
    const world = await makeWorld(subject);
    const subnetId = await world.subnet(24);
    const made = await world.attached(subnetId, (await world.instance('m5.large', subnetId)).id, 1);
    const steady = retrying(subject.provider);
    subject.cloud.failNext('DetachNetworkInterface', { kind: 'lost-answer' });
    const attachmentId = given(made.attachment?.attachmentId);
    await expect(steady.detachNetworkInterface({ attachmentId }, CAUSE)).rejects.toMatchObject({ code: 'not-found' });
    subject.cloud.failNext('DeleteNetworkInterface', { kind: 'lost-answer' });
    await expect(steady.deleteNetworkInterface({ networkInterfaceId: made.id }, CAUSE)).rejects.toMatchObject({
      code: 'not-found',
    });
    expect(subject.cloud.region.networkInterfaces().map((eni) => eni.id)).not.toContain(made.id);
  });

  it('an attach whose answer is lost is left to the caller, who finds it done', async () => {
    await using subject = await makeSubject();
    const world = await makeWorld({ ...subject, provider: retrying(subject.provider) });
    const subnetId = await world.subnet(24);
    const node = await world.instance('m5.large', subnetId);
    subject.cloud.failNext('AttachNetworkInterface', { kind: 'lost-answer' });
    const made = await world.create(subnetId);
    const request = { networkInterfaceId: made.id, instanceId: node.id, deviceIndex: 1, networkCardIndex: 0 };
    await expect(world.provider.attachNetworkInterface(request, CAUSE)).rejects.toMatchObject({ code: 'unavailable' });
    expect((await world.look(made.id)).attachment?.instanceId).toBe(node.id);
  });

  it('each operation reads the same codes off the wire', async () => {
    await using subject = await makeSubject();
    const { create, subnet } = await makeWorld(subject);
    const made = await create(await subnet(24));
    const each: readonly (readonly [Ec2Action, () => Promise<unknown>])[] = [
      [
        'ModifyNetworkInterfaceAttribute',
        () =>
          subject.provider.modifyNetworkInterfaceAttribute(
            { networkInterfaceId: made.id, securityGroupIds: made.securityGroupIds },
            CAUSE,
          ),
      ],
      ['DeleteNetworkInterface', () => subject.provider.deleteNetworkInterface({ networkInterfaceId: made.id }, CAUSE)],
      ['CreateTags', () => subject.provider.createTags({ resourceIds: [made.id], tags: { a: 'b' } }, CAUSE)],
      ['DescribeInstanceTypes', () => subject.provider.describeInstanceTypes({ instanceTypes: ['m5.large'] }, CAUSE)],
    ];
    for (const [action, call] of each) {
      for (const [, fault, code] of FAULTS.filter(([, { kind }]) => kind !== 'lost-answer')) {
        subject.cloud.failNext(action, fault);
        await expect(call()).rejects.toMatchObject({ code, operation: action });
      }
    }
  });

  it('a signal ends a call in flight at once', async () => {
    await using subject = await makeSubject();
    subject.cloud.failNext('DescribeSubnets', { kind: 'delay', delayMs: 60_000 });
    const caller = new AbortController();
    const call = subject.provider.describeSubnets({}, { ...CAUSE, signal: caller.signal });
    const outcome = call.catch((error: unknown) => error);
    // The fault is taken when the call has arrived.
    await until('the call has arrived', 5000, () => subject.cloud.pendingFaults().length === 0);
    caller.abort();
    expect(await outcome).toMatchObject({ name: 'CloudError', code: 'aborted' });
  });

  it('the back-off of the retry is on its clock', async () => {
    await using subject = await makeSubject();
    subject.cloud.failNext('DescribeSubnets', { kind: 'http-503', times: 2 });
    const clock = new ManualClock();
    const call = withRetry(subject.provider, { clock, random: () => 0 }).describeSubnets({}, CAUSE);
    expect(await clock.follow(call)).toEqual([]);
    expect(clock.now()).toBe(300);
    expect(subject.cloud.calls().filter((record) => record.action === 'DescribeSubnets')).toHaveLength(3);
  });
});
