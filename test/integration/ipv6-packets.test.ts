/** Nodes of both families end to end: the CNI binary, ipamd, the emulated cloud, its fabric, and packets between all of them. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Address6 } from 'ip-address';
import { INTERNET_ADDRESS, INTERNET_IPV6_ADDRESS } from '#cloud/emulator/fabric/state.ts';
import { type AddedPod, addPod, converged, deletePods, heldBy } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { runCommand } from '#test/support/command.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { Probe } from '#test/support/probe.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

/** More than the nine pods that the first ENI of an m5.large has IPv4 addresses for. */
const PODS = 11;

interface Placed extends AddedPod {
  /** In the order of the result: IPv4 first, if it has one. */
  readonly addresses: readonly string[];
  readonly deviceIndex: number;
}

async function attach(cluster: Cluster, node: ClusterNode, name: string): Promise<Placed> {
  const added = await addPod(node, name);
  const ips = added.result['ips'] as readonly { readonly address: string }[];
  const addresses = ips.map(({ address }) => address.replace(/\/(32|128)$/, ''));
  const ipv6 = addresses.at(-1) ?? '';
  const holder = heldBy(cluster, node).find(({ ipv6Prefixes }) =>
    ipv6Prefixes.some((prefix) => new Address6(ipv6).isInSubnet(new Address6(prefix))),
  );
  if (holder?.attachment === undefined) throw new Error(`no interface of ${node.name} holds ${ipv6}`);
  return { ...added, addresses, deviceIndex: holder.attachment.deviceIndex };
}

const probeIn = (pod: AddedPod): Promise<Probe> => Probe.start(pod.pod.name, `/run/netns/${pod.pod.netns}`);

