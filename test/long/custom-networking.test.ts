/** ENIConfig custom networking: pods' interfaces lie where the cluster says, and the daemon serves while it says nothing. */
import { afterEach, expect, it } from '@jest/globals';
import type { EniConfigLookup } from '#ipamd/kubernetes/cluster-view.ts';
import {
  type AddedPod,
  addPod,
  converged,
  deletePods,
  ec2Calls,
  heldBy,
  logOf,
  planOf,
  podsOf,
} from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { programWithFacts, say } from '#test/support/facts-file.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const SETTINGS = { AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: 'true', WARM_IP_TARGET: '1', MINIMUM_IP_TARGET: '1' };
const UNKNOWN: EniConfigLookup = { kind: 'unknown' };

describeWith(['root', 'ip', 'nft'], 'custom networking', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let home: string;

  afterEach(() => cluster?.[Symbol.asyncDispose]());

  async function prepare(): Promise<void> {
    cluster = await testCluster({ instanceTypes: ['t3.medium'], env: SETTINGS, program: programWithFacts() });
    [node] = cluster.nodes as [ClusterNode];
    home = heldBy(cluster, node)[0]?.subnetId ?? '';
  }
  const start = async (lookup: EniConfigLookup, env: Readonly<Record<string, string>> = {}) =>
    node.startDaemon({ ...say(node, { eniConfig: lookup }), ...env });
  const tell = (lookup: EniConfigLookup) => void say(node, { eniConfig: lookup });

  function addSubnet(block: string, zone = 'a', vpcId = cluster.vpcId): string {
    const request = { VpcId: vpcId, CidrBlock: block, AvailabilityZone: `eu-test-1${zone}` };
    return cluster.cloud.region.execute('CreateSubnet', request).Subnet?.SubnetId ?? '';
  }
  function addGroup(name: string): string {
    const request = { GroupName: name, Description: name, VpcId: cluster.vpcId };
    return cluster.cloud.region.execute('CreateSecurityGroup', request).GroupId ?? '';
  }
  const found = (subnetId: string, securityGroupIds: readonly string[] = [], name = 'zone-a'): EniConfigLookup => ({
    kind: 'found',
    eniConfig: { name, subnetId, securityGroupIds },
  });
  const secondary = () => heldBy(cluster, node).filter(({ attachment }) => attachment?.deviceIndex !== 0);
  const primary = () => heldBy(cluster, node).find(({ attachment }) => attachment?.deviceIndex === 0);
  const hostOf = ({ address }: AddedPod) =>
    heldBy(cluster, node).find(({ secondaryAddresses }) => secondaryAddresses.includes(address));
  const reasons = async () => (await planOf(node)).refusals.map(({ why }) => why.reason);

  it('puts interfaces and pods into the ENIConfig’s subnet with its groups, and none on the primary', async () => {
    await prepare();
    const subnet = addSubnet('10.0.64.0/24');
    // Larger, and offered by its tag: discovery must not look at it.
    const tagged = addSubnet('10.0.128.0/20');
    cluster.cloud.region.execute('CreateTags', {
      Resources: [tagged],
      Tags: [{ Key: 'kubernetes.io/role/cni', Value: '1' }],
    });
    const group = addGroup('pods');
    const from = cluster.cloud.calls().length;
    await start(found(subnet, [group]));
    const pods = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((name) => addPod(node, name)));
    await converged(cluster, node);
    for (const pod of pods) expect(hostOf(pod)).toMatchObject({ subnetId: subnet, securityGroupIds: [group] });
    expect(secondary().length).toBe(2);
    expect(primary()).toMatchObject({ subnetId: home, secondaryAddresses: [], ipv4Prefixes: [] });
    // Described by zone with the others: the ENIConfig costs no call of its own.
    expect(ec2Calls(cluster, from, 'DescribeSubnets').length).toBe(1);
    expect(ec2Calls(cluster, from, 'ModifyNetworkInterfaceAttribute').length).toBe(2);
    // What was found attached is tagged later.
    expect(ec2Calls(cluster, from, 'CreateTags')).toEqual([]);
    await deletePods(node, pods);
    await converged(cluster, node);
    expect(cluster.errors).toEqual([]);
  });

  it('waits for the API server, says so, and serves the pod that waits as soon as it has answered', async () => {
    await prepare();
    const subnet = addSubnet('10.0.64.0/24');
    await start(UNKNOWN);
    const pod = await node.createSandbox('early');
    const { ok, document } = await node.cni('ADD', pod, { deadlineMs: 1000 });
    expect(ok).toBe(false);
    expect(document).toMatchObject({ code: 111 });
    expect(String(document['msg'])).toContain('it waits for the API server');
    expect(await reasons()).toEqual(['eniconfig-unknown']);
    expect(secondary()).toEqual([]);
    const second = node.cni('ADD', await node.createSandbox('patient'), { deadlineMs: 90_000 });
    tell(found(subnet));
    expect((await second).ok).toBe(true);
    // An empty list of groups: those of the primary interface.
    for (const each of secondary()) expect(each.securityGroupIds).toEqual(primary()?.securityGroupIds);
    expect(await reasons()).toEqual([]);
  });

  it.each<[string, (zone: string, vpc: string) => EniConfigLookup, RegExp]>([
    [
      'is missing',
      () => ({ kind: 'missing', name: 'zone-x', why: 'there is no ENIConfig of that name.' }),
      /ENIConfig zone-x cannot be used: there is no ENIConfig of that name\./,
    ],
    [
      'lies in another zone',
      (zone) => found(zone),
      /ENIConfig zone-a .*is in eu-test-1b, and this node is in eu-test-1a/,
    ],
    [
      'lies in another VPC',
      (_zone, vpc) => found(vpc),
      /ENIConfig zone-a .*is in vpc-\w+, and this node is in vpc-\w+/,
    ],
    ['has no such subnet', () => found('subnet-0123456789abcdef0'), /knows no subnet subnet-0123456789abcdef0/],
  ])('an ENIConfig that %s is refused with a sentence, and what runs is served on', async (_what, lookup, sentence) => {
    await prepare();
    const subnet = addSubnet('10.0.64.0/24');
    const zone = addSubnet('10.0.65.0/24', 'b');
    const vpcId = cluster.cloud.region.execute('CreateVpc', { CidrBlock: '10.9.0.0/16' }).Vpc?.VpcId ?? '';
    const vpc = addSubnet('10.9.0.0/24', 'a', vpcId);
    await start(found(subnet));
    const pods = await Promise.all(['a', 'b', 'c'].map((name) => addPod(node, name)));
    await converged(cluster, node);
    tell(lookup(zone, vpc));
    // t3.medium: five addresses on each secondary interface; the next needs growth.
    const more = Array.from({ length: 6 }, (_, index) => `m${index}`);
    const outcomes = await Promise.all(
      more.map(async (name) => node.cni('ADD', await node.createSandbox(name), { deadlineMs: 5000 })),
    );
    const refused = outcomes.filter(({ ok }) => !ok);
    expect(refused.length).toBeGreaterThan(0);
    for (const { document } of refused) {
      expect(document).toMatchObject({ code: 111 });
      expect(String(document['msg'])).toMatch(sentence);
    }
    for (const { pod, result } of pods)
      expect(await node.cni('CHECK', pod, { prevResult: result })).toMatchObject({ ok: true });
    expect(await reasons()).toContain('eniconfig-unusable');
    tell(found(subnet));
    await addPod(node, 'after');
    expect(new Set(secondary().map(({ subnetId }) => subnetId))).toEqual(new Set([subnet]));
  });

  it('another ENIConfig: new pods go to its subnet, those of the former stay until they end', async () => {
    await prepare();
    const [one, two] = [addSubnet('10.0.64.0/24'), addSubnet('10.0.65.0/24')];
    await start(found(one));
    const old = await addPod(node, 'old');
    await converged(cluster, node);
    tell(found(two, [], 'zone-a-new'));
    const fresh = await addPod(node, 'fresh');
    expect(hostOf(fresh)?.subnetId).toBe(two);
    expect(hostOf(old)?.subnetId).toBe(one);
    await converged(cluster, node);
    // Of the former interface only the address in use is kept.
    expect(hostOf(old)?.secondaryAddresses).toEqual([old.address]);
    expect(await node.cni('CHECK', old.pod, { prevResult: old.result })).toMatchObject({ ok: true });
    await deletePods(node, [old]);
    await until('the former interface is gone', 20_000, () => secondary().every(({ subnetId }) => subnetId === two));
    await converged(cluster, node);
  });

  it('a restart without the API server goes on with the ENIConfig that was usable last', async () => {
    await prepare();
    const subnet = addSubnet('10.0.64.0/24');
    const group = addGroup('pods');
    await start(found(subnet, [group]));
    const pods = await Promise.all(['a', 'b'].map((name) => addPod(node, name)));
    await converged(cluster, node);
    await node.stopDaemon('SIGKILL');
    const from = cluster.cloud.calls().length;
    await start(UNKNOWN);
    expect((await podsOf(node)).length).toBe(2);
    const more = await Promise.all(Array.from({ length: 6 }, (_, index) => addPod(node, `m${index}`)));
    await converged(cluster, node);
    for (const pod of more) expect(hostOf(pod)).toMatchObject({ subnetId: subnet, securityGroupIds: [group] });
    expect(primary()?.secondaryAddresses).toEqual([]);
    // Nothing was missing, so nothing was tagged or modified but the one new interface.
    expect(ec2Calls(cluster, from, 'CreateTags')).toEqual([]);
    expect(ec2Calls(cluster, from, 'ModifyNetworkInterfaceAttribute').length).toBe(1);
    await deletePods(node, [...pods, ...more]);
    // The API server is back and says that there is none: that, too, is remembered.
    tell({ kind: 'missing', name: 'zone-a', why: 'it was deleted.' });
    await until('it is refused', 5000, async () =>
      (await logOf(node)).some((record) => JSON.stringify(record).includes('it was deleted.')),
    );
    await node.stopDaemon('SIGTERM');
    await start(UNKNOWN);
    const pod = await node.createSandbox('late');
    const holders = await Promise.all(Array.from({ length: 9 }, (_, index) => node.createSandbox(`h${index}`)));
    const outcomes = await Promise.all([pod, ...holders].map((each) => node.cni('ADD', each, { deadlineMs: 5000 })));
    expect(outcomes.some(({ document }) => String(document['msg']).includes('it waits for the API server'))).toBe(true);
  });

  it('switched on with live pods on the primary: they stay, and it empties', async () => {
    await prepare();
    const subnet = addSubnet('10.0.64.0/24');
    await start(UNKNOWN, { AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: 'false' });
    const old = await addPod(node, 'old');
    await converged(cluster, node);
    expect(hostOf(old)?.id).toBe(primary()?.id);
    await node.stopDaemon('SIGTERM');
    await start(found(subnet));
    const fresh = await addPod(node, 'fresh');
    expect(hostOf(fresh)?.subnetId).toBe(subnet);
    await converged(cluster, node);
    expect(primary()?.secondaryAddresses).toEqual([old.address]);
    await deletePods(node, [old]);
    await until('the primary hosts none', 20_000, () => primary()?.secondaryAddresses.length === 0);
    await converged(cluster, node);
    // And off again.
    await node.stopDaemon('SIGTERM');
    await start(UNKNOWN, { AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG: 'false' });
    await Promise.all(Array.from({ length: 5 }, (_, index) => addPod(node, `n${index}`)));
    await until('the primary hosts pods again', 20_000, () => (primary()?.secondaryAddresses.length ?? 0) > 0);
  });
});
