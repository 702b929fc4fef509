/** Drift repair under any damage: the kernel returns to what it was, and nobody else's objects are touched by us. */
import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { DatapathFixture } from '#test/kernel/support/datapath-fixture.ts';
import { DriftBed } from '#test/kernel/support/drift-bed.ts';

/** Run by a shell in the node's namespace; none of them hits what is not ours, and each may fail when repeated. */
const DAMAGES: readonly string[] = [
  'ip rule flush protocol 87',
  'ip -6 rule flush protocol 87',
  'ip rule del priority 512',
  'ip rule del priority 1536',
  'ip -6 rule del priority 1024',
  'ip route flush table 8787',
  'ip -6 route flush table 8787',
  'ip route flush table 2',
  'ip -6 route flush table 2',
  'ip route del default table 2',
  'ip route replace default via 10.0.0.1 dev eth0 table 2',
  'ip route del $(ip route show table 8787 | head -1 | cut -d" " -f1) table 8787',
  'ip neigh flush dev $A nud permanent',
  'ip -6 neigh flush dev $B nud permanent',
  'nft delete table inet wellspring',
  'nft flush table inet wellspring',
  'nft flush chain inet wellspring anti-spoof',
  'nft flush chain inet wellspring source-nat',
  'nft flush set inet wellspring no-snat',
  'nft flush map inet wellspring host-ports-ip4',
  'nft flush map inet wellspring host-ports-ip6',
  'nft insert rule inet wellspring egress counter accept',
  'nft add table inet wellspring "{ flags dormant; }"',
  'ip link set $A group 0',
  'ip link set $B group 77',
  'ip link set $A down',
  'ip link set $B mtu 1290',
  'ip link set $B alias somebody',
  'ip link set $A address 02:00:00:00:00:09',
  'ip addr flush dev eth1 scope global',
  'ip link set eth1 mtu 1300',
  'ip link set eth0 mtu 1400',
  'ip link set eth1 down',
  'echo 0 >/proc/sys/net/ipv4/ip_forward',
  'echo 0 >/proc/sys/net/ipv6/conf/all/forwarding',
  'echo 1 >/proc/sys/net/ipv4/conf/eth1/rp_filter',
  'echo 0 >/proc/sys/net/ipv4/conf/$A/rp_filter',
];

/** Others' objects, next to ours and like them. */
const FOREIGN = `
  ip rule add priority 511 from 10.9.9.9 lookup 77 protocol 88
  ip rule add priority 1535 fwmark 0x100/0xf00 lookup 77
  ip -6 rule add priority 512 from 2001:db8:9::9 lookup 77
  ip route add 10.7.7.7/32 dev eth0 table 77 proto 88
  ip route add 10.7.7.8/32 dev eth0 proto static
  ip -6 route add 2001:db8:7::7/128 dev eth0 table 77 proto 88
  ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent
  ip link add foreign0 type veth peer name foreign1; ip link set foreign0 group 9 up; ip addr add 10.7.0.1/24 dev foreign0
  nft add table inet foreign
  nft add chain inet foreign egress '{ type filter hook prerouting priority -90; policy accept; }'
  nft add rule inet foreign egress ip saddr 10.9.9.9 accept
  nft add table ip wellspring
  nft add chain ip wellspring egress
`;

