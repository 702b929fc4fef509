/** Tags of subnets decide where interfaces are made and which of them host new pods; pods that run are not disturbed. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import {
  type AddedPod,
  addPod,
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
import { Probe } from '#test/support/probe.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const ROLE = 'kubernetes.io/role/cni';
const CLUSTER = 'cni.networking.k8s.aws/cluster/';
/** A t3.small: three interfaces of three pod addresses; one spare, so the fourth pod needs a second interface. */
const SMALL = { WARM_IP_TARGET: '1' };
/** Looks at subnets that may not be described come at pauses that double: the slower the machine, the longer the next one. */
const LOOKS_MS = 200_000;

/** One more subnet, larger than the node's own, so that it is chosen wherever it may be. */
function addSubnet(cluster: Cluster, index: number, tags: Readonly<Record<string, string>>, zone = 'a'): string {
  const { Subnet } = cluster.cloud.region.execute('CreateSubnet', {
    VpcId: cluster.vpcId,
    CidrBlock: `10.0.${16 * index}.0/20`,
    AvailabilityZone: `eu-test-1${zone}`,
  });
  const id = Subnet?.SubnetId ?? '';
  tag(cluster, id, tags);
  return id;
}

function tag(cluster: Cluster, id: string, tags: Readonly<Record<string, string>>): void {
  const Tags = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
  if (Tags.length > 0) cluster.cloud.region.execute('CreateTags', { Resources: [id], Tags });
}

function primaryOf(cluster: Cluster, node: ClusterNode) {
  const found = heldBy(cluster, node).find(({ attachment }) => attachment?.deviceIndex === 0);
  if (found === undefined) throw new Error(`${node.name} has no primary interface`);
  return found;
}

/** The subnets of the node's secondary interfaces, each once. */
function subnetsOf(cluster: Cluster, node: ClusterNode): readonly string[] {
  const secondary = heldBy(cluster, node).filter(({ attachment }) => attachment?.deviceIndex !== 0);
  return [...new Set(secondary.map(({ subnetId }) => subnetId))].sort();
}

function subnetOf(cluster: Cluster, address: string): string | undefined {
  const inPrefix = (prefix: string) => {
    const base = prefix.slice(0, prefix.lastIndexOf('.'));
    const last = prefix.split(/[./]/)[3] ?? '';
    const offset = Number(address.split('.')[3]) - Number(last);
    return address.startsWith(`${base}.`) && offset >= 0 && offset < 16;
  };
  return cluster.cloud.region
    .networkInterfaces()
    .find((each) => each.secondaryAddresses.includes(address) || each.ipv4Prefixes.some(inPrefix))?.subnetId;
}

async function addPods(node: ClusterNode, prefix: string, count: number): Promise<readonly AddedPod[]> {
  const names = Array.from({ length: count }, (_, index) => `${prefix}${index}`);
  return Promise.all(names.map((name) => addPod(node, name)));
}

async function restart(node: ClusterNode, env: Readonly<Record<string, string>>): Promise<void> {
  await node.stopDaemon('SIGTERM');
  await node.startDaemon(env);
}

async function excludedOf(node: ClusterNode): Promise<readonly string[]> {
  const shown = (await interfacesOf(node)) as readonly { readonly id: string; readonly excludedFromPods?: boolean }[];
  return shown.flatMap(({ id, excludedFromPods }) => (excludedFromPods === true ? [id] : []));
}

/** Each pod is heard, under its own address, by a pod of another node: the fabric drops what leaves by a wrong ENI. */
async function expectTraffic(pods: readonly AddedPod[], far: AddedPod): Promise<void> {
  await using stack = new AsyncDisposableStack();
  stack.use(await Probe.start(far.pod.name, `/run/netns/${far.pod.netns}`));
  for (const { pod, address } of pods) {
    const probe = stack.use(await Probe.start(pod.name, `/run/netns/${pod.netns}`));
    expect(await probe.seenBy(far.address)).toBe(address);
  }
}

