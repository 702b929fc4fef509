/** What IPv6 packets do: by which ENI they leave, whose address is seen, which are dropped. */
import { expect, it } from '@jest/globals';
import type { HostConfig } from '#ipamd/datapath/datapath.ts';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { FABRIC_IPV6, OUTSIDE_ADDRESS, OUTSIDE_IPV6, PRIMARY_ADDRESS, PRIMARY_IPV6 } from './support/datapath-node.ts';

const ADVERTISE = new URL('./support/router-advertisement.program.ts', import.meta.url).pathname;
const PORT = 7000;
const A = ['10.0.0.21', '2001:db8:0:1:1::21'] as const;
const B = ['10.0.1.22', '2001:db8:0:2:1::22'] as const;
const DUAL: Partial<HostConfig> = { family: 'dual', primaryIpv6Address: PRIMARY_IPV6 };

describeWith(['root', 'ip', 'nft'], 'datapath: IPv6 packets', () => {
  const fixture = new DatapathFixture();

  /** One pod on each ENI. */
  async function twoPods(changes: Partial<HostConfig> = {}): Promise<void> {
    await fixture.setUp({ ...DUAL, ...changes });
    await fixture.addPod('a', A);
    await fixture.addPod('b', B, 1);
  }

  const arrivedBy = (link: string): number =>
    Number(/RX:.*\n\s+\d+\s+(\d+)/.exec(fixture.node.ip('fabric', `-s link show ${link}`))?.[1]);

  it('pods of both ENIs, node, VPC and internet see each other by their own addresses, in both families', async () => {
    await twoPods();
    const { node } = fixture;
    for (const where of ['a', 'b', 'node', 'fabric', 'outside']) await node.echo(where, PORT);
    expect(await node.probe('a', B[1], PORT)).toBe(A[1]);
    expect(await node.probe('b', A[1], PORT)).toBe(B[1]);
    expect(await node.probe('a', B[0], PORT)).toBe(A[0]);
    expect(await node.probe('node', B[1], PORT)).toBe(PRIMARY_IPV6);
    expect(await node.probe('b', PRIMARY_IPV6, PORT)).toBe(B[1]);
    expect(await node.probe('a', FABRIC_IPV6, PORT)).toBe(A[1]);
    expect(await node.probe('b', FABRIC_IPV6, PORT)).toBe(B[1]);
    expect(await node.probe('fabric', A[1], PORT, 'x', FABRIC_IPV6)).toBe(FABRIC_IPV6);
    expect(await node.probe('fabric', B[1], PORT, 'x', FABRIC_IPV6)).toBe(FABRIC_IPV6);
    // IPv4 leaves the VPC by the node's address, IPv6 by the pod's own.
    for (const [pod, own] of [['a', A[1]] as const, ['b', B[1]] as const]) {
      expect(await node.probe(pod, OUTSIDE_IPV6, PORT)).toBe(own);
      expect(await node.probe(pod, OUTSIDE_ADDRESS, PORT)).toBe(PRIMARY_ADDRESS);
    }
    expect(await node.probe('outside', B[1], PORT)).toBe(OUTSIDE_IPV6);
  });

  it('a pod of the second ENI leaves by the second ENI, and the fabric would drop it from the first', async () => {
    await twoPods();
    await fixture.node.echo('outside', PORT);
    const before = arrivedBy('f1');
    expect(await fixture.node.probe('b', OUTSIDE_IPV6, PORT)).toBe(B[1]);
    expect(arrivedBy('f1')).toBeGreaterThan(before);
    fixture.node.exec('node', 'nft', 'flush', 'chain', 'inet', 'wellspring', 'interface');
    expect(await fixture.node.probeInVain('b', OUTSIDE_IPV6, PORT)).toBe('timeout');
  });

  it('is ready at once: the first packet of a new pod is answered without waiting for duplicates or neighbours', async () => {
    await fixture.setUp(DUAL);
    await fixture.node.echo('outside', PORT);
    await fixture.addPod('b', B, 1);
    // A search for duplicates would take a second at least.
    expect(fixture.node.ip('b', '-6 addr show scope global')).not.toContain('tentative');
    expect(await fixture.node.probe('b', OUTSIDE_IPV6, PORT)).toBe(B[1]);
    expect(fixture.node.ip('b', '-6 neigh show nud permanent')).toContain('fe80::1 dev eth0');
  });

  it('drops what a pod sends with an address that is not its own', async () => {
    await twoPods();
    const { node } = fixture;
    const seen = await node.echo('b', PORT);
    for (const forged of ['2001:db8:0:1:1::99', PRIMARY_IPV6, OUTSIDE_IPV6, 'fd00::7']) {
      node.ip('a', `addr add ${forged}/128 dev eth0 nodad`);
      await node.probeInVain('a', B[1], PORT, 'forged', forged);
    }
    // The address of a pod next to it: the answer would go there.
    node.ip('a', `addr add ${B[1]}/128 dev eth0 nodad`);
    await node.echo('node', PORT);
    expect(await node.probeInVain('a', PRIMARY_IPV6, PORT, 'forged', B[1])).toBe('timeout');
    node.ip('a', `addr del ${B[1]}/128 dev eth0`);
    expect(await node.probe('a', B[1], PORT, 'honest', A[1])).toBe(A[1]);
    expect(seen).toEqual([`${A[1]} honest`]);
    const dropped = node.exec('node', 'nft', 'list', 'chain', 'inet', 'wellspring', 'anti-spoof');
    expect(Number(/missing counter packets (\d+)/.exec(dropped)?.[1])).toBeGreaterThanOrEqual(5);
  });

  it.each([
    ['ipv4', ''],
    ['dual', ''],
    // As somebody else may have given it: then there is a route back to link-local senders.
    ['dual', ', the host has a link-local address there'],
  ] as const)('takes nothing of what a pod says as a router (%s%s)', async (family, hasAddress) => {
    await fixture.setUp({ ...DUAL, family });
    const pod = await fixture.addPod('a', family === 'dual' ? A : A[0]);
    const { node } = fixture;
    // As a pod with its capabilities would: a link-local address of its own, and router advertisements to everybody.
    const host = `/proc/sys/net/ipv6/conf/${pod.hostIfName}`;
    node.exec('node', 'sh', '-c', `echo 1 >${host}/accept_ra; echo 0 >${host}/forwarding`);
    if (hasAddress !== '') node.ip('node', `addr add fe80::77/64 dev ${pod.hostIfName} nodad`);
    node.ip('a', 'addr add fe80::bad/64 dev eth0 nodad');
    node.exec('a', process.execPath, ADVERTISE, '2', 'fe80::bad');
    const table = (): string => node.exec('node', 'nft', 'list', 'chain', 'inet', 'wellspring', 'anti-spoof');
    await until('it was dropped', 3000, () => /counter packets [1-9]/.test(table()));
    expect(node.ip('node', '-6 route show default')).not.toContain(pod.hostIfName);
    // Without the table the kernel would have believed it, so the test can tell.
    node.exec('node', 'nft', 'delete', 'table', 'inet', 'wellspring');
    node.exec('a', process.execPath, ADVERTISE, '2', 'fe80::bad');
    await until('it is believed', 3000, () =>
      node.ip('node', '-6 route show default').includes(`via fe80::bad dev ${pod.hostIfName}`),
    );
  });

  it("keeps the default route that the VPC's router advertised, renews it, and takes none by a secondary ENI", async () => {
    const { node } = fixture;
    const defaults = (): string => node.ip('node', '-6 route show default');
    const advertise = (link: string): void => {
      const index = /^(\d+):/.exec(node.ip('fabric', `link show ${link}`))?.[1] ?? '';
      node.exec('fabric', process.execPath, ADVERTISE, index, 'fe80:ec2::1');
    };
    node.ip('node', '-6 route del default');
    advertise('f0');
    await until('the node has its route', 3000, () => defaults().includes('via fe80:ec2::1 dev eth0 proto ra'));
    await fixture.setUp(DUAL);
    expect(defaults()).toContain('via fe80:ec2::1 dev eth0 proto ra');
    advertise('f1');
    node.ip('node', '-6 route del default');
    advertise('f0');
    await until('the route is there again', 3000, () => defaults().includes('dev eth0 proto ra'));
    expect(defaults()).not.toContain('eth1');
  });

  it('the reply to NodePort traffic leaves by the ENI that the request came in by', async () => {
    await twoPods();
    const { node } = fixture;
    await node.echo('b', PORT);
    node.exec(
      'node',
      'nft',
      'add table ip6 proxy; add chain ip6 proxy pre { type nat hook prerouting priority -100; }',
    );
    node.exec('node', 'nft', `add rule ip6 proxy pre fib daddr type local udp dport 30080 dnat to [${B[1]}]:${PORT}`);
    expect(await node.probe('outside', PRIMARY_IPV6, 30080)).toBe(OUTSIDE_IPV6);
    await fixture.setUp({ ...DUAL, nodePortSupport: false, externalSnat: true });
    expect(await node.probeInVain('outside', PRIMARY_IPV6, 30080)).toBe('timeout');
  });

  it('pods keep their way while a restarted daemon still learns of the ENIs', async () => {
    await twoPods();
    await fixture.node.echo('outside', PORT);
    await fixture.open();
    await fixture.datapath.setUpHost({
      primaryMac: '02:57:00:00:00:01',
      primaryAddress: PRIMARY_ADDRESS,
      noSnatCidrs: ['10.0.0.0/16'],
      externalSnat: false,
      randomizeSnat: 'prng',
      nodePortSupport: true,
      eniMtu: 1500,
      ...DUAL,
    });
    expect(await fixture.node.probe('b', OUTSIDE_IPV6, PORT)).toBe(B[1]);
  });
});
