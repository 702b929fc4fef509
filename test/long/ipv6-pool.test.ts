/** IPv6 and dual-stack nodes as the cloud, the journal and the CNI result see them; what the kernel makes of it is tested apart. */
import { afterEach, expect, it } from '@jest/globals';
import { parseIpv6, parseIpv6Prefix } from '#warm-pool/ipv6.ts';
import {
  addPod,
  type AddedPod,
  converged,
  deletePods,
  ec2Calls,
  heldBy,
  logOf,
  planOf,
  podsOf,
  poolOf,
} from '#test/support/cluster-facts.ts';
import type { Cluster, ClusterOptions } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const IPV4 = { ENABLE_IPv4: 'true', ENABLE_IPv6: 'false', ENABLE_PREFIX_DELEGATION: 'false', WARM_IP_TARGET: '1' };
const DUAL = { ...IPV4, ENABLE_IPv6: 'true' };
const IPV6 = { ENABLE_IPv4: 'false', ENABLE_IPv6: 'true', ENABLE_PREFIX_DELEGATION: 'true' };

interface ShownPod6 {
  readonly name: string;
  readonly address: string;
  readonly ipv6Address: string | null;
  readonly eni: string;
}

let cluster: Cluster;
let node: ClusterNode;

async function start(env: Readonly<Record<string, string>>, options: Partial<ClusterOptions> = {}): Promise<void> {
  cluster = await testCluster({ ipv6: true, ...options });
  [node] = cluster.nodes as [ClusterNode];
  await node.startDaemon(env);
}

async function restart(env: Readonly<Record<string, string>>, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM') {
  await node.stopDaemon(signal);
  await node.startDaemon(env);
}

const ips = ({ result }: AddedPod) =>
  (result['ips'] as readonly { readonly address: string }[]).map((ip) => ip.address);
const shownPods = async () => (await podsOf(node)) as readonly unknown[] as readonly ShownPod6[];
const prefixes = () => heldBy(cluster, node).map((each) => [each.attachment?.deviceIndex, each.ipv6Prefixes.length]);
/** Calls that change what the node holds; tags do not. */
const writes = (from = 0) =>
  ec2Calls(cluster, from)
    .map(({ action }) => action)
    .filter((action) => !action.startsWith('Describe') && action !== 'CreateTags');

/** The interface whose /80 holds the address. */
function holderOf(cidr: string): string | undefined {
  const address = parseIpv6(cidr.replace('/128', ''));
  return heldBy(cluster, node).find(({ ipv6Prefixes }) =>
    ipv6Prefixes.some((prefix) => parseIpv6Prefix(prefix)?.network === address?.network),
  )?.id;
}

/** CHECK passes, and introspection shows what ADD said. */
async function expectWhole(pods: readonly AddedPod[]): Promise<void> {
  const shown = new Map((await shownPods()).map((row) => [row.name, row]));
  for (const pod of pods) {
    const row = shown.get(pod.pod.name);
    expect([row?.address, row?.ipv6Address].filter((address) => address !== null)).toEqual(
      ips(pod).map((cidr) => cidr.replace(/\/\d+$/, '')),
    );
    expect(await node.cni('CHECK', pod.pod, { prevResult: pod.result })).toMatchObject({ ok: true });
  }
}

