/** Settings that shape the datapath, each seen where it takes effect: the text of `ip` and `nft`, and packets. */
import { expect, it } from '@jest/globals';
import type { HostConfig } from '#ipamd/datapath/datapath.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture } from './support/datapath-fixture.ts';
import { OUTSIDE_ADDRESS, PRIMARY_ADDRESS, PRIMARY_IPV6, run } from './support/datapath-node.ts';

const PORT = 7000;
const SERVICE = { ipv4: '192.0.2.2', ipv6: '2001:db8:aa::2' };
/** Pods on the second ENI, whose table has no way to the service. */
const POD = { ipv4: '10.0.1.21', ipv6: '2001:db8:0:2:1::21' };

describeWith(['root', 'ip', 'nft'], 'datapath: settings', () => {
  const fixture = new DatapathFixture();
  const lines = (text: string): readonly string[] => text.split('\n').map((line) => line.trim());
  const nft = (): string => fixture.node.exec('node', 'nft', 'list', 'table', 'inet', 'wellspring');

  /** A network beside the VPC that the node reaches by a link of its own, and its main table knows. */
  function addService(): void {
    const { node } = fixture;
    node.addNamespace('service');
    run(
      'ip',
      'link',
      'add',
      'svc0',
      'netns',
      node.name('node'),
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      node.name('service'),
    );
    node.ip('node', 'addr add 192.0.2.1/24 dev svc0');
    node.ip('node', 'addr add 2001:db8:aa::1/64 dev svc0 nodad');
    node.ip('service', 'addr add 192.0.2.2/24 dev eth0');
    node.ip('service', 'addr add 2001:db8:aa::2/64 dev eth0 nodad');
    for (const [where, link] of [
      ['node', 'svc0'],
      ['service', 'eth0'],
    ] as const) {
      node.ip(where, `addr add fe80::${where === 'node' ? 1 : 2}/64 dev ${link} nodad`);
      node.ip(where, `link set ${link} up`);
    }
    node.ip('service', 'route add default via 192.0.2.1');
    node.ip('service', 'route add default via 2001:db8:aa::1');
  }

  const BY_MAIN: Partial<HostConfig> = {
    family: 'dual',
    primaryIpv6Address: PRIMARY_IPV6,
    externalSnat: true,
    nodePortSupport: false,
    externalServiceCidrs: ['192.0.2.0/24', '2001:db8:aa::/48'],
  };

  it.each(['ipv4', 'ipv6'] as const)(
    'AWS_EXTERNAL_SERVICE_CIDRS: pods of a secondary ENI reach them by the main table, %s',
    async (family) => {
      addService();
      const { externalServiceCidrs: _, ...without } = BY_MAIN;
      await fixture.setUp(without);
      await fixture.addPod('a', [POD.ipv4, POD.ipv6], 1);
      const { node } = fixture;
      await node.echo('service', PORT);
      await node.echo('fabric', PORT);
      expect(await node.probeInVain('a', SERVICE[family], PORT)).toBe('timeout');
      await fixture.setUp(BY_MAIN);
      expect(await node.probe('a', SERVICE[family], PORT)).toBe(POD[family]);
      // What is not of the list takes the ENI's way as before.
      const router = family === 'ipv4' ? '10.0.1.1' : '2001:db8:0:9::1';
      expect(await node.probe('a', router, PORT)).toBe(POD[family]);
      // A daemon that starts without the setting takes it away.
      await fixture.open();
      await fixture.setUp(without);
      expect(await node.probeInVain('a', SERVICE[family], PORT)).toBe('timeout');
      expect(nft()).not.toContain('by-main');
    },
  );

  it('AWS_EXTERNAL_SERVICE_CIDRS: judged after a service has been translated, as routing is', async () => {
    addService();
    await fixture.setUp(BY_MAIN);
    await fixture.addPod('a', POD.ipv4, 1);
    const { node } = fixture;
    await node.echo('service', PORT);
    const hook = 'type nat hook prerouting priority dstnat';
    node.exec(
      'node',
      'nft',
      `table ip proxy { chain pre { ${hook}; ip daddr 172.20.0.9 udp dport 53 dnat to 192.0.2.2:${PORT}; }; }`,
    );
    expect(await node.probe('a', '172.20.0.9', 53)).toBe(POD.ipv4);
  });

  it('AWS_EXTERNAL_SERVICE_CIDRS: neither rules nor chains grow with the list, and nothing of it stays', async () => {
    await fixture.setUp();
    const before = fixture.hostState();
    const cidrs = (count: number): readonly string[] =>
      Array.from({ length: count }, (_, at) => [`198.18.${at}.0/25`, `2001:db8:${(at + 1).toString(16)}::/64`]).flat();
    const sizes = [];
    for (const count of [1, 200]) {
      await fixture.setUp({ externalServiceCidrs: cidrs(count) });
      const table = nft();
      sizes.push([lines(fixture.node.ip('node', 'rule')).length, (table.match(/ daddr @by-main/g) ?? []).length]);
      expect(table).toContain(`198.18.${count - 1}.0/25`);
      expect(table).toContain(`2001:db8:${count.toString(16)}::/64`);
    }
    expect(sizes[1]).toEqual(sizes[0]);
    expect(sizes[1]?.[1]).toBe(2);
    await fixture.setUp();
    expect(fixture.hostState()).toEqual(before);
  });

  const switches = (pod: string): readonly string[] =>
    ['all', 'default', 'lo', 'eth0'].map((which) =>
      fixture.node.exec(pod, 'cat', `/proc/sys/net/ipv6/conf/${which}/disable_ipv6`).trim(),
    );

  it('DISABLE_POD_V6: no IPv6 in the pod, not even for links that come later, and IPv4 as ever', async () => {
    await fixture.setUp();
    await fixture.addPod('before', '10.0.0.20');
    expect(switches('before')).toEqual(['0', '0', '0', '0']);
    await fixture.setUp({ disablePodIpv6: true });
    const pod = await fixture.addPod('a', '10.0.0.21');
    const { node } = fixture;
    expect(switches('a')).toEqual(['1', '1', '1', '1']);
    node.ip('a', 'link add later type veth peer name later2');
    node.ip('a', 'link set later up');
    expect(node.ip('a', '-6 addr')).toBe('');
    await node.echo('node', PORT);
    expect(await node.probe('a', PRIMARY_ADDRESS, PORT)).toBe('10.0.0.21');
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
    node.exec('a', 'sh', '-c', 'echo 0 >/proc/sys/net/ipv6/conf/lo/disable_ipv6');
    expect(await fixture.datapath.checkPod(pod)).toEqual([
      { object: 'pod sysctl net/ipv6/conf/lo/disable_ipv6', expected: '1', found: '0' },
    ]);
    // Neither the host nor another pod is touched.
    expect(switches('before')).toEqual(['0', '0', '0', '0']);
    expect(node.exec('node', 'cat', '/proc/sys/net/ipv6/conf/all/disable_ipv6').trim()).toBe('0');
  });

  it('DISABLE_POD_V6: a pod with an IPv6 address is refused, and nothing is left of it', async () => {
    await fixture.setUp({ family: 'dual', primaryIpv6Address: PRIMARY_IPV6, disablePodIpv6: true });
    fixture.node.addNamespace('a');
    const before = fixture.hostState();
    await expect(fixture.datapath.addPod(fixture.attachment('a', ['10.0.0.21', POD.ipv6]))).rejects.toMatchObject({
      code: 'kernel-refused',
      message: expect.stringContaining('DISABLE_POD_V6'),
    });
    expect(fixture.hostState()).toEqual(before);
  });

  it('AWS_VPC_ENI_MTU on every ENI, POD_MTU in the pod and on its link', async () => {
    await fixture.setUp({ eniMtu: 1450 });
    const pod = await fixture.addPod('a', POD.ipv4, 1);
    for (const link of ['eth0', 'eth1']) expect(fixture.node.ip('node', `link show ${link}`)).toContain(' mtu 1450 ');
    expect(fixture.node.ip('node', `link show ${pod.hostIfName}`)).toContain(' mtu 1400 ');
    expect(fixture.node.ip('a', 'link show eth0')).toContain(' mtu 1400 ');
  });

  it.each([
    ['prng', / fully-random$/m],
    ['hashrandom', / random$/m],
    ['none', / snat ip to 10\.0\.0\.10$/m],
  ] as const)('AWS_VPC_K8S_CNI_RANDOMIZESNAT=%s', async (randomizeSnat, expected) => {
    await fixture.setUp({ randomizeSnat });
    expect(nft()).toMatch(expected);
  });

  it('AWS_VPC_K8S_CNI_CONNMARK and WELLSPRING_ENI_MARK_MASK: other bits, and none of the old ones', async () => {
    await fixture.setUp();
    await fixture.open({ marks: { connmark: 0x100, eniMarkMask: 0x7f0000 } });
    await fixture.setUp();
    await fixture.addPod('b', POD.ipv4, 1);
    const { node } = fixture;
    const rules = lines(node.ip('node', 'rule'));
    expect(rules).toContainEqual(expect.stringMatching(/^1024:\s+from all fwmark 0x100\/0x100 lookup main/));
    expect(rules).toContainEqual(expect.stringMatching(/^1536:\s+from all fwmark 0x10000\/0x7f0000 lookup 2/));
    expect(rules.join('\n')).not.toMatch(/fwmark (0x80\/0x80|0x1\/0x7f) /);
    await node.echo('outside', PORT);
    await node.echo('fabric', PORT);
    expect(await node.probe('b', OUTSIDE_ADDRESS, PORT)).toBe(PRIMARY_ADDRESS);
    expect(await node.probe('b', '10.0.1.1', PORT)).toBe(POD.ipv4);
  });
});
