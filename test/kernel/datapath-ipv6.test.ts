/** IPv6 and dual stack in the kernel: what is made for hosts, ENIs and pods, and that all of it goes. Expected state is text. */
import { expect, it } from '@jest/globals';
import type { HostConfig } from '#ipamd/datapath/datapath.ts';
import { linkMac } from '#ipamd/datapath/names.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture, hostConfig, secondaryInterface } from './support/datapath-fixture.ts';
import { PRIMARY_ADDRESS, PRIMARY_IPV6 } from './support/datapath-node.ts';

const DUAL: Partial<HostConfig> = { family: 'dual', primaryIpv6Address: PRIMARY_IPV6 };
const POD_IPV4 = '10.0.1.21';
const POD_IPV6 = '2001:db8:0:2:1::21';
const OWN_IPV6 = '2001:db8:0:2::10';

describeWith(['root', 'ip', 'nft'], 'datapath: IPv6', () => {
  const fixture = new DatapathFixture();
  const lines = (text: string): readonly string[] =>
    text
      .split('\n')
      .map((line) => line.replaceAll(/\s+/g, ' ').trim())
      .filter((line) => line !== '');
  const show = (where: string, command: string): readonly string[] => lines(fixture.node.ip(where, command));
  const rules = (): readonly string[] => show('node', '-6 rule').filter((line) => line.includes('proto 87'));
  const sysctl = (where: string, ...names: readonly string[]): readonly string[] =>
    lines(fixture.node.exec(where, 'cat', ...names.map((name) => `/proc/sys/net/ipv6/conf/${name}`)));

  async function setUp(changes: Partial<HostConfig> = DUAL, ipv6Address?: string): Promise<void> {
    await fixture.datapath.setUpHost({ ...hostConfig, ...changes });
    await fixture.datapath.setUpInterface({ ...secondaryInterface, ipv6Address });
  }

  it('gives the host rules, tables and forwarding, the same when done twice', async () => {
    const { node } = fixture;
    node.ip('node', 'addr add 2001:db8:9::9/64 dev eth1 nodad');
    await setUp(DUAL, '2001:DB8:0:2:0::10');
    const state = fixture.hostState();
    expect(rules()).toEqual([
      '512: from all lookup 8787 proto 87',
      '1024: from all fwmark 0x80/0x80 lookup main proto 87',
      '1536: from all fwmark 0x1/0x7f lookup 2 proto 87',
      `32765: from ${OWN_IPV6} lookup 2 proto 87`,
    ]);
    expect(show('node', '-6 route show table 2').map((line) => line.replace(/ metric.*/, ''))).toEqual([
      'fe80:ec2::1 dev eth1 proto 87',
      'default via fe80:ec2::1 dev eth1 proto 87',
    ]);
    expect(show('node', '-6 -o addr show dev eth1 scope global').join()).toContain(
      `inet6 ${OWN_IPV6}/128 scope global nodad noprefixroute`,
    );
    expect(node.ip('node', '-6 route show table main')).not.toContain(OWN_IPV6);
    expect(sysctl('node', 'all/forwarding', 'eth0/accept_ra', 'eth1/accept_ra', 'eth1/disable_ipv6')).toEqual([
      '1',
      '2',
      '0',
      '0',
    ]);
    // It was to be seen before the link came up.
    expect(node.ip('node', '-6 addr show dev eth1 scope link')).not.toContain('tentative');
    await setUp(DUAL, OWN_IPV6);
    expect(fixture.hostState()).toEqual(state);
    await setUp(DUAL);
    expect(node.ip('node', '-6 addr show dev eth1')).not.toContain(OWN_IPV6);
    expect(rules()).toHaveLength(3);
  });

  it('makes no IPv6 for a node of IPv4, not even link-local addresses of pods', async () => {
    await fixture.setUp();
    const pod = await fixture.addPod('a', POD_IPV4, 1);
    expect(rules()).toEqual([]);
    expect(fixture.node.ip('node', '-6 route show table all proto 87')).toBe('');
    expect(sysctl('node', 'all/forwarding')).toEqual(['0']);
    expect(fixture.node.ip('node', `-6 addr show dev ${pod.hostIfName}`)).toBe('');
    expect(fixture.node.ip('a', '-6 addr show dev eth0')).toBe('');
    expect(sysctl('a', 'eth0/disable_ipv6', 'lo/disable_ipv6')).toEqual(['0', '0']);
    expect(fixture.node.ip('a', '-6 addr show dev lo')).toContain('::1/128');
  });

  it('makes a dual-stack pod, ready at once, with what the host needs to reach it', async () => {
    await setUp();
    const { node, datapath } = fixture;
    const pod = await fixture.addPod('a', [POD_IPV4, '2001:0DB8:0:2:1:0:0:21'], 1);
    const macs = { host: linkMac('a-sandbox', 'eth0', 'host'), pod: linkMac('a-sandbox', 'eth0', 'pod') };
    expect(show('node', 'route show table 8787')).toEqual([
      `${POD_IPV4} dev ${pod.hostIfName} proto 87 scope link src ${PRIMARY_ADDRESS}`,
    ]);
    expect(show('node', '-6 route show table 8787').map((line) => line.replace(/ metric \d+/, ''))).toEqual([
      `${POD_IPV6} dev ${pod.hostIfName} proto 87 src ${PRIMARY_IPV6} pref medium`,
    ]);
    expect(show('node', 'neigh show nud permanent').toSorted()).toEqual(
      [POD_IPV4, POD_IPV6].map((address) => `${address} dev ${pod.hostIfName} lladdr ${macs.pod} PERMANENT`).toSorted(),
    );
    expect(sysctl('node', `${pod.hostIfName}/accept_ra`)).toEqual(['0']);
    expect(node.ip('node', `-6 addr show dev ${pod.hostIfName}`)).toBe('');
    expect(show('a', '-6 -o addr show dev eth0 scope global')).toEqual([
      expect.stringMatching(`inet6 ${POD_IPV6}/128 scope global nodad \\\\`),
    ]);
    expect(show('a', '-6 route show default')).toEqual([
      expect.stringMatching(/^default via fe80::1 dev eth0 metric 1024/),
    ]);
    expect(show('a', 'neigh show nud permanent').toSorted()).toEqual([
      `169.254.1.1 dev eth0 lladdr ${macs.host} PERMANENT`,
      `fe80::1 dev eth0 lladdr ${macs.host} PERMANENT`,
    ]);
    expect(await datapath.checkPod(pod)).toEqual([]);
    expect((await datapath.listPods()).map(({ addresses }) => addresses)).toEqual([[POD_IPV4, POD_IPV6]]);
  });

  it('enables IPv6 where the runtime made a namespace without it', async () => {
    await setUp({ ...DUAL, family: 'ipv6' });
    fixture.node.addNamespace('a');
    const off = 'for n in all default; do echo 1 >/proc/sys/net/ipv6/conf/$n/disable_ipv6; done';
    fixture.node.exec('a', 'sh', '-c', off);
    fixture.node.exec('node', 'sh', '-c', 'echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6');
    const pod = fixture.attachment('a', POD_IPV6);
    await fixture.datapath.addPod(pod);
    expect(sysctl('a', 'eth0/disable_ipv6', 'lo/disable_ipv6', 'default/disable_ipv6')).toEqual(['0', '0', '1']);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
    expect(fixture.node.ip('a', '-4 -o addr show dev eth0')).toBe('');
  });

  it('leaves nothing after thirty pods of all families came and went, some without their namespace', async () => {
    await setUp();
    const before = fixture.hostState();
    for (let round = 0; round < 30; round += 1) {
      const short = `p${round}`;
      fixture.node.addNamespace(short);
      const both = [`10.0.0.${100 + round}`, `2001:db8:0:1:1::${round + 1}`];
      const pod = fixture.attachment(short, round % 3 === 0 ? both.slice(1) : both);
      await fixture.datapath.addPod(pod);
      if (round % 2 === 0) fixture.node.removeNamespace(short);
      await fixture.deletePod(pod);
      await fixture.deletePod(pod);
    }
    expect(fixture.hostState()).toEqual(before);
    await (await fixture.open()).cleanUp();
    expect(rules()).toEqual([]);
    expect(fixture.node.ip('node', '-6 route show table all proto 87')).toBe('');
  });

  it('does not take an IPv6 address from the pod that has it now when a late DEL names it', async () => {
    await setUp();
    const old = await fixture.addPod('a', ['10.0.0.21', POD_IPV6]);
    await fixture.deletePod(old);
    const next = await fixture.addPod('b', ['10.0.0.22', POD_IPV6]);
    await fixture.deletePod(old);
    expect(await fixture.datapath.checkPod(next)).toEqual([]);
  });

  it('makes pods also while the node lacks the IPv6 address that EC2 has for it', async () => {
    await setUp();
    const pod = await fixture.addPod('a', ['10.0.0.21', POD_IPV6]);
    fixture.node.ip('node', `addr del ${PRIMARY_IPV6}/128 dev eth0`);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
    const next = await fixture.addPod('b', '2001:db8:0:1:1::22');
    const source = (): string => fixture.node.ip('node', '-6 route show 2001:db8:0:1:1::22 table 8787');
    expect(source()).not.toContain('src');
    fixture.node.ip('node', `addr add ${PRIMARY_IPV6}/128 dev eth0 nodad`);
    expect(await fixture.datapath.checkPod(next)).toEqual([]);
    await fixture.datapath.addPod(next);
    expect(source()).toContain(`src ${PRIMARY_IPV6}`);
  });

  it('keeps the way of pods that have IPv6 when a restarted daemon is told of IPv4 alone', async () => {
    await setUp(DUAL, OWN_IPV6);
    const pod = await fixture.addPod('a', [POD_IPV4, POD_IPV6], 1);
    const expected = rules();
    await fixture.open();
    await fixture.datapath.setUpHost(hostConfig);
    expect(rules()).toEqual(expected);
    await fixture.datapath.setUpInterface({ ...secondaryInterface, ipv6Address: OWN_IPV6 });
    expect(rules()).toEqual(expected);
    await fixture.deletePod(pod);
    await fixture.datapath.setUpHost(hostConfig);
    expect(rules()).toEqual([]);
  });

  const damages: readonly (readonly [name: string, where: 'node' | 'a', command: string, object: RegExp])[] = [
    ['host route gone', 'node', `-6 route del ${POD_IPV6} table 8787`, /^host route$/],
    ['host neighbour gone', 'node', `neigh del ${POD_IPV6} dev LINK`, /^host neighbour$/],
    ['pod address gone', 'a', `addr del ${POD_IPV6}/128 dev eth0`, /^pod address$/],
    ['pod default route gone', 'a', '-6 route del default', /^pod route$/],
    ['pod gateway route gone', 'a', '-6 route del fe80::1', /^pod route$/],
    ['pod neighbour gone', 'a', 'neigh del fe80::1 dev eth0', /^pod neighbour$/],
    ['rule gone', 'node', '-6 rule del priority 1536', /^rule$/],
    ['ENI table empty', 'node', '-6 route flush table 2', /^table 2$/],
  ];
  it.each(damages)('CHECK names the damage, and only that: %s', async (_, where, command, object) => {
    await setUp();
    const pod = await fixture.addPod('a', [POD_IPV4, POD_IPV6], 1);
    fixture.node.ip(where, command.replace('LINK', pod.hostIfName));
    const found = new Set((await fixture.datapath.checkPod(pod)).map((damage) => damage.object));
    expect([...found]).toEqual([expect.stringMatching(object)]);
    await setUp();
    await fixture.datapath.addPod(pod);
    expect(await fixture.datapath.checkPod(pod)).toEqual([]);
  });

  it('refuses addresses that make no pod, and leaves nothing', async () => {
    await setUp();
    fixture.node.addNamespace('a');
    const before = fixture.hostState();
    for (const addresses of [[], ['10.0.0.1', '10.0.0.2'], [POD_IPV6, '2001:db8::1'], ['fe80::1%eth0'], ['x']]) {
      await expect(fixture.datapath.addPod(fixture.attachment('a', addresses))).rejects.toMatchObject({
        code: 'kernel-refused',
      });
    }
    // Below 1280 bytes (RFC 8200 section 5) a link has no IPv6.
    await expect(fixture.datapath.addPod({ ...fixture.attachment('a', POD_IPV6), mtu: 1200 })).rejects.toMatchObject({
      code: 'kernel-refused',
    });
    await fixture.datapath.settled();
    expect(fixture.hostState()).toEqual(before);
    const small = { ...fixture.attachment('a', '10.0.0.21'), mtu: 1200 };
    await fixture.datapath.addPod(small);
    expect(await fixture.datapath.checkPod(small)).toEqual([]);
  });
});
