/** ENABLE_PREFIX_DELEGATION: pods live in /28 prefixes; single addresses where the subnet or the instance has none to give. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  addPod,
  addressIn,
  type AddedPod,
  converged,
  deletePods,
  ec2Calls,
  heldBy,
  interfacesOf,
  logOf,
  poolOf,
} from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const PREFIXES = { ENABLE_PREFIX_DELEGATION: 'true', WARM_PREFIX_TARGET: '1' };

const prefixOf = (address: string) => {
  const [a, b, c, d] = address.split('.').map(Number) as [number, number, number, number];
  return `${a}.${b}.${c}.${d - (d % 16)}/28`;
};

describeWith(['root', 'ip', 'nft'], 'prefix mode', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let xen: ClusterNode;
  let pods: readonly AddedPod[] = [];

  beforeAll(async () => {
    cluster = await testCluster({ instanceTypes: ['m5.large', 'm4.4xlarge'], env: PREFIXES });
    [node, xen] = cluster.nodes as [ClusterNode, ClusterNode];
    await cluster.startDaemons();
    await converged(cluster, node);
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('keeps one whole prefix free, on one interface, with few calls', async () => {
    expect(
      heldBy(cluster, node).map(({ ipv4Prefixes, secondaryAddresses }) => [
        ipv4Prefixes.length,
        secondaryAddresses.length,
      ]),
    ).toEqual([[1, 0]]);
    const mark = cluster.cloud.calls().length;
    pods = [await addPod(node, 'x1')];
    await until('another prefix is there', 5000, async () => (await poolOf(node)).prefixes === 2);
    await converged(cluster, node);
    expect(ec2Calls(cluster, mark).map(({ action }) => action)).toEqual(['AssignPrivateIpAddresses']);
  });

  it('runs 40 pods in /28s of this node, each address once, filling one prefix before the next', async () => {
    const more = await Promise.all(Array.from({ length: 39 }, (_, index) => addPod(node, `y${index}`)));
    pods = [...pods, ...more];
    await converged(cluster, node);
    const prefixes = heldBy(cluster, node).flatMap(({ ipv4Prefixes }) => ipv4Prefixes);
    const used = Object.groupBy(pods, ({ address }) => prefixOf(address));
    expect(prefixes).toEqual(expect.arrayContaining(Object.keys(used)));
    expect(new Set(pods.map(({ address }) => address)).size).toBe(40);
    expect(
      Object.values(used)
        .map((each) => each?.length)
        .toSorted((a, b) => Number(b) - Number(a)),
    ).toEqual([16, 16, 8]);
    expect(heldBy(cluster, node).flatMap(({ secondaryAddresses }) => secondaryAddresses)).toEqual([]);
    expect((await poolOf(node)).prefixes).toBe(4);
    const { ok } = await node.cni('CHECK', more[0]?.pod ?? { name: '', containerId: '', netns: '' }, {
      prevResult: more[0]?.result,
    });
    expect(ok).toBe(true);
  });

  it('shrinks to what the target keeps when the pods are gone', async () => {
    await deletePods(node, pods);
    await until('one prefix is left', 15_000, async () => (await poolOf(node)).prefixes === 1);
    await converged(cluster, node);
  });

  it('uses single addresses on an instance that cannot hold prefixes, and says so', async () => {
    const { address } = await addPod(xen, 'z1');
    expect(heldBy(cluster, xen).flatMap(({ secondaryAddresses }) => secondaryAddresses)).toContain(address);
    expect(heldBy(cluster, xen).flatMap(({ ipv4Prefixes }) => ipv4Prefixes)).toEqual([]);
    expect((await logOf(xen)).map(({ msg }) => msg)).toContainEqual(
      expect.stringMatching(/ENABLE_PREFIX_DELEGATION is set, but this instance type cannot hold prefixes/),
    );
    await converged(cluster, xen);
  });
});

describeWith(['root', 'ip', 'nft'], 'a subnet in fragments', () => {
  let cluster: Cluster;
  let node: ClusterNode;

  beforeAll(async () => {
    cluster = await testCluster({ subnetPrefixLength: 26, env: PREFIXES });
    [node] = cluster.nodes as [ClusterNode];
    const subnetId = heldBy(cluster, node)[0]?.subnetId ?? '';
    // One address in each /28 of the /26 belongs to somebody else.
    for (const last of [20, 36, 52]) {
      cluster.cloud.region.execute('CreateNetworkInterface', {
        SubnetId: subnetId,
        PrivateIpAddress: `10.0.0.${last}`,
      });
    }
    await node.startDaemon();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('starts pods with single addresses where no /28 is free, and asks for one seldom', async () => {
    const mark = cluster.cloud.calls().length;
    const pods = await Promise.all(Array.from({ length: 12 }, (_, index) => node.createSandbox(`s${index}`)));
    const outcomes = await Promise.all(pods.map((pod) => node.cni('ADD', pod, { deadlineMs: 90_000 })));
    expect(outcomes.filter(({ ok }) => !ok).map(({ document }) => document)).toEqual([]);
    expect(new Set(outcomes.map(({ document }) => addressIn(document))).size).toBe(12);
    const blocks = (await interfacesOf(node)).flatMap((each) => each.blocks);
    expect(blocks.filter(({ kind }) => kind === 'prefix')).toEqual([]);
    await converged(cluster, node);
    const refused = ec2Calls(cluster, mark).filter(({ errorCode }) => errorCode === 'InsufficientCidrBlocks');
    expect(refused.length).toBeLessThanOrEqual(2);
    expect((await logOf(node)).map(({ msg }) => msg)).toContainEqual(expect.stringContaining('no free /28'));
  });
});
