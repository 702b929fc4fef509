/** EC2 that fails on the wire: whatever happens to a call, the pool ends where the cloud is, nothing leaks, pods work. */
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type { Fault } from '#cloud/emulator/cloud.ts';
import type { Ec2Action } from '#cloud/emulator/ec2-actions.ts';
import {
  addPod,
  addressIn,
  type AddedPod,
  converged,
  deletePods,
  ec2Calls,
  heldBy,
  logOf,
  podsOf,
  poolOf,
} from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const WIRE: readonly Fault[] = [{ kind: 'http-503' }, { kind: 'garbage' }, { kind: 'drop' }, { kind: 'lost-answer' }];
const THROTTLED: Fault = { kind: 'error', code: 'RequestLimitExceeded', status: 503 };
type Round = readonly [action: Ec2Action, kind: string, fault: Fault];
const rounds = (...actions: readonly Ec2Action[]): readonly Round[] =>
  actions.flatMap((action) =>
    [...WIRE, THROTTLED].map((fault): Round => [action, fault.kind === 'error' ? fault.code : fault.kind, fault]),
  );

let cluster: Cluster;
/** Grows and shrinks by whole interfaces, and by single addresses. */
let byInterface: ClusterNode;
let byAddress: ClusterNode;
let sequence = 0;

const name = () => `f${(sequence += 1)}`;
const faultsAreSpent = () => cluster.cloud.pendingFaults().length === 0;

async function grown(node: ClusterNode): Promise<readonly AddedPod[]> {
  const pods = await Promise.all(Array.from({ length: node === byInterface ? 5 : 2 }, () => addPod(node, name())));
  expect(new Set(pods.map(({ address }) => address)).size).toBe(pods.length);
  for (const { pod, result } of pods)
    expect(await node.cni('CHECK', pod, { prevResult: result })).toMatchObject({ ok: true });
  const held = heldBy(cluster, node).flatMap((each) => each.secondaryAddresses);
  expect(held).toEqual(expect.arrayContaining(pods.map(({ address }) => address)));
  return pods;
}

async function shrunk(node: ClusterNode, pods: readonly AddedPod[]): Promise<void> {
  await deletePods(node, pods);
  await Promise.all(pods.map(({ pod }) => node.removeSandbox(pod)));
  const kept = node === byInterface ? 3 : 1;
  await until(`one interface with ${kept} addresses is left`, 20_000, async () => {
    const pool = await poolOf(node);
    return pool.interfaces === 1 && pool.total === kept && heldBy(cluster, node).length === 1;
  });
  await converged(cluster, node);
}