describeWith(['root', 'ip', 'nft'], 'subnet discovery', () => {
  let cluster: Cluster;
  let finder: ClusterNode;
  let loner: ClusterNode;
  let far: AddedPod;
  let tagged: string;
  const group = { id: '' };

  beforeAll(async () => {
    cluster = await testCluster({ instanceTypes: ['t3.small', 't3.small'], env: SMALL });
    [finder, loner] = cluster.nodes as [ClusterNode, ClusterNode];
    const { region } = cluster.cloud;
    const name = { GroupName: 'pods', Description: 'of the primary interface', VpcId: cluster.vpcId };
    group.id = region.execute('CreateSecurityGroup', name).GroupId ?? '';
    region.execute('ModifyNetworkInterfaceAttribute', {
      NetworkInterfaceId: primaryOf(cluster, finder).id,
      Groups: [group.id],
    });
    tagged = addSubnet(cluster, 1, { [ROLE]: '1' });
    addSubnet(cluster, 2, { 'kubernetes.io/role/cn': '1' });
    addSubnet(cluster, 3, { [ROLE]: '0' });
    addSubnet(cluster, 4, { [ROLE]: '1' }, 'b');
    addSubnet(cluster, 5, {}, 'a');
    await Promise.all([finder.startDaemon(), loner.startDaemon({ ENABLE_SUBNET_DISCOVERY: 'false' })]);
    far = await addPod(loner, 'far');
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('makes new interfaces in the freest tagged subnet of the zone, with the primary’s security groups', async () => {
    const mark = cluster.cloud.calls().length;
    const pods = await addPods(finder, 'd', 6);
    expect(subnetsOf(cluster, finder)).toEqual([tagged]);
    for (const { securityGroupIds } of heldBy(cluster, finder)) expect(securityGroupIds).toEqual([group.id]);
    expect(new Set(pods.map(({ address }) => subnetOf(cluster, address)))).toEqual(
      new Set([primaryOf(cluster, finder).subnetId, tagged]),
    );
    await expectTraffic(pods, far);
    await converged(cluster, finder);
    expect(ec2Calls(cluster, mark, 'DescribeSubnets')).toEqual([]);
  });

  it('stays in the primary subnet when it is switched off', async () => {
    const pods = await addPods(loner, 'o', 5);
    expect(subnetsOf(cluster, loner)).toEqual([primaryOf(cluster, loner).subnetId]);
    await deletePods(loner, pods);
  });

  it('goes on where a restarted daemon finds the interface in the other subnet', async () => {
    await restart(finder, {});
    await converged(cluster, finder);
    const pods = await addPods(finder, 'r', 2);
    await expectTraffic(pods, far);
    expect(subnetsOf(cluster, finder)).toEqual([tagged]);
  });
});

describeWith(['root', 'ip', 'nft'], 'a node that may not describe subnets', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let tagged: string;

  beforeAll(async () => {
    cluster = await testCluster({ instanceTypes: ['t3.small'], env: SMALL });
    [node] = cluster.nodes as [ClusterNode];
    tagged = addSubnet(cluster, 1, { [ROLE]: '1' });
    cluster.cloud.failNext('DescribeSubnets', {
      kind: 'error',
      code: 'UnauthorizedOperation',
      status: 403,
      times: 'always',
    });
    await node.startDaemon();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('uses its primary subnet, says so, and counts the refusals', async () => {
    await addPods(node, 'u', 4);
    expect(subnetsOf(cluster, node)).toEqual([primaryOf(cluster, node).subnetId]);
    expect((await logOf(node)).map(({ msg }) => msg)).toContain(
      'the subnets could not be described; only the primary subnet is used until they can',
    );
    const refusals = (await node.page('/metrics')).match(/^awscni_aws_api_error_count\{.*$/gm)?.join('\n');
    expect(refusals).toMatch(/api="DescribeSubnets",error="denied"\} [1-9]/);
  });

  it('asks ever less often, and finds the tagged subnet once it may', async () => {
    const asked = () => ec2Calls(cluster, 0, 'DescribeSubnets').length;
    const before = asked();
    await until('it asks again', LOOKS_MS, () => asked() > before);
    cluster.cloud.clearFaults();
    await until('it may', LOOKS_MS, async () =>
      (await logOf(node)).some((record) => JSON.stringify(record).includes(`"${tagged}"`)),
    );
    expect(asked()).toBeLessThanOrEqual(9);
    await addPods(node, 'v', 3);
    expect(subnetsOf(cluster, node)).toContain(tagged);
    await converged(cluster, node);
  });
});

describeWith(['root', 'ip', 'nft'], 'an excluded primary subnet', () => {
  let cluster: Cluster;
  let byAddress: ClusterNode;
  let distant: ClusterNode;
  let byPrefix: ClusterNode;
  let far: AddedPod;
  let tagged: string;
  const prefixes = { ENABLE_PREFIX_DELEGATION: 'true' };

  beforeAll(async () => {
    cluster = await testCluster({ instanceTypes: ['t3.small', 't3.small', 't3.small'], env: SMALL });
    [byAddress, distant, byPrefix] = cluster.nodes as [ClusterNode, ClusterNode, ClusterNode];
    await Promise.all([byAddress.startDaemon(), distant.startDaemon(), byPrefix.startDaemon(prefixes)]);
    far = await addPod(distant, 'far');
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it.each(['addresses', 'prefixes'] as const)(
    'keeps live pods on the primary, takes new ones elsewhere, and gives back what is free (%s)',
    async (mode) => {
      const [node, env] = mode === 'addresses' ? [byAddress, {}] : [byPrefix, prefixes];
      const primary = primaryOf(cluster, node);
      tagged ??= addSubnet(cluster, 1, { [ROLE]: '1' });
      const old = await addPods(node, mode.slice(0, 1), 2);
      for (const { address } of old) expect(subnetOf(cluster, address)).toBe(primary.subnetId);
      tag(cluster, primary.subnetId, { [ROLE]: '0' });
      await restart(node, env);
      await until('the primary is excluded', 5000, async () => (await excludedOf(node)).join() === primary.id);
      const young = await addPods(node, `${mode.slice(0, 1)}y`, 4);
      for (const { address } of young) expect(subnetOf(cluster, address)).toBe(tagged);
      await expectTraffic([...old, ...young], far);
      await converged(cluster, node);
      const held = () => primaryOf(cluster, node);
      if (mode === 'addresses')
        expect([...held().secondaryAddresses].sort()).toEqual(old.map(({ address }) => address).sort());
      else expect(held().ipv4Prefixes).toHaveLength(1);
      await deletePods(node, old);
      await until(
        'nothing of it is held',
        10_000,
        () => held().secondaryAddresses.length + held().ipv4Prefixes.length === 0,
      );
      await converged(cluster, node);
      await expectTraffic(young, far);
      expect(subnetsOf(cluster, node)).toEqual([tagged]);
      cluster.cloud.region.execute('DeleteTags', { Resources: [primary.subnetId], Tags: [{ Key: ROLE }] });
    },
  );

  it('never lets a first pod onto the primary of a fresh node, and serves it where a subnet is tagged later', async () => {
    const node = distant;
    await deletePods(node, [far]);
    await node.stopDaemon('SIGTERM');
    await node.forgetState();
    const primary = primaryOf(cluster, node);
    tag(cluster, primary.subnetId, { [ROLE]: '0' });
    await node.startDaemon();
    const pod = await node.createSandbox('late');
    const refused = await node.cni('ADD', pod, { deadlineMs: 5000 });
    expect(refused.document).toMatchObject({ code: 100, msg: expect.stringContaining('exclude') });
    const outcome = node.cni('ADD', pod, { deadlineMs: 90_000 });
    await until('it waits', 5000, async () => (await poolOf(node)).waiting === 1);
    const offered = addSubnet(cluster, 2, { [ROLE]: '1' }, 'b');
    expect(await outcome).toMatchObject({ ok: true });
    expect(subnetsOf(cluster, node)).toEqual([offered]);
    await until('the primary is empty', 10_000, () => primaryOf(cluster, node).secondaryAddresses.length === 0);
  });
});

describeWith(['root', 'ip', 'nft'], 'excluded secondary subnets', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let far: AddedPod;
  const env = { CLUSTER_NAME: 'blue' };

  beforeAll(async () => {
    cluster = await testCluster({ instanceTypes: ['t3.small', 't3.small'], env: SMALL });
    const [first, second] = cluster.nodes as [ClusterNode, ClusterNode];
    node = first;
    await second.startDaemon();
    far = await addPod(second, 'far');
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('uses the one for this cluster, and one with a cluster tag of another kind; empties one that is taken away', async () => {
    const theirs = addSubnet(cluster, 1, { [ROLE]: '1', [`${CLUSTER}green`]: 'shared' });
    const ours = addSubnet(cluster, 2, { [ROLE]: '1', [`${CLUSTER}blue`]: 'shared', [`${CLUSTER}green`]: 'shared' });
    await node.startDaemon(env);
    const old = await addPods(node, 's', 5);
    expect(subnetsOf(cluster, node)).toEqual([ours]);
    const live = old.filter(({ address }) => subnetOf(cluster, address) === ours);
    expect(live).toHaveLength(2);

    tag(cluster, ours, { [ROLE]: '0' });
    const other = addSubnet(cluster, 3, { [ROLE]: '1', 'kubernetes.io/cluster/green': 'shared' });
    const leaving = heldBy(cluster, node).find(({ subnetId }) => subnetId === ours);
    await restart(node, env);
    await until('it is excluded', 5000, async () => (await excludedOf(node)).join() === leaving?.id);
    const young = await addPods(node, 'y', 2);
    for (const { address } of young) expect(subnetOf(cluster, address)).toBe(other);
    await expectTraffic([...live, ...young], far);
    await converged(cluster, node);

    await deletePods(node, live);
    await until('its interface is gone', 15_000, () =>
      cluster.cloud.region.networkInterfaces().every(({ id }) => id !== leaving?.id),
    );
    await converged(cluster, node);
    await expectTraffic(young, far);
    expect(subnetsOf(cluster, node)).toEqual([other]);
    expect(cluster.cloud.region.networkInterfaces().filter(({ subnetId }) => subnetId === theirs)).toEqual([]);
    expect(cluster.errors).toEqual([]);
  });
});
