/** Rules of nftables and of iptables-nft: `trace` finds those that the kernel finds, which its counters say. */
import { expect, it } from '@jest/globals';
import type { PodAttachment } from '#ipamd/datapath/datapath.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { tracedPacket } from './support/traced.ts';

const PORT = 7000;
const A = '10.0.0.21';
const B = '10.0.1.22';
const ROUTER = '10.0.0.1';
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

/** Matches in the words of iptables. */
const MATCHES = [
  '-p udp --dport 7000',
  '-p udp --dport 6000:6999',
  '-p udp ! --dport 7000',
  '-p tcp --dport 7000',
  '-p udp -m multiport --dports 53,7000',
  '-p udp -m multiport --dports 53,6999:7001',
  '-p udp -m multiport ! --dports 53,6999:7001',
  '-p udp -m multiport --dports 80,443',
  `-d ${ROUTER}/32`,
  '-s 10.0.0.0/24',
  '-m comment --comment words',
  '-m addrtype --dst-type LOCAL',
  '-m addrtype --dst-type UNICAST',
  '-m addrtype ! --dst-type LOCAL',
  '-m conntrack --ctstate NEW',
  '-m conntrack --ctstate RELATED,ESTABLISHED',
  '-m conntrack ! --ctstate INVALID',
  '-m mark --mark 0x10000/0x10000',
  '-m mark ! --mark 0x10000/0x10000',
  '-o eth1',
  '-i eth+',
] as const;

describeWith(['root', 'ip', 'nft'], 'trace through rules of nftables', () => {
  const fixture = new DatapathFixture();
  const traced = (pod: PodAttachment, destination: string) => tracedPacket(fixture, pod, destination, PORT);
  const twoPods = async () => ({ a: await fixture.addPod('a', A), b: await fixture.addPod('b', B, 1) });

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

describeWith(['root', 'ip', 'iptables'], 'trace through rules of iptables-nft', () => {
  const fixture = new DatapathFixture();
  const traced = (pod: PodAttachment, destination: string, port: number) =>
    tracedPacket(fixture, pod, destination, port);
  const restore = (rules: string) =>
    fixture.node.exec('node', 'sh', '-c', `iptables-nft-restore <<'END'\n${rules}\nCOMMIT\nEND`);

  it('finds the rules that the kernel finds', async () => {
    await fixture.setUp();
    const pod = await fixture.addPod('b', B, 1);
    await fixture.node.echo('fabric', PORT);
    const rules = MATCHES.map(
      (match, at) => `-A FORWARD ${match} -j MARK --set-xmark 0x${(at + 1).toString(16)}0000/0xff0000`,
    );
    restore(['*mangle', '-A FORWARD -i eth+ -j ACCEPT', ...rules].join('\n'));
    const { steps } = await traced(pod, ROUTER, PORT);
    expect(steps.filter(({ outcome }) => outcome === 'doubtful')).toEqual([]);
    expect(await fixture.node.probe('b', ROUTER, PORT)).toBe(B);
    const byTrace = steps.flatMap(({ says }) =>
      (/mark becomes .+ rule (\d+) of chain FORWARD/.exec(says) ?? []).slice(1),
    );
    const counted = fixture.node.exec('node', 'iptables-nft-save', '-c', '-t', 'mangle').split('\n');
    const byKernel = counted
      .filter((line) => line.includes('-A FORWARD'))
      .flatMap((line, at) => (/^\[[1-9].*MARK/.test(line) ? [String(at + 1)] : []));
    const named = (numbers: readonly string[]) => numbers.map((number) => MATCHES[Number(number) - 2]);
    expect(named(byTrace)).toEqual(named(byKernel));
    expect(byTrace.length).toBeGreaterThan(MATCHES.length / 3);
    expect(byTrace.length).toBeLessThan(MATCHES.length);
  });

  it('follows a Service as kube-proxy writes it, and says that it cannot choose among endpoints', async () => {
    await fixture.setUp();
    const [a, b] = [await fixture.addPod('a', A), await fixture.addPod('b', B, 1)];
    await fixture.node.echo('b', PORT);
    const proxy = (...service: readonly string[]) =>
      restore(
        [
          '*nat',
          ...['KUBE-SERVICES', 'KUBE-SVC-1', 'KUBE-SEP-1', 'KUBE-MARK-MASQ', 'KUBE-NODEPORTS', 'KUBE-POSTROUTING'].map(
            (chain) => `:${chain} -`,
          ),
          '-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES',
          '-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING',
          '-A KUBE-SERVICES -d 172.20.0.1/32 -p udp -m comment --comment "default/web" -m udp --dport 53 -j KUBE-SVC-1',
          '-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS',
          ...service,
          `-A KUBE-SEP-1 -s ${B}/32 -j KUBE-MARK-MASQ`,
          `-A KUBE-SEP-1 -p udp -m udp -j DNAT --to-destination ${B}:${PORT}`,
          '-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
          '-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN',
          '-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000',
          '-A KUBE-POSTROUTING -j MASQUERADE --random-fully',
        ].join('\n'),
      );
    proxy('-A KUBE-SVC-1 -j KUBE-SEP-1');
    const result = await traced(a, '172.20.0.1', 53);
    expect(result).toMatchObject({ translatedTo: B, verdict: { kind: 'reaches a pod', hostIfName: b.hostIfName } });
    expect(result.steps.filter(({ outcome }) => outcome === 'doubtful')).toEqual([]);
    expect(await fixture.node.probe('a', '172.20.0.1', 53)).toBe(A);
    proxy('-A KUBE-SVC-1 -m statistic --mode random --probability 0.5 -j KUBE-SEP-1', '-A KUBE-SVC-1 -j KUBE-SEP-1');
    const unsure = await traced(a, '172.20.0.1', 53);
    expect(unsure.steps).toContainEqual(
      expect.objectContaining({
        outcome: 'doubtful',
        says: expect.stringContaining('chain KUBE-SVC-1, table ip nat, rule 1'),
      }),
    );
    expect(unsure.verdict).toEqual(result.verdict);
  });
});
