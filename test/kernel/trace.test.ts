/** `trace` against packets: where it says that they go, they go, and where it says that they are dropped, nobody sees them. */
import { expect, it } from '@jest/globals';
import type { TraceResult } from '#ipamd/check-node/trace/steps.ts';
import type { PodAttachment } from '#ipamd/datapath/datapath.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { FABRIC_IPV6, OUTSIDE_ADDRESS, PRIMARY_ADDRESS, PRIMARY_IPV6 } from './support/datapath-node.ts';
import { tracedPacket } from './support/traced.ts';

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
describeWith(['root', 'ip', 'nft'], 'trace', () => {
  const fixture = new DatapathFixture();

  async function twoPods(): Promise<Readonly<Record<'a' | 'b', PodAttachment>>> {
    return { a: await fixture.addPod('a', A), b: await fixture.addPod('b', B, 1) };
  }

  const traced = (pod: PodAttachment, destination: string, port = PORT) =>
    tracedPacket(fixture, pod, destination, port);

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
});
