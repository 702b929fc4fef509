/** Ports of the node that lead to pods: who reaches them, seen as whom, and what is left when a pod goes. Packets are the witness. */
import { afterEach, expect, it } from '@jest/globals';
import type { PortMapping } from '#cni/spec/runtime-config.ts';
import type { PodAttachment } from '#ipamd/datapath/datapath.ts';
import { describeWith } from '#test/support/require.ts';
import { Probe, PROBE_PORT } from '#test/support/probe.ts';
import { until } from '#test/support/until.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { OUTSIDE_ADDRESS, PRIMARY_ADDRESS, SECONDARY_ADDRESS, SILENCE_MS } from './support/datapath-node.ts';

const ON_PRIMARY = '10.0.0.21';
const ON_SECONDARY = '10.0.1.22';
const MAPS = ['host-ports-ip4', 'host-ports-bound-ip4', 'host-ports-ip6', 'host-ports-bound-ip6'];

const mapping = (hostPort: number, change: Partial<PortMapping> = {}): PortMapping => ({
  hostPort,
  containerPort: PROBE_PORT,
  protocol: 'tcp',
  hostIp: undefined,
  ...change,
});

describeWith(['root', 'ip', 'nft', 'conntrack'], 'datapath: host ports', () => {
  const fixture = new DatapathFixture();
  let probes: Probe[] = [];
  // Runs before the fixture's own, which removes the namespaces.
  afterEach(async () => {
    for (const probe of probes) await probe[Symbol.asyncDispose]();
    probes = [];
  });

  async function probe(short: string): Promise<Probe> {
    const started = await Probe.start(short, fixture.node.path(short));
    probes.push(started);
    return started;
  }

  async function publish(
    short: string,
    address: string,
    portMappings: readonly PortMapping[],
    device = 0,
  ): Promise<PodAttachment> {
    fixture.node.addNamespace(short);
    fixture.node.assign(address, device === 0 ? 'primary' : 'secondary');
    const pod = { ...fixture.attachment(short, address, device), portMappings };
    await fixture.datapath.addPod(pod);
    return pod;
  }

  /** Who the pod behind a port saw, or why there was no answer. */
  async function ask(
    from: Probe,
    to: string,
    port: number,
    op: 'tcp' | 'udp' = 'tcp',
    timeoutMs = 10_000,
  ): Promise<string> {
    const { seenFrom, error } = await from.ask({ op, to, port, timeoutMs });
    return seenFrom ?? (error === undefined ? 'timeout' : (/E[A-Z]+/.exec(error)?.[0] ?? error));
  }

  const nft = (...args: readonly string[]): string => fixture.node.exec('node', 'nft', ...args);
  const elements = (): readonly string[] =>
    [...MAPS, 'hairpin-ip4', 'hairpin-ip6'].flatMap((name) => {
      const kind = name.startsWith('hairpin') ? 'set' : 'map';
      const [, listed] = /elements = \{([^}]*)\}/.exec(nft('list', kind, 'inet', 'wellspring', name)) ?? [];
      return (listed ?? '')
        .split(',')
        .map((text) => text.trim())
        .filter((text) => text !== '');
    });

  it.each([
    ['as it comes', {}],
    ['without NodePorts and with external SNAT', { nodePortSupport: false, externalSnat: true }],
  ])('reach pods of both ENIs from outside and from the VPC, seen as who they are: %s', async (_, config) => {
    await fixture.setUp(config);
    const both = (port: number) => [mapping(port), mapping(port, { protocol: 'udp' })];
    await publish('a', ON_PRIMARY, both(8081));
    await publish('b', ON_SECONDARY, both(8082), 1);
    const [outside, fabric] = [await probe('outside'), await probe('fabric'), await probe('a'), await probe('b')];
    for (const port of [8081, 8082]) {
      for (const op of ['tcp', 'udp'] as const) {
        expect(await ask(outside, PRIMARY_ADDRESS, port, op)).toBe(OUTSIDE_ADDRESS);
        expect(await ask(fabric, PRIMARY_ADDRESS, port, op)).toBe('10.0.0.1');
      }
    }
    expect(await ask(outside, PRIMARY_ADDRESS, 8083)).toBe('ECONNREFUSED');
  });

  it('reach pods from the node itself by every address of it, 127.0.0.1 included, and pods from pods', async () => {
    await fixture.setUp();
    await publish('a', ON_PRIMARY, [mapping(8081), mapping(8081, { protocol: 'udp' })]);
    await publish('b', ON_SECONDARY, [mapping(8082), mapping(8082, { protocol: 'udp' })], 1);
    const [node, a, b] = [await probe('node'), await probe('a'), await probe('b')];
    for (const port of [8081, 8082]) {
      for (const op of ['tcp', 'udp'] as const) {
        expect(await ask(node, PRIMARY_ADDRESS, port, op)).toBe(PRIMARY_ADDRESS);
        expect(await ask(node, SECONDARY_ADDRESS, port, op)).toBe(SECONDARY_ADDRESS);
        expect(await ask(node, '127.0.0.1', port, op)).toBe(PRIMARY_ADDRESS);
      }
    }
    // A pod that reaches itself must not see itself as the sender; another pod is seen as it is.
    for (const op of ['tcp', 'udp'] as const) {
      expect(await ask(a, PRIMARY_ADDRESS, 8081, op)).toBe(PRIMARY_ADDRESS);
      expect(await ask(b, PRIMARY_ADDRESS, 8082, op)).toBe(PRIMARY_ADDRESS);
      expect(await ask(a, PRIMARY_ADDRESS, 8082, op)).toBe(ON_PRIMARY);
      expect(await ask(b, PRIMARY_ADDRESS, 8081, op)).toBe(ON_SECONDARY);
    }
    // Straight to the pod nothing is translated.
    expect(await a.seenBy(ON_SECONDARY)).toBe(ON_PRIMARY);
  });

  it('are only where hostIP binds them; the more exact one counts', async () => {
    await fixture.setUp();
    await publish('a', ON_PRIMARY, [
      mapping(8081, { hostIp: PRIMARY_ADDRESS }),
      mapping(8082, { hostIp: '127.0.0.1' }),
      mapping(8083, { hostIp: '127.0.0.1' }),
    ]);
    await publish('b', ON_SECONDARY, [mapping(8083), mapping(8084, { hostIp: '0.0.0.0', containerPort: 1 })], 1);
    const [node, outside] = [await probe('node'), await probe('outside'), await probe('a'), await probe('b')];
    expect(await ask(outside, PRIMARY_ADDRESS, 8081)).toBe(OUTSIDE_ADDRESS);
    expect(await ask(node, SECONDARY_ADDRESS, 8081)).toBe('ECONNREFUSED');
    expect(await ask(node, '127.0.0.1', 8081)).toBe('ECONNREFUSED');
    expect(await ask(node, '127.0.0.1', 8082)).toBe(PRIMARY_ADDRESS);
    expect(await ask(node, PRIMARY_ADDRESS, 8082)).toBe('ECONNREFUSED');
    expect(await ask(outside, PRIMARY_ADDRESS, 8082)).toBe('ECONNREFUSED');
    // Nobody listens on the container's port 1: the refusal is the pod's.
    expect(await ask(outside, PRIMARY_ADDRESS, 8084)).toBe('ECONNREFUSED');
    fixture.node.exec(
      'a',
      'nft',
      'add table ip t; add chain ip t in { type filter hook input priority 0; policy drop; }',
    );
    expect(await ask(node, '127.0.0.1', 8083, 'tcp', SILENCE_MS)).toBe('timeout');
    expect(await ask(outside, PRIMARY_ADDRESS, 8083)).toBe(OUTSIDE_ADDRESS);
  });

  it('do not open the loopback of the node to pods, nor to who comes by the ENI', async () => {
    await fixture.setUp();
    await publish('a', ON_PRIMARY, [mapping(8081), mapping(8082, { hostIp: '127.0.0.1' })]);
    await probe('node');
    const [a, fabric] = [await probe('a'), await probe('fabric')];
    const toLoopback = (short: string, link: string, route: string) =>
      fixture.node.exec(
        short,
        'sh',
        '-c',
        `ip -4 addr flush dev lo; ip route add 127.0.0.1 ${route} dev ${link}; echo 1 >/proc/sys/net/ipv4/conf/${link}/route_localnet`,
      );
    toLoopback('a', 'eth0', 'via 169.254.1.1');
    toLoopback('fabric', 'f0', `via ${PRIMARY_ADDRESS}`);
    // As kube-proxy sets it for NodePorts on 127.0.0.1.
    fixture.node.exec('node', 'sh', '-c', 'echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet');
    for (const port of [PROBE_PORT, 8081, 8082]) {
      expect(await ask(a, '127.0.0.1', port, 'udp', SILENCE_MS)).toBe('timeout');
      expect(await ask(a, '127.0.0.1', port, 'tcp', SILENCE_MS)).toBe('timeout');
    }
    expect(nft('list', 'chain', 'inet', 'wellspring', 'anti-spoof')).toMatch(
      /ip daddr 127\.0\.0\.0\/8 counter packets [1-9]/,
    );
    expect(await ask(fabric, '127.0.0.1', 8082)).toBe('ECONNREFUSED');
  });

  it('leave nothing when the pod goes, twice over; the number of rules never changes', async () => {
    await fixture.setUp();
    const before = fixture.hostState();
    const rules = () =>
      nft('list', 'table', 'inet', 'wellspring')
        .split('\n')
        .filter((line) => /dnat|snat|masq/.test(line)).length;
    const idle = rules();
    const first = await publish('a', ON_PRIMARY, [mapping(8081), mapping(8081, { protocol: 'sctp' })]);
    const second = await publish('b', ON_SECONDARY, [mapping(8082, { hostIp: '10.0.0.10', protocol: 'udp' })], 1);
    expect(elements().toSorted()).toEqual(
      [
        `10.0.0.10 . udp . 8082 : ${ON_SECONDARY} . ${PROBE_PORT}`,
        `tcp . 8081 : ${ON_PRIMARY} . ${PROBE_PORT}`,
        `sctp . 8081 : ${ON_PRIMARY} . ${PROBE_PORT}`,
        `${ON_PRIMARY} . ${ON_PRIMARY}`,
        `${ON_SECONDARY} . ${ON_SECONDARY}`,
      ].toSorted(),
    );
    expect(rules()).toBe(idle);
    for (const pod of [first, first, second]) await fixture.deletePod(pod);
    expect(elements()).toEqual([]);
    expect(fixture.hostState()).toEqual(before);
  });

  it('are the new ones when an ADD is repeated, and none when it fails', async () => {
    await fixture.setUp();
    const pod = await publish('a', ON_PRIMARY, [mapping(8081)]);
    await fixture.datapath.addPod({ ...pod, portMappings: [mapping(8082)] });
    const moved = [`tcp . 8082 : ${ON_PRIMARY} . ${PROBE_PORT}`, `${ON_PRIMARY} . ${ON_PRIMARY}`];
    expect(elements()).toEqual(moved);
    fixture.node.addNamespace('b');
    const broken = { ...fixture.attachment('b', '10.0.0.22'), portMappings: [mapping(8083)], mtu: 9_999_999 };
    await expect(fixture.datapath.addPod(broken)).rejects.toMatchObject({ code: 'kernel-refused' });
    expect(elements()).toEqual(moved);
    expect(await fixture.datapath.checkPod({ ...pod, portMappings: [mapping(8082)] })).toEqual([]);
  });

  it('stay through a restart of the daemon, connections included; what is gone meanwhile does not come back', async () => {
    await fixture.setUp();
    const stays = await publish('a', ON_PRIMARY, [mapping(8081)]);
    const goes = await publish('b', ON_SECONDARY, [mapping(8082)], 1);
    const [outside] = [await probe('outside'), await probe('a')];
    await outside.ask({ op: 'stream-start', to: PRIMARY_ADDRESS, port: 8081, everyMs: 10 });
    await fixture.open();
    await fixture.setUp({ publishing: [stays] });
    for (let round = 0; round < 5; round += 1) {
      await fixture.setUp();
      expect(await ask(outside, PRIMARY_ADDRESS, 8081)).toBe(OUTSIDE_ADDRESS);
    }
    const { sent, answered } = await outside.ask({ op: 'stream-stop' });
    expect(answered).toBe(sent);
    expect(elements()).toEqual([`tcp . 8081 : ${ON_PRIMARY} . ${PROBE_PORT}`, `${ON_PRIMARY} . ${ON_PRIMARY}`]);
    await fixture.deletePod(goes);
    await fixture.deletePod(stays);
    expect(elements()).toEqual([]);
  });

  it('are as many as a pod may ask for, and more of them than a socket holds by itself', async () => {
    await fixture.setUp();
    const many = (from: number) => Array.from({ length: 4096 }, (_, index) => mapping(from + index));
    const pods = [await publish('a', ON_PRIMARY, many(1)), await publish('b', ON_SECONDARY, many(10_000), 1)];
    // The whole table anew, as at a restart.
    await fixture.setUp();
    for (const pod of pods) expect(await fixture.datapath.checkPod(pod)).toEqual([]);
    expect(elements()).toHaveLength(2 * 4096 + 2);
    for (const pod of pods) await fixture.deletePod(pod);
    expect(elements()).toEqual([]);
  });

  it('take a UDP client that never falls silent to the pod that has the port now', async () => {
    await fixture.setUp();
    const udp = [mapping(5300, { protocol: 'udp', containerPort: 7000 })];
    const send = fixture.node.converse('outside', PRIMARY_ADDRESS, 5300);
    // Before any pod: the entry without a translation must not stay either.
    expect(await send(SILENCE_MS)).toBe('timeout');
    const first = await publish('a', ON_PRIMARY, udp);
    const seenByFirst = await fixture.node.echo('a', 7000);
    expect(await send()).toBe(OUTSIDE_ADDRESS);
    // A flow to another host's port of the same number is nobody's business.
    fixture.node.exec(
      'node',
      'conntrack',
      ...'-I -p udp -s 10.0.0.10 -d 10.0.0.2 --sport 999 --dport 5300 -t 60'.split(' '),
    );
    await fixture.deletePod(first);
    await publish('b', ON_SECONDARY, udp, 1);
    const seenBySecond = await fixture.node.echo('b', 7000);
    expect(await send()).toBe(OUTSIDE_ADDRESS);
    await until('both were asked', 2000, () => seenByFirst.length === 1 && seenBySecond.length === 1);
    expect(fixture.node.exec('node', 'conntrack', '-L', '-p', 'udp')).toContain('dst=10.0.0.2 sport=999 dport=5300');
  });

  it('are told from what is there by CHECK, and are mended with the next change', async () => {
    await fixture.setUp();
    const pod = await publish('a', ON_PRIMARY, [mapping(8081), mapping(8082, { hostIp: '10.0.0.10' })]);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
    nft('delete element inet wellspring host-ports-ip4 { tcp . 8081 }');
    nft('delete element inet wellspring host-ports-bound-ip4 { 10.0.0.10 . tcp . 8082 }');
    nft('add element inet wellspring host-ports-bound-ip4 { 10.0.0.10 . tcp . 8082 : 10.9.9.9 . 1 }');
    nft('flush set inet wellspring hairpin-ip4');
    expect(await fixture.datapath.checkPod(pod)).toEqual([
      {
        object: 'host port 8081/tcp on every IPv4 address (nft inet wellspring host-ports-ip4)',
        expected: `${ON_PRIMARY} port ${PROBE_PORT}`,
        found: 'missing',
      },
      {
        object: 'host port 8082/tcp on 10.0.0.10 (nft inet wellspring host-ports-bound-ip4)',
        expected: `${ON_PRIMARY} port ${PROBE_PORT}`,
        found: '10.9.9.9 port 1',
      },
      {
        object: "host port the pod's way to itself (nft inet wellspring hairpin-ip4)",
        expected: `element 0a0000150a000015`,
        found: 'missing',
      },
    ]);
    nft('flush ruleset');
    const other = await publish('b', ON_SECONDARY, [mapping(8083)], 1);
    for (const each of [pod, other]) expect(await fixture.datapath.checkPod(each)).toEqual([]);
    nft('flush ruleset');
    await fixture.deletePod(other);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
  });

  it('stand behind kube-proxy: a Service that has the port goes first, others change nothing', async () => {
    await fixture.setUp();
    await publish('a', ON_PRIMARY, [mapping(8081), mapping(30080)]);
    await publish('b', ON_SECONDARY, [], 1);
    const [outside, node] = [await probe('outside'), await probe('node'), await probe('a'), await probe('b')];
    nft('add table ip proxy; add chain ip proxy pre { type nat hook prerouting priority -100; }');
    nft(`add rule ip proxy pre fib daddr type local tcp dport 30080 dnat to ${ON_SECONDARY}:${PROBE_PORT}`);
    fixture.node.exec(
      'a',
      'nft',
      `add table ip t; add chain ip t in { type filter hook input priority 0; }; add rule ip t in tcp dport ${PROBE_PORT} counter`,
    );
    const toFirst = () => Number(/packets (\d+)/.exec(fixture.node.exec('a', 'nft', 'list', 'table', 'ip', 't'))?.[1]);
    expect(await ask(outside, PRIMARY_ADDRESS, 30080)).toBe(OUTSIDE_ADDRESS);
    expect(toFirst()).toBe(0);
    expect(await ask(outside, PRIMARY_ADDRESS, 8081)).toBe(OUTSIDE_ADDRESS);
    expect(await ask(node, '127.0.0.1', 8081)).toBe(PRIMARY_ADDRESS);
    expect(toFirst()).toBeGreaterThan(0);
  });
});
