/** `trace` against packets: where it says that they go, they go, and where it says that they are dropped, nobody sees them. */
import { expect, it } from '@jest/globals';
import { readRuleset } from '#ipamd/check-node/collect/nft.ts';
import { askRoute, hostKernel, podKernel } from '#ipamd/check-node/collect/kernel.ts';
import { collectSysctls } from '#ipamd/check-node/collect/sysctls.ts';
import type { TraceResult } from '#ipamd/check-node/trace/steps.ts';
import { trace } from '#ipamd/check-node/trace/trace.ts';
import type { PodAttachment } from '#ipamd/datapath/datapath.ts';
import { openKernel } from '#ipamd/datapath/kernel.ts';
import { completeMarks } from '#ipamd/datapath/marks.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { FABRIC_IPV6, OUTSIDE_ADDRESS, PRIMARY_ADDRESS, PRIMARY_IPV6 } from './support/datapath-node.ts';

const PORT = 7000;
const A = '10.0.0.21';
const B = '10.0.1.22';
const ROUTER = '10.0.0.1';
/** Commands on the node and what takes them back, the station where the packet then ends, and its destination. */
const DAMAGES = [
  ['ip rule del pref 512', 'true', 'prerouting', OUTSIDE_ADDRESS],
  ['ip rule del pref 1024', 'true', 'VPC', OUTSIDE_ADDRESS],
  ['ip rule del pref 1536', 'true', 'VPC', ROUTER],
  ['nft flush chain inet wellspring interface', 'true', 'VPC', ROUTER],
  ['echo 0 >/proc/sys/net/ipv4/ip_forward', 'true', 'forwarding', ROUTER],
  ['echo 1 >/proc/sys/net/ipv4/conf/eth1/rp_filter', 'true', 'reply', ROUTER],
  [
    'nft add table inet fw; nft add chain inet fw forward "{ type filter hook forward priority 0; policy drop; }"',
    'nft delete table inet fw',
    'forward rules',
    ROUTER,
  ],
  ['ip rule add pref 100 from 10.0.1.22 lookup main', 'ip rule del pref 100', 'VPC', ROUTER],
  [`ip route add blackhole ${ROUTER} table 2`, `ip route del blackhole ${ROUTER} table 2`, 'routing', ROUTER],
] as const;
/** Conditions in the words of nft; which of them hold for the packet, the kernel's counters say. */
const CONDITIONS = [
  'ip daddr { 10.0.0.0/24, 192.0.2.1 }',
  'ip daddr { 10.0.0.2-10.0.0.9, 192.0.2.0/24 }',
  'ip daddr != { 10.0.0.2-10.0.0.9, 192.0.2.0/24 }',
  `ip daddr . udp dport { ${ROUTER} . ${PORT}, ${ROUTER} . 1 }`,
  `ip daddr . udp dport { ${ROUTER} . 1 }`,
  'ip daddr . th dport { 10.0.0.0/24 . 6000-8000 }',
  'ip daddr . th dport { 10.0.0.0/24 . 6000-6999, 10.0.1.0/24 . 1-9000 }',
  'udp dport 6999-7001',
  'udp dport != 6999-7001',
  'udp dport < 7000',
  'udp dport <= 7000',
  'tcp dport 7000',
  'ip saddr & 255.255.255.0 == 10.0.1.0',
  `ip saddr ${A}`,
  'iifname "eni*"',
  'iifname "eth*"',
  'oifname { "eth1", "eth2" }',
  'oifname "eth0"',
  'oif eth1',
  'meta iifkind veth',
  'meta nfproto ipv6',
  'ip6 daddr ::1',
  'meta l4proto { tcp, udp }',
  'ip protocol icmp',
  'meta mark > 0x10',
  'meta mark <= 0x10',
  'meta mark & 0xff000000 == 0',
  'ct state new',
  'ct state established,related',
  'ct direction original',
  'ct status dnat',
  `ct original ip daddr ${ROUTER}`,
  'fib daddr type local',
  'fib saddr type unicast',
  'fib daddr oif eth0',
  'meta skuid 0',
  'ip daddr @some',
  'ip daddr @others',
] as const;

