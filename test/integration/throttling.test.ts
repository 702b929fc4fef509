/** The daemon's stack under an account limit, over HTTP: all calls succeed, few are wasted, pods that wait come first. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createEc2ClientSend, type Ec2ClientSend } from '#cloud/aws/ec2-client.ts';
import { createEc2Provider } from '#cloud/aws/ec2-provider.ts';
import { decorateForDaemon } from '#cloud/decorate/stack.ts';
import { type Cloud, startCloud } from '#cloud/emulator/cloud.ts';
import { until } from '#test/support/until.ts';
import type { Urgency } from '#warm-pool/pauses.ts';

/** Calls that wait when one comes that a pod waits for. */
const WAITING = 8;
const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'secret' } as const;
const before = Object.keys(KEYS).map((key) => [key, process.env[key]] as const);
const SIZE = { capacity: 3, refillPerSecond: 4 };
const TIGHT = { classes: { read: SIZE, 'unfiltered-read': SIZE, write: SIZE, 'resource-intensive': SIZE } };

let cloud: Cloud;
let send: Ec2ClientSend;
let eni: string;
let subnetId: string;

beforeAll(async () => {
  Object.assign(process.env, KEYS);
  cloud = await startCloud({ region: 'eu-test-1' });
  const { Vpc } = cloud.region.execute('CreateVpc', { CidrBlock: '10.0.0.0/16' });
  const { Subnet } = cloud.region.execute('CreateSubnet', { VpcId: Vpc?.VpcId ?? '', CidrBlock: '10.0.0.0/24' });
  subnetId = Subnet?.SubnetId ?? '';
  send = createEc2ClientSend({ region: 'eu-test-1', endpoint: cloud.endpoint, version: '0' });
});
afterAll(async () => {
  send?.[Symbol.dispose]();
  await cloud?.[Symbol.asyncDispose]();
  for (const [key, value] of before) {
    if (value === undefined) delete process.env[key];
    else process.env[key] = value;
  }
});
beforeEach(() => {
  cloud.setThrottling(undefined);
  eni =
    cloud.region.execute('CreateNetworkInterface', { SubnetId: subnetId }).NetworkInterface?.NetworkInterfaceId ?? '';
});

const stackOf = (urgencyOf: (cause: string) => Urgency = () => 'usual') =>
  decorateForDaemon(createEc2Provider(send), {
    observer: { observe: () => undefined },
    urgencyOf: ({ cause }) => urgencyOf(cause),
  });
const tagWith = (n: number) => ({ resourceIds: [eni], tags: { [`n${n}`]: 'x' } });

describe('under a tight account limit', () => {
  it('24 calls at once all take effect, and few are refused', async () => {
    const stack = stackOf();
    await stack.provider.describeSubnets({}, { cause: 'warm up' });
    cloud.setThrottling(TIGHT);
    const mark = cloud.calls().length;
    const numbers = Array.from({ length: 24 }, (_, n) => n);
    await Promise.all(numbers.map((n) => stack.provider.createTags(tagWith(n), { cause: 'tags' })));
    const tags = cloud.region.networkInterfaces().find(({ id }) => id === eni)?.tags ?? {};
    expect(Object.keys(Object.fromEntries(Object.entries(tags)))).toHaveLength(24);
    const calls = cloud.calls().slice(mark);
    const refused = calls.filter(({ errorCode }) => errorCode === 'RequestLimitExceeded').length;
    expect(calls.length - refused).toBe(24);
    expect(refused).toBeGreaterThan(0);
    // At most 13 that were under way before the first refusal came, and half of all for finding the limit: 6 at most on a machine with nothing else to do.
    expect(refused).toBeLessThanOrEqual(13 + 12);
    expect(stack.ledger.byCause().find(({ cause }) => cause === 'tags')).toEqual({
      cause: 'tags',
      calls: 24 + refused,
      failed: 0,
      throttled: refused,
    });
    const [, change] = stack.budget();
    expect(change?.perSecond).toBeLessThan(change?.fullPerSecond ?? 0);
  });

  it('the call that a pod waits for overtakes those that nobody waits for', async () => {
    const stack = stackOf((cause) => (cause === 'pods-waiting' ? 'urgent' : 'usual'));
    cloud.setThrottling(TIGHT);
    const background = Promise.all(
      Array.from({ length: 24 }, (_, n) => stack.provider.createTags(tagWith(n), { cause: 'leaked-interfaces' })),
    );
    try {
      await until('calls are held back', 10_000, () => {
        const [, change] = stack.budget();
        return change !== undefined && change.perSecond < change.fullPerSecond && change.waiting >= WAITING;
      });
      const mark = cloud.calls().length;
      const request = { networkInterfaceId: eni, addressCount: 2 };
      await stack.provider.assignPrivateIpAddresses(request, { cause: 'pods-waiting' });
      const since = cloud.calls().slice(mark);
      const turn = since.findIndex(({ action, status }) => action === 'AssignPrivateIpAddresses' && status === 200);
      expect(turn).toBeGreaterThanOrEqual(0);
      // Those that were on their way already, or passed while it paused after a refusal; in order, all that waited would have.
      expect(since.slice(0, turn).filter(({ action }) => action === 'CreateTags').length).toBeLessThan(WAITING);
    } finally {
      await background;
    }
  });
});