describeWith(['root', 'ip', 'nft'], 'a cloud that fails', () => {
  beforeAll(async () => {
    // Three interfaces of three addresses, and nothing that keeps them from going at once.
    const env = { IP_COOLDOWN_PERIOD: '0', WELLSPRING_ENI_MINIMUM_AGE: '0', HTTP_TIMEOUT: '2' };
    cluster = await testCluster({ instanceTypes: ['t3.small', 't3.small'], env });
    [byInterface, byAddress] = cluster.nodes as [ClusterNode, ClusterNode];
    await Promise.all([byInterface.startDaemon(), byAddress.startDaemon({ MAX_ENI: '1', WARM_IP_TARGET: '1' })]);
    await Promise.all(cluster.nodes.map((node) => converged(cluster, node)));
  });
  afterEach(() => cluster.cloud.clearFaults());
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  async function grows(node: ClusterNode, action: Ec2Action, fault: Fault): Promise<void> {
    cluster.cloud.failNext(action, fault);
    const pods = await grown(node);
    await converged(cluster, node);
    expect(faultsAreSpent()).toBe(true);
    await shrunk(node, pods);
  }

  async function shrinks(node: ClusterNode, action: Ec2Action, fault: Fault): Promise<void> {
    const pods = await grown(node);
    await converged(cluster, node);
    cluster.cloud.failNext(action, fault);
    await shrunk(node, pods);
    expect(faultsAreSpent()).toBe(true);
  }

  it.each(rounds('AssignPrivateIpAddresses'))('grows in spite of %s: %s', (action, _, fault) =>
    grows(byAddress, action, fault),
  );
  it.each(rounds('UnassignPrivateIpAddresses'))('shrinks in spite of %s: %s', (action, _, fault) =>
    shrinks(byAddress, action, fault),
  );
  it.each(rounds('CreateNetworkInterface', 'AttachNetworkInterface', 'ModifyNetworkInterfaceAttribute'))(
    'grows by interfaces in spite of %s: %s',
    (action, _, fault) => grows(byInterface, action, fault),
  );
  it.each(rounds('DetachNetworkInterface', 'DeleteNetworkInterface', 'DescribeNetworkInterfaces'))(
    'shrinks by interfaces in spite of %s: %s',
    (action, _, fault) => shrinks(byInterface, action, fault),
  );

  it.each([
    'CreateNetworkInterface',
    'AttachNetworkInterface',
    'ModifyNetworkInterfaceAttribute',
    'AssignPrivateIpAddresses',
  ] as const)('looks when %s and the Describe that would tell both fail for long', async (action) => {
    const node = action === 'AssignPrivateIpAddresses' ? byAddress : byInterface;
    cluster.cloud.failNext(action, { kind: 'lost-answer', times: 9 });
    cluster.cloud.failNext('DescribeNetworkInterfaces', { kind: 'http-503', times: 4 });
    const pods = await grown(node);
    await converged(cluster, node, 25_000);
    cluster.cloud.clearFaults();
    await shrunk(node, pods);
  });

  it.each(['DetachNetworkInterface', 'DeleteNetworkInterface'] as const)(
    'gets rid of an interface when %s and the Describe that would tell both fail for long',
    async (action) => {
      const pods = await grown(byInterface);
      await converged(cluster, byInterface);
      cluster.cloud.failNext(action, { kind: 'http-503', times: 8 });
      cluster.cloud.failNext('DescribeNetworkInterfaces', { kind: 'http-503', times: 8 });
      await shrunk(byInterface, pods);
    },
  );

  it('recovers from an outage of all calls that outlasts every retry', async () => {
    const node = byInterface;
    const pods = await grown(node);
    cluster.cloud.failNext('*', { kind: 'lost-answer', times: 12 });
    await deletePods(node, pods);
    await until('the outage is over', 20_000, faultsAreSpent);
    const again = await grown(node);
    await shrunk(node, again);
  });

  it('names the action that is denied with code 102, asks seldom, and serves when it is allowed', async () => {
    const node = byInterface;
    const pods = await Promise.all([name(), name(), name()].map((each) => addPod(node, each)));
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
    const more = await Promise.all([name(), name(), name(), name()].map((each) => node.createSandbox(each)));
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
    await shrunk(node, pods);
  });

  it('converges while EC2 throttles', async () => {
    const node = byInterface;
    const size = { capacity: 2, refillPerSecond: 3 };
    cluster.cloud.setThrottling({
      classes: { read: size, 'unfiltered-read': size, write: size, 'resource-intensive': size },
    });
    try {
      const pods = await grown(node);
      await shrunk(node, pods);
    } finally {
      cluster.cloud.setThrottling(undefined);
    }
  });

  it('starts with a cloud that does not answer yet, and compares later', async () => {
    const node = byInterface;
    await node.stopDaemon('SIGTERM');
    await node.forgetState();
    for (const action of ['DescribeSubnets', 'DescribeNetworkInterfaces'] as const)
      cluster.cloud.failNext(action, { kind: 'http-503', times: 9 });
    await node.startDaemon();
    const pods = await grown(node);
    await converged(cluster, node);
    await shrunk(node, pods);
    expect(await podsOf(node)).toEqual([]);
  });

  it('waits for metadata, says so, and serves when it comes back', async () => {
    const node = byInterface;
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
    await shrunk(node, await grown(node));
  });
});
