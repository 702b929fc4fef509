/**
 * NAT beside IPVS, programmed by ipvsadm as kube-proxy in ipvs mode does: service addresses on a link of the node, and
 * connection tracking for what IPVS carries.
 */
import { expect, it } from '@jest/globals';
import type { HostConfig } from '#ipamd/datapath/datapath.ts';
import { DatapathFixture } from '#test/kernel/support/datapath-fixture.ts';
import { FABRIC_IPV6, OUTSIDE_ADDRESS, PRIMARY_ADDRESS, PRIMARY_IPV6 } from '#test/kernel/support/datapath-node.ts';
import { describeWith } from '#test/support/require.ts';

const PORT = 7000;
const SERVICE = '172.20.0.1';
const ON_PRIMARY = '10.0.0.21';
const ON_SECONDARY = '10.0.1.22';
const SERVICE_IPV6 = 'fd00:20::1';
const ON_SECONDARY_IPV6 = '2001:db8:0:2:b::22';
/** Of the VPC, behind the fabric. */
const FAR = '10.0.1.1';
const TEST_MS = 600_000;

describeWith(['root', 'ip', 'nft', 'ipvsadm', 'conntrack'], 'beside IPVS', () => {
  const fixture = new DatapathFixture();
  const onNode = (...command: readonly string[]) => fixture.node.exec('node', ...command);

  async function twoPods(changes: Partial<HostConfig> = {}): Promise<void> {
    const isDual = changes.family === 'dual';
    await fixture.setUp(changes);
    await fixture.addPod('a', ON_PRIMARY);
    await fixture.addPod('b', [ON_SECONDARY, ...(isDual ? [ON_SECONDARY_IPV6] : [])], 1);
    onNode('ip', 'link', 'add', 'kube-ipvs0', 'type', 'dummy');
  }

  /** A service address, or with the node's own one a NodePort. */
  function serve(address: string, port: number, backend: string): void {
    const isIpv6 = address.includes(':');
    const length = isIpv6 ? 128 : 32;
    const at = (host: string, port: number) => (isIpv6 ? `[${host}]:${port}` : `${host}:${port}`);
    if (address !== PRIMARY_ADDRESS) onNode('ip', 'address', 'replace', `${address}/${length}`, 'dev', 'kube-ipvs0');
    onNode('ipvsadm', '-A', '-u', at(address, port), '-s', 'rr');
    onNode('sh', '-c', 'echo 1 >/proc/sys/net/ipv4/vs/conntrack');
    onNode('ipvsadm', '-a', '-u', at(address, port), '-r', at(backend, PORT), '-m');
  }

  it(
    'a backend sees the pod’s own address, on the node and elsewhere',
    async () => {
      await twoPods();
      await fixture.node.echo('b', PORT);
      await fixture.node.echo('fabric', PORT);
      serve(SERVICE, 53, ON_SECONDARY);
      serve(SERVICE, 54, FAR);
      expect(await fixture.node.probe('a', SERVICE, 53)).toBe(ON_PRIMARY);
      expect(await fixture.node.probe('a', SERVICE, 54)).toBe(ON_PRIMARY);
      expect(await fixture.node.probe('b', SERVICE, 54)).toBe(ON_SECONDARY);
    },
    TEST_MS,
  );

  it.each([
    ['with external SNAT', { externalSnat: true }],
    ['of both families', { family: 'dual', primaryIpv6Address: PRIMARY_IPV6 }],
  ] as const)(
    'a backend elsewhere sees the pod of the second ENI, whose every packet leaves by it: %s',
    async (_, changes) => {
      await twoPods(changes);
      await fixture.node.echo('fabric', PORT);
      serve(SERVICE, 54, FAR);
      const more = fixture.node.converse('b', SERVICE, 54);
      expect([await more(), await more(), await more()]).toEqual([ON_SECONDARY, ON_SECONDARY, ON_SECONDARY]);
      if (!('family' in changes)) return;
      serve(SERVICE_IPV6, 54, FABRIC_IPV6);
      const moreByIpv6 = fixture.node.converse('b', SERVICE_IPV6, 54);
      expect([await moreByIpv6(), await moreByIpv6()]).toEqual([ON_SECONDARY_IPV6, ON_SECONDARY_IPV6]);
    },
    TEST_MS,
  );

  it(
    'what leaves the VPC by a service gets the node’s address, and nothing else does',
    async () => {
      await twoPods();
      await fixture.node.echo('outside', PORT);
      serve(SERVICE, 53, OUTSIDE_ADDRESS);
      expect(await fixture.node.probe('a', SERVICE, 53)).toBe(PRIMARY_ADDRESS);
      expect(await fixture.node.probe('b', SERVICE, 53)).toBe(PRIMARY_ADDRESS);
      const more = fixture.node.converse('b', SERVICE, 53);
      expect([await more(), await more(), await more()]).toEqual([PRIMARY_ADDRESS, PRIMARY_ADDRESS, PRIMARY_ADDRESS]);
      expect(onNode('conntrack', '-L', '-s', ON_SECONDARY, '-d', SERVICE).match(/ mark=(?!128 )\d+/g)).toBeNull();
    },
    TEST_MS,
  );

  it(
    'that is the chains’ doing: without them the packets leave by the pod’s ENI, and nobody answers',
    async () => {
      await twoPods();
      await fixture.node.echo('outside', PORT);
      serve(SERVICE, 53, OUTSIDE_ADDRESS);
      for (const chain of ['virtual-services', 'virtual-services-out'])
        onNode('nft', 'flush', 'chain', 'inet', 'wellspring', chain);
      expect(await fixture.node.probe('b', SERVICE, 53)).toBe('timeout');
    },
    TEST_MS,
  );

  it(
    'a NodePort reaches a pod of the second ENI, who answers by the first',
    async () => {
      await twoPods();
      await fixture.node.echo('b', PORT);
      serve(PRIMARY_ADDRESS, 30080, ON_SECONDARY);
      expect(await fixture.node.probe('outside', PRIMARY_ADDRESS, 30080)).toBe(OUTSIDE_ADDRESS);
    },
    TEST_MS,
  );

  it(
    'the host answers pods as before',
    async () => {
      await twoPods();
      await fixture.node.echo('node', PORT);
      expect(await fixture.node.probe('b', PRIMARY_ADDRESS, PORT)).toBe(ON_SECONDARY);
    },
    TEST_MS,
  );
});
