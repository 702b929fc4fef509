/** Drift repair: what somebody takes away of ours while traffic runs is back at once, counted once and named. */
import { expect, it } from '@jest/globals';
import type { DriftKind } from '#ipamd/datapath/datapath.ts';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { OUTSIDE_ADDRESS, OUTSIDE_IPV6, PRIMARY_ADDRESS } from './support/datapath-node.ts';
import { DriftBed, ECHO_PORT, type Stream } from './support/drift-bed.ts';

interface Case {
  readonly name: string;
  /** Run by a shell in the node's namespace; $A and $B are the pods' links. */
  readonly command: string;
  /** How often each kind is counted; of neighbours and routes that go with a link, at least. */
  readonly counts: Partial<Record<DriftKind, number>>;
  readonly names: RegExp;
}

/** Far less than the minute after which a comparison is made without any news. How soon it is measures the benchmark. */
const GAP = 20_000;

const CASES: readonly Case[] = [
  { name: 'our rules flushed', command: 'ip rule flush protocol 87', counts: { rule: 4 }, names: /^rule$/ },
  { name: 'one IPv6 rule removed', command: 'ip -6 rule del priority 1536', counts: { rule: 1 }, names: /^rule$/ },
  {
    name: 'every rule flushed, the kernel’s own too',
    command: 'ip rule flush; ip -6 rule flush',
    counts: { rule: 9 },
    names: /^rule$/,
  },
  {
    name: "the pods' table flushed",
    command: 'ip route flush table 8787',
    counts: { route: 2 },
    names: /^host route$/,
  },
  {
    name: "an ENI's tables flushed",
    command: 'ip route flush table 2; ip -6 route flush table 2',
    counts: { route: 4 },
    names: /^table 2$/,
  },
  {
    name: 'a default route replaced by somebody else’s',
    command: 'ip route replace default via 10.0.0.1 dev eth0 table 2',
    counts: { route: 1 },
    names: /^table 2$/,
  },
  {
    name: 'permanent neighbours removed',
    command: 'ip neigh flush dev $B nud permanent; ip -6 neigh flush dev $B nud permanent',
    counts: { neighbour: 2 },
    names: /^host neighbour$/,
  },
  {
    name: 'nft rule set flushed',
    command: 'nft flush ruleset',
    counts: { nft: 1 },
    names: /^nft table inet wellspring$/,
  },
  {
    name: 'our nft table deleted',
    command: 'nft delete table inet wellspring',
    counts: { nft: 1 },
    names: /^nft table/,
  },
  {
    name: 'an nft chain flushed',
    command: 'nft flush chain inet wellspring egress',
    counts: { nft: 1 },
    names: /^nft chain inet wellspring egress$/,
  },
  {
    name: 'one nft rule removed',
    command:
      'nft delete rule inet wellspring interface handle $(nft -a list chain inet wellspring interface | sed -n "s/.*iifgroup 1465057281.*handle //p")',
    counts: { nft: 1 },
    names: /^nft chain inet wellspring interface$/,
  },
  {
    name: 'a set of blocks emptied',
    command: 'nft flush set inet wellspring no-snat',
    counts: { nft: 1 },
    names: /^nft set inet wellspring no-snat$/,
  },
  {
    name: 'host ports withdrawn',
    command: 'nft flush map inet wellspring host-ports-ip4',
    counts: { nft: 1 },
    names: /^host port 8080\/udp on every IPv4 address/,
  },
  { name: "a pod's link group changed", command: 'ip link set $B group 0', counts: { link: 1 }, names: /group$/ },
  { name: "a pod's link set down", command: 'ip link set $B down', counts: { link: 1, route: 2 }, names: /state$/ },
  {
    name: "a pod's MAC changed",
    command: 'ip link set $B address 02:00:00:00:00:09',
    counts: { link: 1 },
    names: /MAC$/,
  },
  {
    name: "an ENI's address removed",
    command: 'ip addr del 10.0.1.10/24 dev eth1',
    counts: { address: 1 },
    names: /^ipv4 address of eth1$/,
  },
  { name: "an ENI's MTU changed", command: 'ip link set eth1 mtu 1300', counts: { link: 1 }, names: /^link eth1 MTU$/ },
  {
    name: 'an ENI set down',
    command: 'ip link set eth1 down',
    counts: { link: 1 },
    names: /^link eth1 state$/,
  },
  {
    name: 'forwarding of IPv4 off',
    command: 'echo 0 >/proc/sys/net/ipv4/ip_forward',
    counts: { sysctl: 1 },
    names: /^sysctl net.ipv4.ip_forward$/,
  },
  {
    name: 'forwarding of IPv6 off',
    command: 'echo 0 >/proc/sys/net/ipv6/conf/all/forwarding',
    counts: { sysctl: 1 },
    names: /^sysctl net.ipv6.conf.all.forwarding$/,
  },
  {
    name: 'reverse-path filter of an ENI strict',
    command: 'echo 1 >/proc/sys/net/ipv4/conf/eth1/rp_filter',
    counts: { link: 1 },
    names: /^link eth1 rp_filter$/,
  },
];

describeWith(['root', 'ip', 'nft'], 'drift repair', () => {
  const fixture = new DatapathFixture();

  function damage(bed: DriftBed, command: string): void {
    const [a, b] = bed.pods.map(({ hostIfName }) => hostIfName);
    fixture.node.exec('node', 'sh', '-c', `A=${a} B=${b}; ${command}`);
  }

  /** From the second ENI's pod to the outside by both families, and from the outside to its host port. */
  async function traffic(bed: DriftBed): Promise<readonly Stream[]> {
    const { node } = fixture;
    node.ip('fabric', 'route replace 2001:db8:0:2:b::22 via fe80::57:ff:fe00:2 dev f1');
    await node.echo('outside', ECHO_PORT);
    await node.echo('b', ECHO_PORT);
    return Promise.all([
      bed.stream('b', OUTSIDE_ADDRESS),
      bed.stream('b', OUTSIDE_IPV6),
      bed.stream('outside', PRIMARY_ADDRESS, 8080),
    ]);
  }

  it.each(CASES)('$name', async ({ command, counts, names }) => {
    await using bed = await DriftBed.open(fixture);
    const streams = await traffic(bed);
    const whole = bed.state();
    for (const stream of streams) stream.restart();
    damage(bed, command);
    await until('it is reported', 1000, () => bed.reports.length > 0);
    expect(bed.state()).toEqual(whole);
    for (const stream of streams) {
      const before = stream.answered();
      await until('traffic goes on', 4000, () => stream.answered() > before + 2);
      expect(stream.longestGap()).toBeLessThan(GAP);
    }
    const found = Object.fromEntries(
      Object.entries(Object.groupBy(bed.drifts, ({ kind }) => kind)).map(([kind, some]) => [kind, some.length]),
    );
    expect(bed.drifts.filter(({ outcome }) => outcome !== 'repaired')).toEqual([]);
    for (const [kind, count] of Object.entries(counts)) expect([kind, found[kind]]).toEqual([kind, count]);
    expect(bed.drifts.map(({ object }) => object)).toEqual(expect.arrayContaining([expect.stringMatching(names)]));
    expect(bed.repair.unrepaired().size).toBe(0);
  });
});