describeWith(['root', 'ip', 'nft'], 'an IPv6 node', () => {
  afterEach(() => cluster?.[Symbol.asyncDispose]());

  it('asks once for one /80, gives pods addresses out of it, and asks for nothing more, whatever comes', async () => {
    await start(IPV6);
    await until('the /80 is there', 10_000, () => prefixes().some(([, count]) => count === 1));
    await converged(cluster, node);
    expect(prefixes()).toEqual([[0, 1]]);
    expect(writes()).toEqual(['AssignIpv6Addresses']);
    const pods = await Promise.all(Array.from({ length: 40 }, (_, index) => addPod(node, `p${index}`)));
    const addresses = pods.flatMap(ips);
    expect(new Set(addresses).size).toBe(40);
    const primary = heldBy(cluster, node)[0]?.id;
    for (const address of addresses) {
      expect(address).toMatch(/^[0-9a-f:]+\/128$/);
      expect(holderOf(address)).toBe(primary);
      expect(parseIpv6(address.replace('/128', ''))?.position).toBeGreaterThan(0);
    }
    expect(pods[0]?.result['routes']).toEqual([{ dst: '::/0', gw: 'fe80::1' }]);
    await expectWhole(pods.slice(0, 3));
    await deletePods(node, pods);
    await until('every pod is gone', 5000, async () => (await poolOf(node)).assigned === 0);
    await converged(cluster, node);
    expect(writes()).toEqual(['AssignIpv6Addresses']);
  });

  it('keeps prefix and pods through a restart and a crash, without a call, and lets an address rest', async () => {
    await start({ ...IPV6, IP_COOLDOWN_PERIOD: '300' });
    const pods = await Promise.all(['a', 'b', 'c'].map((name) => addPod(node, name)));
    await converged(cluster, node);
    await deletePods(node, pods.slice(0, 1));
    const mark = cluster.cloud.calls().length;
    await restart({ ...IPV6, IP_COOLDOWN_PERIOD: '300' });
    await converged(cluster, node);
    await restart({ ...IPV6, IP_COOLDOWN_PERIOD: '300' }, 'SIGKILL');
    const fresh = await addPod(node, 'd');
    await converged(cluster, node);
    expect(writes(mark)).toEqual([]);
    expect(pods.flatMap(ips)).not.toContain(ips(fresh)[0]);
    await expectWhole([...pods.slice(1), fresh]);
    expect(await poolOf(node)).toMatchObject({ assigned: 3, cooling: 1 });
  });

  it('asks again for a /80 that vanished, and keeps the pods that had theirs from it', async () => {
    await start(IPV6);
    const old = await addPod(node, 'old');
    const [eni] = heldBy(cluster, node);
    cluster.cloud.region.execute('UnassignIpv6Addresses', {
      NetworkInterfaceId: eni?.id ?? '',
      Ipv6Prefixes: [...(eni?.ipv6Prefixes ?? [])],
    });
    // Some other /80 is taken meanwhile, so that the same one does not come back by chance.
    cluster.cloud.region.execute('CreateNetworkInterface', { SubnetId: eni?.subnetId ?? '', Ipv6PrefixCount: 1 });
    await restart(IPV6);
    await until('another /80 is there', 20_000, () => prefixes().some(([, count]) => count === 1));
    await converged(cluster, node);
    const fresh = await addPod(node, 'fresh');
    expect(holderOf(ips(fresh)[0] ?? '')).toBe(eni?.id);
    expect(holderOf(ips(old)[0] ?? '')).toBeUndefined();
    expect(new Set((await shownPods()).map(({ name }) => name))).toEqual(new Set(['fresh', 'old']));
    expect((await logOf(node)).map(({ msg }) => msg)).toContainEqual(
      expect.stringContaining('an address that the cloud no longer gives to this node'),
    );
    await deletePods(node, [old, fresh]);
  });

  it('makes one ENI for the /80, in three calls, where the primary hosts no pods', async () => {
    cluster = await testCluster({ ipv6: true });
    [node] = cluster.nodes as [ClusterNode];
    const { region } = cluster.cloud;
    const own = heldBy(cluster, node)[0]?.subnetId ?? '';
    const { Subnet } = region.execute('CreateSubnet', {
      VpcId: cluster.vpcId,
      CidrBlock: '10.0.16.0/24',
      // The emulator's first VPC has 2001:db8::/56.
      Ipv6CidrBlock: '2001:db8:0:9::/64',
      AvailabilityZone: 'eu-test-1a',
    });
    const tags = { [own]: '0', [Subnet?.SubnetId ?? '']: '1' };
    for (const [id, Value] of Object.entries(tags))
      region.execute('CreateTags', { Resources: [id], Tags: [{ Key: 'kubernetes.io/role/cni', Value }] });
    await node.startDaemon(IPV6);
    const pods = await Promise.all(Array.from({ length: 5 }, (_, index) => addPod(node, `p${index}`)));
    await converged(cluster, node);
    expect(writes()).toEqual(['CreateNetworkInterface', 'AttachNetworkInterface', 'ModifyNetworkInterfaceAttribute']);
    const [primary, second] = heldBy(cluster, node);
    expect([primary?.ipv6Prefixes, second?.subnetId]).toEqual([[], Subnet?.SubnetId]);
    for (const pod of pods) expect(holderOf(ips(pod)[0] ?? '')).toBe(second?.id);
    await expectWhole(pods);
  });

  it.each([
    ['ipv6', IPV6],
    ['dual', DUAL],
  ])('does not start in a subnet without an IPv6 CIDR block, and says what to do (%s)', async (_family, env) => {
    const starting = start(env, { ipv6: false });
    await expect(starting).rejects.toThrow(/ENABLE_IPv6=true needs a subnet with an IPv6 CIDR block/);
    const said = (await logOf(node)).find(({ msg }) => msg === 'cannot start');
    expect(said).toMatchObject({ code: 'subnet-without-ipv6' });
    expect(writes()).toEqual([]);
  });

  it('leaves a node as it is that is switched to IPv6 where there is none, so that the way back is open', async () => {
    await start(IPV4, { ipv6: false });
    const pod = await addPod(node, 'old');
    await converged(cluster, node);
    const mark = cluster.cloud.calls().length;
    for (const env of [DUAL, IPV6]) {
      await node.stopDaemon('SIGTERM');
      await expect(node.startDaemon(env)).rejects.toThrow(/needs a subnet with an IPv6 CIDR block/);
    }
    expect(writes(mark)).toEqual([]);
    await node.startDaemon(IPV4);
    await expectWhole([pod]);
  });

  it('does not start on an instance type that cannot hold a /80', async () => {
    const starting = start(IPV6, { instanceTypes: ['m4.4xlarge'] });
    await expect(starting).rejects.toThrow(/needs a Nitro or bare-metal instance type.*; m4\.4xlarge is neither/);
  });
});

