/** Ports of the node that lead to pods by IPv6, on a dual-stack and on an IPv6 node. */
import { expect, it } from '@jest/globals';
import type { PortMapping } from '#cni/spec/runtime-config.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import {
  FABRIC_IPV6,
  OUTSIDE_ADDRESS,
  OUTSIDE_IPV6,
  PRIMARY_ADDRESS,
  PRIMARY_IPV6,
  SILENCE_MS,
} from './support/datapath-node.ts';

const PORT = 7000;
const FIRST = ['10.0.0.21', '2001:db8:0:1:f::21'];
const SECOND = ['10.0.1.22', '2001:db8:0:1:e::22'];

const udp = (hostPort: number, hostIp?: string): PortMapping => ({
  hostPort,
  containerPort: PORT,
  protocol: 'udp',
  hostIp,
});

describeWith(['root', 'ip', 'nft', 'conntrack'], 'datapath: host ports by IPv6', () => {
  const fixture = new DatapathFixture();
  const ask = (from: string, to: string, port: number) => fixture.node.probe(from, to, port);
  const askInVain = (from: string, to: string, port: number) => fixture.node.probeInVain(from, to, port);

  async function publish(
    short: string,
    addresses: readonly string[],
    device: number,
    portMappings: readonly PortMapping[],
  ) {
    fixture.node.addNamespace(short);
    for (const address of addresses) fixture.node.assign(address, device === 0 ? 'primary' : 'secondary');
    const pod = { ...fixture.attachment(short, addresses, device), portMappings };
    await fixture.datapath.addPod(pod);
    await fixture.node.echo(short, PORT);
    return pod;
  }

  it('lead to pods of both ENIs, from outside, the VPC, the node, other pods and the pod itself', async () => {
    await fixture.setUp({ family: 'dual', primaryIpv6Address: PRIMARY_IPV6 });
    await publish('a', FIRST, 0, [udp(8081)]);
    const second = await publish('b', SECOND, 1, [udp(8082)]);
    for (const port of [8081, 8082]) {
      expect(await ask('outside', PRIMARY_IPV6, port)).toBe(OUTSIDE_IPV6);
      expect(await ask('outside', PRIMARY_ADDRESS, port)).toBe(OUTSIDE_ADDRESS);
      expect(await ask('fabric', PRIMARY_IPV6, port)).toBe(FABRIC_IPV6);
      expect(await ask('node', PRIMARY_IPV6, port)).toBe(PRIMARY_IPV6);
      expect(await ask('node', '127.0.0.1', port)).toBe(PRIMARY_ADDRESS);
    }
    expect(await ask('a', PRIMARY_IPV6, 8081)).toBe(PRIMARY_IPV6);
    expect(await ask('b', PRIMARY_IPV6, 8082)).toBe(PRIMARY_IPV6);
    expect(await ask('a', PRIMARY_IPV6, 8082)).toBe(FIRST[1]);
    expect(await fixture.datapath.checkPod(second)).toEqual([]);
    fixture.node.exec('node', 'nft', 'flush map inet wellspring host-ports-ip6');
    expect(await fixture.datapath.checkPod(second)).toMatchObject([
      { object: expect.stringContaining('8082/udp on every IPv6 address'), found: 'missing' },
    ]);
  });

  it('are of one family where hostIP says so, and take clients that never fall silent along', async () => {
    await fixture.setUp({ family: 'dual', primaryIpv6Address: PRIMARY_IPV6 });
    const first = await publish('a', FIRST, 0, [udp(8081, PRIMARY_IPV6), udp(8082, '0.0.0.0'), udp(8083, '::')]);
    const expected = [
      [PRIMARY_IPV6, 8081, OUTSIDE_IPV6],
      [PRIMARY_ADDRESS, 8081, 'ECONNREFUSED'],
      [PRIMARY_ADDRESS, 8082, OUTSIDE_ADDRESS],
      [PRIMARY_IPV6, 8082, 'ECONNREFUSED'],
      [PRIMARY_IPV6, 8083, OUTSIDE_IPV6],
      [PRIMARY_ADDRESS, 8083, 'ECONNREFUSED'],
    ] as const;
    for (const [address, port, answer] of expected) {
      const answered = await (answer === 'ECONNREFUSED' ? askInVain : ask)('outside', address, port);
      // An unconnected UDP socket does not hear of the refusal.
      expect([address, port, answered]).toEqual([address, port, answer === 'ECONNREFUSED' ? 'timeout' : answer]);
    }
    const send = fixture.node.converse('outside', PRIMARY_IPV6, 8083);
    expect(await send()).toBe(OUTSIDE_IPV6);
    await fixture.deletePod(first);
    expect(await send(SILENCE_MS)).toBe('timeout');
    await publish('b', SECOND, 1, [udp(8083)]);
    expect(await send()).toBe(OUTSIDE_IPV6);
  });

  it('lead to the pods of an IPv6 node', async () => {
    await fixture.setUp({ family: 'ipv6', primaryIpv6Address: PRIMARY_IPV6 });
    await publish('b', SECOND.slice(1), 1, [udp(8082)]);
    expect(await ask('outside', PRIMARY_IPV6, 8082)).toBe(OUTSIDE_IPV6);
    expect(await askInVain('outside', PRIMARY_ADDRESS, 8082)).toBe('timeout');
  });
});