describeWith(['root', 'ip', 'nft'], 'drift repair, properties', () => {
  const fixture = new DatapathFixture();
  const shell = (bed: DriftBed, script: string) => {
    const [a, b] = bed.pods.map(({ hostIfName }) => hostIfName);
    fixture.node.exec('node', 'sh', '-c', `exec 2>/dev/null; A=${a} B=${b}; ${script}\ntrue`);
  };

  it('any damages at once are repaired, and what is foreign stays byte for byte', async () => {
    await using bed = await DriftBed.open(fixture);
    shell(bed, FOREIGN);
    const whole = bed.state();
    expect(
      whole.filter((line) => /foreign|lookup 77|10\.7\.7|10\.0\.0\.77|proto 88/.test(line)).length,
    ).toBeGreaterThan(9);
    const damages = fc.uniqueArray(fc.constantFrom(...DAMAGES), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(damages, async (commands) => {
        await bed.renew();
        shell(bed, commands.join('; '));
        const isWhole = () => bed.state().join('\n') === whole.join('\n');
        await until('all is as it was', 12_000, isWhole).catch(() => expect(bed.state()).toEqual(whole));
        await until('nothing is left over', 12_000, () => bed.repair.unrepaired().size === 0);
      }),
      { numRuns: 25 },
    );
  }, 300_000);

  it('a rule that somebody removes for ever is repaired less and less often, and the rest at once', async () => {
    await using bed = await DriftBed.open(fixture);
    const isThere = (): boolean => fixture.node.ip('node', 'rule').includes('512:');
    let removals = 0;
    const remove = () => {
      if (!isThere()) return;
      fixture.node.ip('node', 'rule del priority 512');
      removals += 1;
    };
    await until('it is held back', 10_000, () => {
      remove();
      return bed.drifts.some(({ outcome }) => outcome === 'held-back');
    });
    expect(removals).toBeGreaterThanOrEqual(5);
    expect(removals).toBeLessThanOrEqual(9);
    expect(bed.repair.unrepaired().get('rule')).toBe(1);
    const held = bed.drifts.find(({ outcome }) => outcome === 'held-back');
    expect(held).toMatchObject({ kind: 'rule', expected: expect.stringContaining('512:') });
    const comparisons = bed.repair.comparisons;
    const from = performance.now();
    fixture.node.ip('node', 'rule del priority 1536');
    await until('the other rule is back', 1500, () => fixture.node.ip('node', 'rule').includes('1536:'));
    await until('the first one is back, too', 10_000, isThere);
    const seconds = (performance.now() - from) / 1000;
    expect(bed.repair.comparisons - comparisons).toBeLessThan(3 + 2 * seconds);
  });

  it('ADD and DEL are no drift, a pod that goes is not made anew, and a quiet node compares nothing', async () => {
    await using bed = await DriftBed.open(fixture);
    const before = bed.repair.comparisons;
    for (let round = 0; round < 3; round += 1) {
      const pods = await Promise.all(
        [30, 31, 32].map((last) => fixture.addPod(`x${round}y${last}`, `10.0.1.${last}`, 1)),
      );
      const [again] = pods;
      if (again !== undefined) {
        fixture.node.removeNamespace(`x${round}y30`);
        fixture.node.addNamespace(`x${round}y30`);
        await fixture.datapath.addPod(again);
      }
      await Promise.all(pods.map((pod) => fixture.deletePod(pod)));
    }
    // One at the start, and one for each pod whose namespace went without a DEL.
    expect(bed.repair.comparisons - before).toBeLessThan(2 + 3);
    await fixture.setUp({ family: 'dual', primaryIpv6Address: '2001:db8:0:1::10' });
    const [gone] = bed.pods;
    const marker = fixture.node.ip('node', 'rule del priority 512');
    expect(marker).toBe('');
    await until('the marker is seen', 3000, () => bed.drifts.some(({ kind }) => kind === 'rule'));
    expect(bed.drifts.filter(({ kind, outcome }) => kind !== 'rule' && outcome !== 'missing')).toEqual([]);
    fixture.node.ip('node', `link del ${gone?.hostIfName}`);
    await until('the loss is reported', 3000, () =>
      bed.drifts.some((drift) => drift.object === `host link ${gone?.hostIfName}`),
    );
    expect(bed.drifts.at(-1)).toMatchObject({ outcome: 'missing', kind: 'link', found: 'missing' });
    expect(bed.repair.unrepaired().get('link')).toBe(1);
    expect(fixture.node.ip('node', '-o link')).not.toContain(gone?.hostIfName);
    expect(bed.repair.comparisons - before).toBeLessThan(20);
    if (gone !== undefined) await fixture.deletePod(gone);
    await until('it is forgotten', 3000, () => bed.repair.unrepaired().size === 0);
  });
});
