/** EC2 that fails on the wire: whatever happens to a call, the pool ends where the cloud is, nothing leaks, pods work. */
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import {
  addPod,
  addressIn,
  converged,
  deletePods,
  ec2Calls,
  heldBy,
  logOf,
  podsOf,
} from '#test/support/cluster-facts.ts';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { FaultBed, rounds } from './cloud-faults-bed.ts';

describeWith(['root', 'ip', 'nft'], 'a cloud that fails', () => {
  let bed: FaultBed;
  beforeAll(async () => {
    bed = await FaultBed.create({ env: {}, pods: 5, kept: 3 });
  });
  afterEach(() => bed?.cluster.cloud.clearFaults());
  afterAll(() => bed?.[Symbol.asyncDispose]());

  it.each(rounds('CreateNetworkInterface', 'AttachNetworkInterface', 'ModifyNetworkInterfaceAttribute'))(
    'grows by interfaces in spite of %s: %s',
    (action, _, fault) => bed.growsInSpiteOf(action, fault),
  );
  it.each(rounds('DetachNetworkInterface', 'DeleteNetworkInterface', 'DescribeNetworkInterfaces'))(
    'shrinks by interfaces in spite of %s: %s',
    (action, _, fault) => bed.shrinksInSpiteOf(action, fault),
  );
  it.each(['CreateNetworkInterface', 'AttachNetworkInterface', 'ModifyNetworkInterfaceAttribute'] as const)(
    'looks when %s and the Describe that would tell both fail for long',
    (action) => bed.looksAfter(action),
  );

  it.each(['DetachNetworkInterface', 'DeleteNetworkInterface'] as const)(
    'gets rid of an interface when %s and the Describe that would tell both fail for long',
    async (action) => {
      const { cluster, node } = bed;
      const pods = await bed.grown();
      await converged(cluster, node);
      cluster.cloud.failNext(action, { kind: 'http-503', times: 8 });
      cluster.cloud.failNext('DescribeNetworkInterfaces', { kind: 'http-503', times: 8 });
      await bed.shrunk(pods);
    },
  );

  it('recovers from an outage of all calls that outlasts every retry', async () => {
    const { cluster, node } = bed;
    const pods = await bed.grown();
    cluster.cloud.failNext('*', { kind: 'lost-answer', times: 12 });
    await deletePods(node, pods);
    await until('the outage is over', 20_000, () => bed.faultsAreSpent());
    const again = await bed.grown();
    await bed.shrunk(again);
  });

  it('names the action that is denied with code 102, asks seldom, and serves when it is allowed', async () => {
    const { cluster, node } = bed;
    const pods = await Promise.all([bed.name(), bed.name(), bed.name()].map((each) => addPod(node, each)));
    await converged(cluster, node);
    // Three pods and one interface's worth to spare; a third interface of an earlier test must have gone.
    await until('the pool is at its target', 20_000, () => heldBy(cluster, node).length === 2);
    for (const action of ['AssignPrivateIpAddresses', 'CreateNetworkInterface', 'AttachNetworkInterface'] as const) {
      cluster.cloud.failNext(action, {
        kind: 'error',
        code: 'UnauthorizedOperation',
        status: 403,
        message: 'You are not authorized to perform this operation.',
        times: 'always',
      });
    }
    const more = await Promise.all(
      [bed.name(), bed.name(), bed.name(), bed.name()].map((each) => node.createSandbox(each)),
    );
    const mark = cluster.cloud.calls().length;
    const outcomes = await Promise.all(more.map((pod) => node.cni('ADD', pod, { deadlineMs: 6000 })));
    const refused = outcomes.filter(({ ok }) => !ok);
    expect(refused.length).toBeGreaterThan(0);
    for (const { document } of refused)
      expect(document).toMatchObject({
        code: 102,
        msg: expect.stringMatching(/(AssignPrivateIpAddresses|CreateNetworkInterface): UnauthorizedOperation/),
      });
    expect(ec2Calls(cluster, mark).length).toBeLessThanOrEqual(10);
    cluster.cloud.clearFaults();
    const served = await Promise.all(more.map((pod) => node.cni('ADD', pod, { deadlineMs: 90_000 })));
    expect(served.map(({ document }) => addressIn(document)).includes(undefined)).toBe(false);
    await Promise.all(more.map((pod) => node.cni('DEL', pod)));
    await bed.shrunk(pods);
  });

  it('converges while EC2 throttles', async () => {
    const { cluster } = bed;
    const size = { capacity: 2, refillPerSecond: 3 };
    cluster.cloud.setThrottling({
      classes: { read: size, 'unfiltered-read': size, write: size, 'resource-intensive': size },
    });
    try {
      const pods = await bed.grown();
      await bed.shrunk(pods);
    } finally {
      cluster.cloud.setThrottling(undefined);
    }
  });

  it('starts with a cloud that does not answer yet, and compares later', async () => {
    const { cluster, node } = bed;
    await node.stopDaemon('SIGTERM');
    await node.forgetState();
    for (const action of ['DescribeSubnets', 'DescribeNetworkInterfaces'] as const)
      cluster.cloud.failNext(action, { kind: 'http-503', times: 9 });
    await node.startDaemon();
    const pods = await bed.grown();
    await converged(cluster, node);
    await bed.shrunk(pods);
    expect(await podsOf(node)).toEqual([]);
  });

  it('waits for metadata, says so, and serves when it comes back', async () => {
    const { node } = bed;
    await node.stopDaemon('SIGTERM');
    await node.forgetState();
    await node.blackhole('169.254.169.254');
    const before = (await logOf(node)).length;
    const started = node.startDaemon();
    await until('the log says what is missing', 15_000, async () =>
      (await logOf(node)).slice(before).some(({ msg }) => msg === 'this node cannot be identified yet'),
    );
    await node.blackhole(undefined);
    await started;
    await bed.shrunk(await bed.grown());
  });
});