describeWith(['root', 'ip', 'nft'], 'trace', () => {
  const fixture = new DatapathFixture();

  async function twoPods(): Promise<Readonly<Record<'a' | 'b', PodAttachment>>> {
    return { a: await fixture.addPod('a', A), b: await fixture.addPod('b', B, 1) };
  }

  /** The document of this moment, judged; with the kernel's own word beside it. */
  async function traced(
    pod: PodAttachment,
    destination: string,
    port = PORT,
  ): Promise<TraceResult & { kernelSays: unknown }> {
    using kernel = await openKernel({ hostNetns: fixture.node.path('node') });
    const host = hostKernel(kernel);
    const result = trace({
      pod: {
        name: pod.containerId,
        addresses: pod.addresses,
        hostIfName: pod.hostIfName,
        ifName: pod.ifName,
        inside: podKernel(kernel, pod.netns),
      },
      destination,
      protocol: 'udp',
      port,
      kernel: host,
      nft: readRuleset(kernel.nft),
      sysctls: collectSysctls(kernel, host.links),
      marks: completeMarks(),
      enis: [],
    });
    const inLink = host.links.find(({ name }) => name === pod.hostIfName)?.index ?? 0;
    const kernelSays =
      result.source === ''
        ? undefined
        : askRoute(kernel.route, {
            source: result.source,
            destination: result.translatedTo,
            inLink,
            mark: result.mark,
          });
    return { ...result, kernelSays };
  }

  const drop = (result: TraceResult) => (result.verdict.kind === 'dropped' ? result.verdict.drop : undefined);

  it('other pods, the node, the VPC and the outside: where packets arrive, and with which source', async () => {
    await fixture.setUp();
    const pods = await twoPods();
    for (const where of ['a', 'b', 'node', 'fabric', 'outside']) await fixture.node.echo(where, PORT);
    const { a, b } = pods;
    expect((await traced(a, B)).verdict).toEqual({ kind: 'reaches a pod', hostIfName: b.hostIfName });
    expect(await fixture.node.probe('a', B, PORT)).toBe(A);
    expect((await traced(b, PRIMARY_ADDRESS)).verdict).toEqual({ kind: 'reaches the node' });
    expect(await fixture.node.probe('b', PRIMARY_ADDRESS, PORT)).toBe(B);
    expect((await traced(b, B)).verdict).toEqual({ kind: 'stays in the pod' });
    const leaves = { kind: 'leaves the node', translated: false };
    expect((await traced(a, '10.0.0.1')).verdict).toEqual({ ...leaves, link: 'eth0', source: A, via: null });
    expect(await fixture.node.probe('a', '10.0.0.1', PORT)).toBe(A);
    expect((await traced(b, '10.0.0.1')).verdict).toEqual({ ...leaves, link: 'eth1', source: B, via: '10.0.1.1' });
    expect(await fixture.node.probe('b', '10.0.0.1', PORT)).toBe(B);
    const outside = {
      kind: 'leaves the node',
      link: 'eth0',
      source: PRIMARY_ADDRESS,
      translated: true,
      via: '10.0.0.1',
    };
    for (const pod of ['a', 'b'] as const) {
      const result = await traced(pods[pod], OUTSIDE_ADDRESS);
      expect(result.verdict).toEqual(outside);
      expect(result.kernelSays).toMatchObject({ route: { table: 254, gateway: '10.0.0.1' } });
      expect(await fixture.node.probe(pod, OUTSIDE_ADDRESS, PORT)).toBe(PRIMARY_ADDRESS);
    }
  });

  it('an excluded CIDR keeps the pod’s source, and with another ENI leaves by that one', async () => {
    await fixture.setUp({ noSnatCidrs: ['10.0.0.0/16', '198.51.100.0/24'] });
    const { b } = await twoPods();
    const seen = await fixture.node.echo('outside', PORT);
    const { verdict } = await traced(b, OUTSIDE_ADDRESS);
    expect(verdict).toEqual({ kind: 'leaves the node', link: 'eth1', source: B, translated: false, via: '10.0.1.1' });
    fixture.node.ip('outside', `route add 10.0.0.0/8 via 198.51.100.1`);
    expect(await fixture.node.probe('b', OUTSIDE_ADDRESS, PORT)).toBe(B);
    expect(seen).toEqual([`${B} x`]);
  });

  it('a service address: unknown it leaves like any other; translated it is followed to the pod behind it', async () => {
    await fixture.setUp();
    const { a, b } = await twoPods();
    await fixture.node.echo('b', PORT);
    expect((await traced(a, '172.20.0.1', 53)).verdict).toMatchObject({ kind: 'leaves the node', translated: true });
    expect(await fixture.node.probeInVain('a', '172.20.0.1', 53)).toBe('timeout');
    const chain = 'add chain ip proxy pre { type nat hook prerouting priority -100; }';
    fixture.node.exec('node', 'nft', `add table ip proxy; ${chain}`);
    fixture.node.exec('node', 'nft', `add rule ip proxy pre ip daddr 172.20.0.1 udp dport 53 dnat to ${B}:${PORT}`);
    const result = await traced(a, '172.20.0.1', 53);
    expect(result).toMatchObject({ translatedTo: B, verdict: { kind: 'reaches a pod', hostIfName: b.hostIfName } });
    expect(await fixture.node.probe('a', '172.20.0.1', 53)).toBe(A);
  });

  it('an unreachable destination is dropped by routing, as the kernel says, too', async () => {
    await fixture.setUp({ externalSnat: true, nodePortSupport: false });
    const { a } = await twoPods();
    fixture.node.ip('node', 'route add unreachable 203.0.113.0/24');
    const result = await traced(a, '203.0.113.9');
    expect(drop(result)).toMatchObject({ station: 'routing', why: expect.stringContaining('unreachable') });
    expect(result.kernelSays).toEqual({ refused: 'EHOSTUNREACH' });
    expect(await fixture.node.probeInVain('a', '203.0.113.9', PORT)).toMatch(/EHOSTUNREACH|timeout/);
    fixture.node.ip('node', 'route del default via 10.0.0.1');
    expect(drop(await traced(a, OUTSIDE_ADDRESS))).toMatchObject({ station: 'routing' });
  });

  it('damage is named at the station where packets end, and packets end', async () => {
    await fixture.setUp();
    const { b } = await twoPods();
    await fixture.node.echo('fabric', PORT);
    await fixture.node.echo('outside', PORT);
    for (const [damage, undo, station, destination] of DAMAGES) {
      fixture.node.exec('node', 'sh', '-c', damage);
      const result = await traced(b, destination);
      expect({ damage, station: drop(result)?.station }).toEqual({ damage, station });
      expect(drop(result)?.cure).not.toBe('');
      expect(await fixture.node.probeInVain('b', destination, PORT)).toMatch(/timeout|EHOSTUNREACH|ENETUNREACH/);
      // The datapath puts back what is its own; the rest is undone here.
      fixture.node.exec('node', 'sh', '-c', undo);
      await fixture.setUp();
    }
    expect(await fixture.node.probe('b', ROUTER, PORT)).not.toBe('timeout');
  });

  it('what is damaged inside of the pod is found there', async () => {
    await fixture.setUp();
    const { a } = await twoPods();
    fixture.node.ip('a', 'neigh del 169.254.1.1 dev eth0');
    expect(drop(await traced(a, B))).toMatchObject({ station: 'pod', why: expect.stringContaining('169.254.1.1') });
    fixture.node.ip('a', 'route del default');
    expect(drop(await traced(a, B))).toMatchObject({ station: 'pod', why: expect.stringContaining('no route') });
    expect(await fixture.node.probeInVain('a', B, PORT)).toMatch(/ENETUNREACH|timeout/);
    expect(drop(await traced(a, FABRIC_IPV6))).toMatchObject({ station: 'pod', why: 'the pod has no IPv6 address' });
  });

  it('IPv6 leaves by the ENI that holds the address, untranslated', async () => {
    await fixture.setUp({ family: 'dual', primaryIpv6Address: PRIMARY_IPV6 });
    const pod = await fixture.addPod('c', [B, '2001:db8:0:2:c::22'], 1);
    await fixture.node.echo('fabric', PORT);
    const { verdict } = await traced(pod, FABRIC_IPV6);
    expect(verdict).toMatchObject({
      kind: 'leaves the node',
      link: 'eth1',
      source: '2001:db8:0:2:c::22',
      translated: false,
    });
    expect(await fixture.node.probe('c', FABRIC_IPV6, PORT)).toBe('2001:db8:0:2:c::22');
    fixture.node.exec('node', 'sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/all/forwarding');
    expect(drop(await traced(pod, FABRIC_IPV6))?.station).toBe('forwarding');
    expect(await fixture.node.probeInVain('c', FABRIC_IPV6, PORT)).toMatch(/timeout|EHOSTUNREACH|EACCES/);
  });

  it('finds the rules that the kernel finds: sets, intervals, concatenations, maps, verdict maps, masks, jumps', async () => {
    await fixture.setUp();
    const { b } = await twoPods();
    await fixture.node.echo('fabric', PORT);
    const hit = (at: number): string => `counter ct mark set ${(at + 1) << 16}`;
    const jumps = [
      ['ct mark 0x7f0001 jump by-data', 'by-data'],
      [`udp dport vmap { 53 : drop, ${PORT} : jump by-map }`, 'by-map'],
      ['udp dport vmap { 53 : drop, * : jump by-rest }', 'by-rest'],
      ['ip saddr . udp dport vmap { 10.0.1.0/24 . 7000-7001 : jump by-both }', 'by-both'],
      ['jump after-return', 'after-return'],
      ['goto ends', 'ends'],
    ] as const;
    const chains = [...jumps.map(([, name]) => name), 'returns', 'forward { type filter hook forward priority 0; }'];
    const rules = [
      // The answer.
      'forward iifname "eth*" accept',
      ...CONDITIONS.map((condition, at) => `forward ${condition} ${hit(at)}`),
      ...jumps.map(([, name], at) => `${name} ${hit(CONDITIONS.length + at)}`),
      `returns udp dport ${PORT} return`,
      'returns drop',
      `forward ct mark set udp dport map { 53 : 0x1, ${PORT} : 0x7f0001 }`,
      'forward jump returns',
      ...jumps.map(([jump]) => `forward ${jump}`),
      'forward drop',
    ];
    const commands = [
      'add table inet cases',
      'add set inet cases some { type ipv4_addr; flags interval; elements = { 10.0.0.0/30, 10.9.0.0/16 }; }',
      'add set inet cases others { type ipv4_addr; elements = { 10.0.0.2 }; }',
      ...chains.map((chain) => `add chain inet cases ${chain}`),
      ...rules.map((rule) => `add rule inet cases ${rule}`),
    ];
    fixture.node.exec('node', 'sh', '-c', `nft -f - <<'END'\n${commands.join('\n')}\nEND`);
    const { steps, verdict } = await traced(b, ROUTER);
    expect(verdict.kind).toBe('leaves the node');
    expect(steps.filter(({ outcome }) => outcome === 'doubtful')).toEqual([]);
    const traceHits = steps.flatMap(({ says }) => (/connection mark becomes 0x(\w+)0000:/.exec(says) ?? []).slice(1));
    expect(await fixture.node.probe('b', ROUTER, PORT)).toBe(B);
    const listed = fixture.node.exec('node', 'nft', 'list', 'table', 'inet', 'cases');
    const kernelHits = [...listed.matchAll(/counter packets [1-9]\d* bytes \d+ ct mark set 0x(\w+?)0000\b/g)];
    const hits = (numbers: readonly string[]) =>
      [...new Set(numbers.map((number) => Number.parseInt(number, 16)))].toSorted((one, other) => one - other);
    const named = (numbers: readonly number[]) =>
      numbers.map((number) => CONDITIONS[number - 1] ?? jumps[number - 1 - CONDITIONS.length]);
    expect(named(hits(traceHits))).toEqual(named(hits(kernelHits.map(([, number = '']) => number))));
    expect(hits(traceHits).length).toBeGreaterThan(CONDITIONS.length / 3);
    expect(hits(traceHits).length).toBeLessThan(CONDITIONS.length);
  });

  it('says of a rule that nobody can judge beforehand that it cannot be judged, unless it only counts', async () => {
    await fixture.setUp();
    const { b } = await twoPods();
    const chain = 'chain inet fw forward { type filter hook forward priority 0; }';
    fixture.node.exec('node', 'nft', `add table inet fw; add ${chain}`);
    for (const rule of ['numgen random mod 2 1 counter', 'ip ttl 3 log', 'limit rate 1/second drop'])
      fixture.node.exec('node', 'nft', `add rule inet fw forward ${rule}`);
    const first = await traced(b, ROUTER);
    expect(first.steps.filter(({ outcome }) => outcome === 'doubtful')).toEqual([
      expect.objectContaining({ station: 'forward rules', says: expect.stringMatching(/table inet fw, rule 3$/) }),
    ]);
    fixture.node.exec('node', 'nft', `add rule inet fw forward numgen random mod 2 vmap { 0 : drop, 1 : accept }`);
    const second = await traced(b, ROUTER);
    expect(second.steps).toContainEqual(
      expect.objectContaining({ station: 'forward rules', says: expect.stringMatching(/table inet fw, rule 3, 4$/) }),
    );
    expect(second.verdict.kind).toBe('leaves the node');
  });
});
