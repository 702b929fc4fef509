/** Nothing left: of the subnet, of the instance. ADD says why at its deadline, and is served when something comes free. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { addPod, addressIn, converged, deletePods, ec2Calls, heldBy, poolOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

/** Long enough for EC2 to be asked on a busy machine. */
const SHORT_MS = 5000;
let sequence = 0;

async function refusedAdd(node: ClusterNode): Promise<Record<string, unknown>> {
  const pod = await node.createSandbox(`r${(sequence += 1)}`);
  const { ok, document } = await node.cni('ADD', pod, { deadlineMs: SHORT_MS });
  expect(ok).toBe(false);
  expect((await node.cni('DEL', pod)).ok).toBe(true);
  return document;
}

describeWith(['root', 'ip', 'nft'], 'a full subnet', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let subnetId: string;
  let bystander: { readonly id: string; readonly addresses: readonly string[] };

  beforeAll(async () => {
    // A /28 has eleven usable addresses: one is the node's own, seven belong to somebody else.
    cluster = await testCluster({ subnetPrefixLength: 28 });
    [node] = cluster.nodes as [ClusterNode];
    subnetId = heldBy(cluster, node)[0]?.subnetId ?? '';
    const made = cluster.cloud.region.execute('CreateNetworkInterface', {
      SubnetId: subnetId,
      SecondaryPrivateIpAddressCount: 6,
    }).NetworkInterface;
    bystander = {
      id: made?.NetworkInterfaceId ?? '',
      addresses: (made?.PrivateIpAddresses ?? [])
        .filter(({ Primary }) => Primary !== true)
        .map(({ PrivateIpAddress }) => PrivateIpAddress ?? ''),
    };
    await node.startDaemon();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  const free = (count: number) => {
    const addresses = bystander.addresses.slice(0, count);
    bystander = { ...bystander, addresses: bystander.addresses.slice(count) };
    cluster.cloud.region.execute('UnassignPrivateIpAddresses', {
      NetworkInterfaceId: bystander.id,
      PrivateIpAddresses: [...addresses],
    });
  };

  it('gives its last address to a pod, then refuses with 100, the subnet and what to do, and asks EC2 a bounded number of times', async () => {
    await Promise.all(['e1', 'e2', 'e3'].map((name) => addPod(node, name)));
    const mark = cluster.cloud.calls().length;
    const documents = await Promise.all([refusedAdd(node), refusedAdd(node), refusedAdd(node)]);
    for (const document of documents) {
      expect(document).toMatchObject({
        code: 100,
        msg: expect.stringContaining(subnetId),
        details: expect.stringContaining('3 of 3 addresses'),
      });
      expect(document['msg']).toContain('free addresses, or add and tag a larger subnet');
    }
    expect(ec2Calls(cluster, mark).length).toBeLessThanOrEqual(3);
    expect((await poolOf(node)).waiting).toBe(0);
  });

  it('serves waiting ADDs as soon as somebody else frees addresses', async () => {
    const pods = await Promise.all(['e4', 'e5'].map((name) => node.createSandbox(name)));
    const outcomes = pods.map((pod) => node.cni('ADD', pod, { deadlineMs: 90_000 }));
    await until('both wait', 5000, async () => (await poolOf(node)).waiting === 2);
    const mark = cluster.cloud.calls().length;
    free(2);
    for (const { ok, document } of await Promise.all(outcomes)) expect({ ok, document }).toMatchObject({ ok: true });
    expect(ec2Calls(cluster, mark).length).toBeLessThanOrEqual(12);
    expect((await poolOf(node)).assigned).toBe(5);
  });

  it('serves them when addresses become free that EC2 had reserved', async () => {
    const [address] = bystander.addresses;
    const reserved = cluster.cloud.region.execute('CreateSubnetCidrReservation', {
      SubnetId: subnetId,
      Cidr: `${address}/32`,
      ReservationType: 'explicit',
    });
    free(1);
    const pod = await node.createSandbox('e6');
    const outcome = node.cni('ADD', pod, { deadlineMs: 90_000 });
    await until('it waits', 5000, async () => (await poolOf(node)).waiting === 1);
    const mark = cluster.cloud.calls().length;
    await until('the subnet was looked at or asked', 20_000, () => ec2Calls(cluster, mark).length > 0);
    expect((await poolOf(node)).waiting).toBe(1);
    cluster.cloud.region.execute('DeleteSubnetCidrReservation', {
      SubnetCidrReservationId: reserved.SubnetCidrReservation?.SubnetCidrReservationId ?? '',
    });
    const { ok, document } = await outcome;
    expect({ ok, address: addressIn(document) }).toEqual({ ok: true, address });
  });

  it('reuses what its own pods give back, after the cool-down', async () => {
    const pod = await node.createSandbox('e7');
    const outcome = node.cni('ADD', pod, { deadlineMs: 90_000 });
    await until('it waits', 5000, async () => (await poolOf(node)).waiting === 1);
    expect((await node.cni('DEL', node.knownSandbox('e1'))).ok).toBe(true);
    expect((await outcome).ok).toBe(true);
    await converged(cluster, node);
  });
});

describeWith(['root', 'ip', 'nft'], 'a full instance', () => {
  let cluster: Cluster;
  let nano: ClusterNode;
  let one: ClusterNode;

  beforeAll(async () => {
    cluster = await testCluster({ instanceTypes: ['t3.nano', 'm5.large'] });
    [nano, one] = cluster.nodes as [ClusterNode, ClusterNode];
    await Promise.all([nano.startDaemon(), one.startDaemon({ MAX_ENI: '1' })]);
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('refuses the third pod of a t3.nano with 101 and makes no call for it', async () => {
    const pods = [await addPod(nano, 'i1'), await addPod(nano, 'i2')];
    await converged(cluster, nano);
    const mark = cluster.cloud.calls().length;
    expect(await refusedAdd(nano)).toMatchObject({ code: 101, msg: expect.stringContaining('larger instance type') });
    expect(ec2Calls(cluster, mark)).toEqual([]);
    await deletePods(nano, pods);
  });

  it('keeps to MAX_ENI=1: nine pods, then 101 which names the setting', async () => {
    await Promise.all(Array.from({ length: 9 }, (_, index) => addPod(one, `m${index}`)));
    expect(await refusedAdd(one)).toMatchObject({ code: 101, msg: expect.stringContaining('MAX_ENI') });
    expect(heldBy(cluster, one)).toHaveLength(1);
    await converged(cluster, one);
  });
});
