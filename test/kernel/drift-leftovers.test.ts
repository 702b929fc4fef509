/** Drift repair of what the ordinary node of drift.test.ts does not have: limits, lost news, further cards, branch pods of before. */
import { expect, it } from '@jest/globals';
import type { BranchInterface, KeptPod, PodAttachment } from '#ipamd/datapath/datapath.ts';
import { branchGroup } from '#ipamd/datapath/branch/numbers.ts';
import { hostIfName } from '#ipamd/datapath/names.ts';
import { DEFAULT_MARKS } from '#ipamd/datapath/marks.ts';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { run, SECONDARY_MAC } from './support/datapath-node.ts';
import { Repairs } from './support/repairs.ts';

/** The least that the kernel grants (net/core/sock.c, SOCK_MIN_RCVBUF): some twenty messages. */
const SMALLEST_BUFFER = 1;

describeWith(['root', 'ip', 'nft'], 'drift repair, leftovers', () => {
  const fixture = new DatapathFixture();

  it('the bucket before a pod’s link is put back after it was removed or replaced', async () => {
    await fixture.setUp();
    fixture.node.addNamespace('a');
    const pod: PodAttachment = {
      ...fixture.attachment('a', '10.0.0.21'),
      bandwidth: { ingressRate: 8_000_000, ingressBurst: 160_000, egressRate: 0, egressBurst: 0 },
    };
    await fixture.datapath.addPod(pod);
    const qdisc = (): string => fixture.node.exec('node', 'tc', 'qdisc', 'show', 'dev', pod.hostIfName, 'root');
    const whole = qdisc().replace(/ [0-9a-f]+: /, ' ');
    expect(whole).toContain('tbf');
    await using repairs = await Repairs.begin(fixture.datapath);
    for (const damage of [
      `tc qdisc del dev ${pod.hostIfName} root`,
      `tc qdisc replace dev ${pod.hostIfName} root tbf rate 99mbit burst 20000 limit 131072`,
      `tc qdisc replace dev ${pod.hostIfName} root pfifo`,
    ]) {
      repairs.forget();
      fixture.node.exec('node', 'sh', '-c', damage);
      await until('it is repaired', 1000, () => repairs.drifts.length > 0);
      expect(repairs.drifts).toMatchObject([{ kind: 'qdisc', outcome: 'repaired' }]);
      expect(qdisc().replace(/ [0-9a-f]+: /, ' ')).toBe(whole);
    }
  });

  it('news that the kernel had no room for: everything is compared, and nothing stays lost', async () => {
    await fixture.open({ newsBytes: SMALLEST_BUFFER });
    await fixture.setUp();
    await fixture.addPod('a', '10.0.1.21', 1);
    await using repairs = await Repairs.begin(fixture.datapath);
    const whole = fixture.hostState();
    // Foreign routes fill the buffer; what is ours comes last and is never told.
    const foreign = Array.from({ length: 400 }, (_, at) => `10.7.${at >> 8}.${at & 255}`);
    const lines = (what: string) => foreign.map((address) => `route ${what} ${address} dev eth0 table 77 proto 88`);
    fixture.node.exec(
      'node',
      'sh',
      '-c',
      `ip -batch - <<'END'\n${lines('add').join('\n')}\nrule del priority 1536\nEND`,
    );
    await until('it is repaired', 1000, () => repairs.drifts.length > 0);
    expect(repairs.drifts).toMatchObject([{ kind: 'rule', outcome: 'repaired' }]);
    // The kernel's own count of what it dropped, of sockets in groups (Documentation/…/proc: /proc/net/netlink).
    const sockets = fixture.node.exec('node', 'cat', '/proc/net/netlink').trim().split('\n').slice(1);
    const drops = sockets.map((line) => line.trim().split(/\s+/)).filter(([, , , groups]) => groups !== '00000000');
    expect(drops.some((fields) => Number(fields[8]) > 0)).toBe(true);
    fixture.node.exec('node', 'sh', '-c', `ip -batch - <<'END'\n${lines('del').join('\n')}\nEND`);
    expect(fixture.hostState()).toEqual(whole);
  });

  it('further links of a multi-NIC pod, and the ENI of the other card that they are on', async () => {
    const { node } = fixture;
    await fixture.setUp();
    const link = `eth2 netns ${node.name('node')} address 02:57:00:00:00:05 type veth peer name f2`;
    run('ip', ...`link add ${link} netns ${node.name('fabric')}`.split(' '));
    await fixture.datapath.setUpInterface({
      id: 'eni-3',
      mac: '02:57:00:00:00:05',
      primaryAddress: '10.0.2.10',
      subnetCidr: '10.0.2.0/24',
      deviceIndex: 1,
      networkCardIndex: 1,
    });
    const first = await fixture.addPod('a', '10.0.0.21');
    const further: PodAttachment = {
      ...first,
      ifName: 'mNicIf1',
      addresses: ['10.0.2.21'],
      hostIfName: hostIfName('eni', first.containerId, 'mNicIf1'),
      deviceIndex: 1,
      networkCardIndex: 1,
      index: 1,
    };
    await fixture.datapath.addPod(further);
    await using repairs = await Repairs.begin(fixture.datapath);
    const whole = fixture.hostState();
    const { hostIfName: name } = further;
    const damages = [
      `link set ${name} group 0 alias other`,
      'route flush table 10101',
      'rule del lookup 10101 priority 1536',
      `neigh flush dev ${name} nud permanent`,
      'route del 10.0.2.21 table 8787',
    ];
    node.exec('node', 'sh', '-c', damages.map((damage) => `ip ${damage}`).join('; '));
    await until('all is repaired', 1000, () => new Set(repairs.drifts.map(({ kind }) => kind)).size === 4);
    expect(repairs.drifts.filter(({ outcome }) => outcome !== 'repaired')).toEqual([]);
    expect(fixture.hostState()).toEqual(whole);
    expect([await fixture.datapath.checkPod(first), await fixture.datapath.checkPod(further)]).toEqual([[], []]);
  });

  it('branch pods of an earlier life: routes, neighbour and group are put back, a VLAN link that is gone is told', async () => {
    const { node } = fixture;
    await fixture.setUp({ branchMode: 'strict' });
    // This kernel may have no VLAN links: the pair is made as an ordinary pod's and then given what a branch pod's has.
    const pod = await fixture.addPod('a', '10.0.7.20');
    const group = `0x${branchGroup(DEFAULT_MARKS, 'strict').toString(16)}`;
    const makeBranch = [
      `ip link set ${pod.hostIfName} group ${group}`,
      `echo 2 >/proc/sys/net/ipv4/conf/${pod.hostIfName}/rp_filter`,
      'ip route flush table 8787',
      ...[107, 8788].map((table) => `ip route add 10.0.7.20 dev ${pod.hostIfName} table ${table} proto 87 scope link`),
    ];
    node.exec('node', 'sh', '-ec', makeBranch.join('\n'));
    const whole = fixture.hostState();
    await fixture.open();
    await fixture.setUp({ branchMode: 'strict' });
    const branch: BranchInterface = {
      mac: '02:57:00:00:00:77',
      vlanId: 7,
      trunkMac: SECONDARY_MAC,
      subnetCidr: '10.0.7.0/24',
      mode: 'strict',
    };
    const { containerId, ifName, hostIfName: name, addresses } = pod;
    const kept: KeptPod = { containerId, ifName, hostIfName: name, addresses, branch, place: undefined };
    await fixture.datapath.keepPods?.([kept]);
    await using repairs = await Repairs.begin(fixture.datapath);
    await until('the VLAN link is missed', 1000, () => repairs.drifts.length > 0);
    expect(repairs.drifts).toMatchObject([{ object: 'branch link vlan.eth.7', outcome: 'missing' }]);
    repairs.forget();
    const damages = ['route flush table 8788', 'route flush table 107', `link set ${name} group 0`];
    const flush = `ip neigh flush dev ${name} nud permanent`;
    node.exec('node', 'sh', '-c', [...damages.map((damage) => `ip ${damage}`), flush].join('; '));
    await until('all is repaired', 1000, () => new Set(repairs.drifts.map(({ kind }) => kind)).size === 3);
    expect(repairs.drifts.filter(({ outcome }) => outcome !== 'repaired')).toEqual([]);
    expect(fixture.hostState()).toEqual(whole);
  });
});