describeWith(['root', 'ip', 'nft'], 'a dual-stack cluster', () => {
  let cluster: Cluster;
  let one: ClusterNode;
  let other: ClusterNode;
  let pods: readonly Placed[] = [];
  let before = '';

  beforeAll(async () => {
    const env = { ENABLE_IPv6: 'true', WARM_IP_TARGET: '2', MINIMUM_IP_TARGET: '12' };
    cluster = await testCluster({ instanceTypes: ['m5.large', 'm5.large'], ipv6: true, env });
    [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    await cluster.startDaemons();
    await Promise.all([converged(cluster, one), converged(cluster, other)]);
    before = await kernelState(one.netns);
    const added: Placed[] = [];
    for (let index = 0; index < PODS; index += 1) added.push(await attach(cluster, one, `p${index}`));
    added.push(await attach(cluster, other, 'far'));
    pods = added;
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('gives pods of both ENIs an address of each family, from their own ENI', () => {
    const deviceIndexes = new Set(pods.slice(0, PODS).map(({ deviceIndex }) => deviceIndex));
    expect(deviceIndexes).toEqual(new Set([0, 1]));
    for (const { addresses, result } of pods) {
      expect(addresses).toEqual([expect.stringMatching(/^10\.0\./), expect.stringMatching(/^2001:db8:/)]);
      expect(result['routes']).toEqual([
        { dst: '0.0.0.0/0', gw: '169.254.1.1' },
        { dst: '::/0', gw: 'fe80::1' },
      ]);
    }
    expect(new Set(pods.flatMap(({ addresses }) => addresses)).size).toBe(2 * pods.length);
  });

  it('pods on one node, on two nodes and the internet reach each other in both families', async () => {
    const [near, second] = [0, 1].map((index) => pods.find(({ deviceIndex }) => deviceIndex === index)) as [
      Placed,
      Placed,
    ];
    const far = pods.at(-1) as Placed;
    await using stack = new AsyncDisposableStack();
    const probes = new Map<Placed, Probe>();
    for (const pod of [near, second, far]) probes.set(pod, stack.use(await probeIn(pod)));
    const internet = stack.use(await Probe.start('internet', `/run/netns/${cluster.fabric.internet?.namespace}`));
    const node = stack.use(await Probe.start('node', one.netnsPath));
    for (const [from, probe] of probes) {
      for (const to of probes.keys()) {
        if (to === from) continue;
        expect(await Promise.all(to.addresses.map((address) => probe.seenBy(address)))).toEqual(from.addresses);
      }
      expect(await probe.seenBy(INTERNET_IPV6_ADDRESS)).toBe(from.addresses[1]);
      const primary = heldBy(cluster, from === far ? other : one)[0]?.primaryAddress;
      expect(await probe.seenBy(INTERNET_ADDRESS)).toBe(primary);
      expect(await internet.seenBy(from.addresses[1] ?? '')).toBe(INTERNET_IPV6_ADDRESS);
      expect(await node.seenBy(from.addresses[1] ?? '')).toBeDefined();
    }
  });

  it('a pod cannot send with the IPv6 address of another', async () => {
    const [victim, liar] = pods as [Placed, Placed];
    const forged = victim.addresses[1] ?? '';
    await using target = await probeIn(pods.at(-1) as Placed);
    const inside = (...command: readonly string[]) => runCommand('ip', ['-n', liar.pod.netns, ...command]);
    await inside('addr', 'add', `${forged}/128`, 'dev', 'lo');
    await using probe = await probeIn(liar);
    const to = (pods.at(-1) as Placed).addresses[1] ?? '';
    expect(await probe.ask({ op: 'udp', to, port: 7777, from: forged, timeoutMs: 500 })).toEqual({});
    await inside('addr', 'del', `${forged}/128`, 'dev', 'lo');
    expect(await probe.ask({ op: 'udp', to, port: 7777, timeoutMs: 10_000 })).toEqual({ seenFrom: liar.addresses[1] });
    expect(await target.ask({ op: 'received', from: forged })).toEqual({ count: 0 });
  });

  it('survives the restart of its daemon, passes CHECK, and leaves nothing', async () => {
    await one.stopDaemon('SIGKILL');
    await one.startDaemon();
    for (const { pod, result } of pods.slice(0, PODS)) {
      expect(await one.cni('CHECK', pod, { prevResult: result })).toMatchObject({ ok: true });
    }
    await using probe = await probeIn(pods[0] as Placed);
    await using _target = await probeIn(pods.at(-1) as Placed);
    expect(await probe.seenBy((pods.at(-1) as Placed).addresses[1] ?? '')).toBe(pods[0]?.addresses[1]);
    await deletePods(one, pods.slice(0, PODS));
    await until('the kernel is as before', 5000, async () => (await kernelState(one.netns)) === before);
    expect(cluster.errors).toEqual([]);
  });
});

describeWith(['root', 'ip', 'nft'], 'an IPv6 cluster', () => {
  it('runs pods with nothing but IPv6 out of one prefix', async () => {
    const env = { ENABLE_IPv6: 'true', ENABLE_IPv4: 'false', ENABLE_PREFIX_DELEGATION: 'true' };
    await using cluster = await testCluster({ instanceTypes: ['m5.large', 'm5.large'], ipv6: true, env });
    const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
    await cluster.startDaemons();
    const [near, next, far] = [
      await attach(cluster, one, 'near'),
      await attach(cluster, one, 'next'),
      await attach(cluster, other, 'far'),
    ];
    await using probe = await probeIn(near);
    await using _next = await probeIn(next);
    await using _far = await probeIn(far);
    await using _internet = await Probe.start('internet', `/run/netns/${cluster.fabric.internet?.namespace}`);
    expect(near.addresses).toHaveLength(1);
    for (const to of [next.addresses[0], far.addresses[0], INTERNET_IPV6_ADDRESS]) {
      expect(await probe.seenBy(to ?? '')).toBe(near.addresses[0]);
    }
    // IPv4 is for the way out alone.
    const [nodeAddress] = heldBy(cluster, one).map(({ primaryAddress }) => primaryAddress);
    expect(await probe.seenBy(INTERNET_ADDRESS)).toBe(nodeAddress);
    const shown = await runCommand('ip', ['-n', near.pod.netns, '-4', '-o', 'addr', 'show', 'dev', 'eth0']);
    expect(shown).toMatch(/inet 169\.254\.17[2-5]\.\d+\/32 /);
    const [next4] = /169\.254\.17[2-5]\.\d+/.exec(
      await runCommand('ip', ['-n', next.pod.netns, '-4', '-o', 'addr', 'show', 'dev', 'eth0']),
    ) ?? [''];
    expect(await probe.seenBy(next4, 500)).toBeUndefined();
    for (const node of [one, other]) await node.stopDaemon('SIGKILL');
    for (const node of [one, other]) await node.startDaemon();
    expect(await one.cni('CHECK', near.pod, { prevResult: near.result })).toMatchObject({ ok: true });
    expect(await probe.seenBy(INTERNET_ADDRESS)).toBe(nodeAddress);
    await deletePods(one, [near, next]);
    expect(cluster.errors).toEqual([]);
  });
});

describeWith(['root', 'ip', 'nft'], 'an IPv4 cluster with egress over IPv6', () => {
  it('lets pods reach IPv6 by the address of their node', async () => {
    const env = { ENABLE_V6_EGRESS: 'true' };
    await using cluster = await testCluster({ ipv6: true, env });
    const [node] = cluster.nodes as [ClusterNode];
    await cluster.startDaemons();
    const added = await addPod(node, 'pod');
    await using probe = await probeIn(added);
    await using _internet = await Probe.start('internet', `/run/netns/${cluster.fabric.internet?.namespace}`);
    const [primary] = heldBy(cluster, node);
    expect(added.result['ips']).toHaveLength(1);
    expect(await probe.seenBy(INTERNET_IPV6_ADDRESS)).toBe(primary?.ipv6Addresses[0]);
    expect(await probe.seenBy(INTERNET_ADDRESS)).toBe(primary?.primaryAddress);
    await deletePods(node, [added]);
    expect(cluster.errors).toEqual([]);
  });
});