describeWith(['root', 'ip', 'nft'], 'a dual-stack node', () => {
  afterEach(() => cluster?.[Symbol.asyncDispose]());

  it('gives each pod an address of each family from one ENI, and makes an ENI with its /80 in three calls', async () => {
    await start(DUAL);
    await converged(cluster, node);
    expect(prefixes()).toEqual([[0, 1]]);
    const first = await Promise.all(Array.from({ length: 9 }, (_, index) => addPod(node, `p${index}`)));
    await until('a second ENI is there', 20_000, () => prefixes().length === 2);
    await converged(cluster, node);
    expect(prefixes()).toEqual([
      [0, 1],
      [1, 1],
    ]);
    const created = writes().filter((action) => /NetworkInterface/.test(action));
    expect(created).toEqual(['CreateNetworkInterface', 'AttachNetworkInterface', 'ModifyNetworkInterfaceAttribute']);
    expect(writes().filter((action) => action === 'AssignIpv6Addresses')).toHaveLength(1);
    const pods = [...first, await addPod(node, 'q')];
    for (const pod of pods) {
      const [four = '', six = ''] = ips(pod);
      expect(four).toMatch(/^10\.0\.0\.\d+\/32$/);
      const eni = (await shownPods()).find(({ name }) => name === pod.pod.name)?.eni;
      expect(holderOf(six)).toBe(eni);
    }
    expect(pods[0]?.result['routes']).toEqual([
      { dst: '0.0.0.0/0', gw: '169.254.1.1' },
      { dst: '::/0', gw: 'fe80::1' },
    ]);
    await restart(DUAL, 'SIGKILL');
    await converged(cluster, node);
    await expectWhole(pods.slice(-2));
    await deletePods(node, pods);
    await until('the second ENI is gone', 20_000, () => prefixes().length === 1);
    await converged(cluster, node);
    expect(cluster.errors).toEqual([]);
  });

  it('holds CHECK to both addresses, and lets both rest after DEL, a second DEL and GC', async () => {
    await start({ ...DUAL, IP_COOLDOWN_PERIOD: '300' });
    const pods = await Promise.all(['a', 'b', 'c'].map((name) => addPod(node, name)));
    const [a, b, c] = pods as [AddedPod, AddedPod, AddedPod];
    const prevResult = { ...a.result, ips: (a.result['ips'] as readonly unknown[]).slice(0, 1) };
    const { ok, document } = await node.cni('CHECK', a.pod, { prevResult });
    expect([ok, document['code'], document['msg']]).toEqual([
      false,
      110,
      `prevResult does not have ${ips(a)[1]}, an address of this attachment`,
    ]);
    await deletePods(node, [a]);
    await deletePods(node, [a]);
    const gc = await node.gc([{ containerID: c.pod.containerId, ifname: 'eth0' }]);
    expect(gc.ok).toBe(true);
    expect((await shownPods()).map(({ name }) => name)).toEqual(['c']);
    const fresh = await Promise.all(['d', 'e', 'f'].map((name) => addPod(node, name)));
    const resting = [...ips(a), ...ips(b)];
    for (const address of fresh.flatMap(ips)) expect(resting).not.toContain(address);
    await restart({ ...DUAL, IP_COOLDOWN_PERIOD: '300' }, 'SIGKILL');
    const later = await addPod(node, 'g');
    for (const address of ips(later)) expect(resting).not.toContain(address);
    await expectWhole([c, ...fresh, later]);
  });

  it('serves pods of every family that the node had, as it is switched from one to the next', async () => {
    await start(IPV4);
    const four = await addPod(node, 'four');
    await restart(DUAL);
    const both = await addPod(node, 'both');
    expect([ips(four).length, ips(both).length]).toEqual([1, 2]);
    await restart(IPV6);
    const six = await addPod(node, 'six');
    expect(ips(six)[0]).toMatch(/:.*\/128$/);
    await converged(cluster, node);
    await expectWhole([four, both, six]);
    // What no pod has of IPv4 goes back.
    const held = heldBy(cluster, node).flatMap(({ secondaryAddresses }) => secondaryAddresses);
    expect(new Set(held)).toEqual(new Set([four, both].map((pod) => ips(pod)[0]?.replace('/32', ''))));
    await restart(IPV4);
    const again = await addPod(node, 'again');
    expect(ips(again)).toHaveLength(1);
    await expectWhole([four, both, six, again]);
    expect((await planOf(node)).actions).toEqual([]);
    await deletePods(node, [four, both, six, again]);
    expect(await poolOf(node)).toMatchObject({ assigned: 0 });
  });
});
