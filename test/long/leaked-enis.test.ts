/** Interfaces that nodes lost are deleted; whatever might be somebody else's is never touched. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { addPod, converged, ec2Calls, logOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import type { CallsAnswer } from '#ipamd/observe/introspection.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const INSTANCE = 'node.k8s.amazonaws.com/instance_id';
const CREATED_AT = 'node.k8s.amazonaws.com/createdAt';
const CLUSTER = 'cluster.k8s.amazonaws.com/name';
const EVERY_SECOND = { WELLSPRING_LEAKED_ENI_INTERVAL: '1' };
const LOST = 'i-0123456789abcdef0';

const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString().replace(/\.\d+Z/, 'Z');

interface Leak {
  readonly tags: Readonly<Record<string, string>>;
  readonly description?: string;
  readonly subnetId?: string;
}

function makeInterface(cluster: Cluster, { tags, description, subnetId }: Leak): string {
  const { NetworkInterface } = cluster.cloud.region.execute('CreateNetworkInterface', {
    SubnetId: subnetId ?? cluster.cloud.region.subnets().find(({ vpcId }) => vpcId === cluster.vpcId)?.id,
    Description: description ?? `aws-K8S-${tags[INSTANCE] ?? LOST}`,
    TagSpecifications: [
      { ResourceType: 'network-interface', Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })) },
    ],
  });
  return NetworkInterface?.NetworkInterfaceId ?? '';
}

/** A subnet of another VPC. */
function elsewhere(cluster: Cluster): string {
  const { region } = cluster.cloud;
  const VpcId = region.execute('CreateVpc', { CidrBlock: '10.9.0.0/16' }).Vpc?.VpcId ?? '';
  return region.execute('CreateSubnet', { VpcId, CidrBlock: '10.9.0.0/24' }).Subnet?.SubnetId ?? '';
}

function existing(cluster: Cluster, ids: readonly string[]): readonly string[] {
  const present = new Set(cluster.cloud.region.networkInterfaces().map(({ id }) => id));
  return ids.filter((id) => present.has(id));
}

function tagsOf(cluster: Cluster, id: string) {
  return cluster.cloud.region.networkInterfaces().find((each) => each.id === id)?.tags ?? {};
}

/** Looks are told from other calls by what follows from them only: with nothing else to do, each Describe is one. */
async function looks(cluster: Cluster, count: number): Promise<void> {
  const mark = cluster.cloud.calls().length;
  await until(`${count} looks`, 15_000, () => ec2Calls(cluster, mark, 'DescribeNetworkInterfaces').length >= count);
}

async function counted(node: ClusterNode): Promise<readonly string[]> {
  return (await node.page('/metrics')).match(/^wellspring_leaked_interfaces_total\{.*$/gm) ?? [];
}

describeWith(['root', 'ip', 'nft'], 'leaked interfaces, with CLUSTER_NAME', () => {
  let cluster: Cluster;
  let node: ClusterNode;

  beforeAll(async () => {
    cluster = await testCluster({ instanceTypes: ['t3.small'], env: { ...EVERY_SECOND, CLUSTER_NAME: 'blue' } });
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon();
    await addPod(node, 'pod');
    await converged(cluster, node);
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('are deleted where a node of this cluster made them and they are old enough; all others stay', async () => {
    const ours = { [INSTANCE]: LOST, [CLUSTER]: 'blue', [CREATED_AT]: minutesAgo(6) };
    const kept = [
      makeInterface(cluster, { tags: { ...ours, [CLUSTER]: 'green' } }),
      makeInterface(cluster, { tags: { [INSTANCE]: node.instanceId, [CREATED_AT]: minutesAgo(600) } }),
      makeInterface(cluster, { tags: { ...ours, [CREATED_AT]: minutesAgo(1) } }),
      makeInterface(cluster, { tags: { [CLUSTER]: 'blue', [CREATED_AT]: minutesAgo(6) } }),
      makeInterface(cluster, { tags: ours, description: 'a load balancer' }),
      makeInterface(cluster, { tags: ours, subnetId: elsewhere(cluster) }),
    ];
    const attached = cluster.cloud.region.networkInterfaces().filter(({ attachment }) => attachment !== undefined);
    const lost = [
      makeInterface(cluster, { tags: ours }),
      makeInterface(cluster, { tags: { ...ours, [INSTANCE]: node.instanceId } }),
    ];
    await until('ours are gone', 15_000, () => existing(cluster, lost).length === 0);
    await looks(cluster, 2);
    expect(existing(cluster, kept)).toEqual(kept);
    expect(
      existing(
        cluster,
        attached.map(({ id }) => id),
      ),
    ).toHaveLength(attached.length);
    expect(await counted(node)).toContain('wellspring_leaked_interfaces_total{outcome="deleted"} 2');
  });

  it('are marked where they do not say when they were made, and deleted five minutes after that', async () => {
    const ours = { [INSTANCE]: LOST, [CLUSTER]: 'blue' };
    const unclear = [
      makeInterface(cluster, { tags: ours }),
      makeInterface(cluster, { tags: { ...ours, [CREATED_AT]: 'yesterday' } }),
    ];
    await until('both are marked', 15_000, () =>
      unclear.every((id) => Math.abs(Date.parse(tagsOf(cluster, id)[CREATED_AT] ?? '') - Date.now()) < 60_000),
    );
    await looks(cluster, 2);
    expect(existing(cluster, unclear)).toEqual(unclear);
    const Tags = [{ Key: CREATED_AT, Value: minutesAgo(6) }];
    cluster.cloud.region.execute('CreateTags', { Resources: [...unclear], Tags });
    await until('both are gone', 15_000, () => existing(cluster, unclear).length === 0);
  });

  it('are tried again when a call fails, and pods are served meanwhile', async () => {
    cluster.cloud.failNext('DeleteNetworkInterface', {
      kind: 'error',
      code: 'UnauthorizedOperation',
      status: 403,
      times: 'always',
    });
    const lost = makeInterface(cluster, { tags: { [INSTANCE]: LOST, [CLUSTER]: 'blue', [CREATED_AT]: minutesAgo(6) } });
    await until('the failure is counted', 15_000, async () =>
      (await counted(node)).join().includes('outcome="failed"'),
    );
    expect((await logOf(node)).map(({ msg }) => msg)).toContain(
      'a leaked interface could not be deleted; the next look tries again',
    );
    await addPod(node, 'meanwhile');
    expect(existing(cluster, [lost])).toEqual([lost]);
    cluster.cloud.clearFaults();
    await until('it is gone', 15_000, () => existing(cluster, [lost]).length === 0);
  });
});

describeWith(['root', 'ip', 'nft'], 'leaked interfaces, without CLUSTER_NAME', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let idle: ClusterNode;

  beforeAll(async () => {
    cluster = await testCluster({ instanceTypes: ['t3.small', 't3.small'] });
    [node, idle] = cluster.nodes as [ClusterNode, ClusterNode];
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('are deleted only where this instance made them', async () => {
    await node.startDaemon(EVERY_SECOND);
    const kept = [
      makeInterface(cluster, { tags: { [INSTANCE]: LOST, [CREATED_AT]: minutesAgo(6) } }),
      makeInterface(cluster, { tags: { [INSTANCE]: idle.instanceId, [CREATED_AT]: minutesAgo(6) } }),
      makeInterface(cluster, { tags: { [CREATED_AT]: minutesAgo(6) } }),
      makeInterface(cluster, { tags: { [INSTANCE]: node.instanceId, [CREATED_AT]: minutesAgo(4) } }),
    ];
    const lost = makeInterface(cluster, { tags: { [INSTANCE]: node.instanceId, [CREATED_AT]: minutesAgo(6) } });
    await until('it is gone', 15_000, () => existing(cluster, [lost]).length === 0);
    await looks(cluster, 2);
    expect(existing(cluster, kept)).toEqual(kept);
    await node.stopDaemon('SIGTERM');
  });

  it('are left alone, and not looked for, when that is switched off', async () => {
    const lost = makeInterface(cluster, { tags: { [INSTANCE]: idle.instanceId, [CREATED_AT]: minutesAgo(6) } });
    await Promise.all([
      node.startDaemon(EVERY_SECOND),
      idle.startDaemon({ ...EVERY_SECOND, DISABLE_LEAKED_ENI_CLEANUP: 'true' }),
    ]);
    const looksOf = async (each: ClusterNode) =>
      (await each.introspect<CallsAnswer>('/v1/calls')).recent.filter(({ cause }) => cause === 'leaked-interfaces')
        .length;
    await until('the other node has looked several times', 15_000, async () => (await looksOf(node)) >= 3);
    expect(await looksOf(idle)).toBe(0);
    expect(existing(cluster, [lost])).toEqual([lost]);
  });
});
