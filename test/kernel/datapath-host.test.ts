/** The host's share: rules, tables, addresses, the nft table, and the wait for a link. Expected state is text. */
import { expect, it } from '@jest/globals';
import { createKernelDatapath } from '#ipamd/datapath/kernel-datapath.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture, hostConfig, secondaryInterface } from './support/datapath-fixture.ts';
import { SECONDARY_ADDRESS, SECONDARY_MAC } from './support/datapath-node.ts';

const TABLE = `table inet wellspring {
	set no-snat {
		type ipv4_addr
		flags interval
		elements = { 10.0.0.0/16, 224.0.0.0/4 }
	}

	map host-ports-ip4 {
		type inet_proto . inet_service : ipv4_addr . inet_service
	}

	map host-ports-bound-ip4 {
		type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service
	}

	map host-ports-ip6 {
		type inet_proto . inet_service : ipv6_addr . inet_service
	}

	map host-ports-bound-ip6 {
		type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service
	}

	set hairpin-ip4 {
		type ipv4_addr . ipv4_addr
	}

	set hairpin-ip6 {
		type ipv6_addr . ipv6_addr
	}

	chain anti-spoof {
		type filter hook prerouting priority raw; policy accept;
		iifgroup 1465057280/16 fib saddr . iif oif missing counter packets 0 bytes 0 drop
		iifgroup 1465057280/16 ip6 saddr fe80::/10 counter packets 0 bytes 0 drop
		iifgroup 1465057280/16 ip daddr 127.0.0.0/8 counter packets 0 bytes 0 drop
	}

	chain interface {
		type filter hook prerouting priority mangle; policy accept;
		iifgroup 1465057281 meta mark set meta mark & 0xffffff81 | 0x00000001
		iifname "eth0" fib daddr . iif type local ct mark set ct mark | 0x00000080
	}

	chain egress {
		type filter hook prerouting priority dstnat + 10; policy accept;
		iifgroup 1465057280/16 ct state new ip daddr != @no-snat fib daddr type != local ct mark set ct mark | 0x00000080
		iifgroup 1465057280/16 ct mark & 0x00000080 == 0x00000080 meta mark set meta mark | 0x00000080
	}

	chain source-nat {
		type nat hook postrouting priority srcnat; policy accept;
		meta mark & 0x00000080 == 0x00000080 oifname "eth0" ip daddr != @no-snat snat ip to 10.0.0.10 fully-random
	}

	chain virtual-services {
		type filter hook prerouting priority -89; policy accept;
		iifgroup 1465057280/16 ct state new meta nfproto ipv4 fib daddr type local meta mark set meta mark | 0x00000080
	}

	chain virtual-services-out {
		type route hook output priority mangle; policy accept;
		meta mark & 0x00000080 == 0x00000080 ct state new ip daddr != @no-snat ct mark set ct mark | 0x00000080
		ct mark & 0x00000080 == 0x00000080 accept
		meta mark & 0x00000080 == 0x00000080 meta mark set meta mark & 0xffffff7f
	}

	chain host-ports {
		type nat hook prerouting priority dstnat + 5; policy accept;
		ip daddr 127.0.0.0/8 return
		iifname "eth0" fib daddr type local ct mark set ct mark | 0x00000080
		fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @host-ports-bound-ip4
		meta nfproto ipv4 fib daddr type local dnat ip to meta l4proto . th dport map @host-ports-ip4
		fib daddr type local dnat ip6 to ip6 daddr . meta l4proto . th dport map @host-ports-bound-ip6
		meta nfproto ipv6 fib daddr type local dnat ip6 to meta l4proto . th dport map @host-ports-ip6
	}

	chain host-ports-of-node {
		type nat hook output priority -95; policy accept;
		ip6 daddr ::1 return
		fib daddr type local dnat ip to ip daddr . meta l4proto . th dport map @host-ports-bound-ip4
		meta nfproto ipv4 fib daddr type local dnat ip to meta l4proto . th dport map @host-ports-ip4
		fib daddr type local dnat ip6 to ip6 daddr . meta l4proto . th dport map @host-ports-bound-ip6
		meta nfproto ipv6 fib daddr type local dnat ip6 to meta l4proto . th dport map @host-ports-ip6
	}

	chain host-ports-source {
		type nat hook postrouting priority srcnat - 5; policy accept;
		ip saddr . ip daddr @hairpin-ip4 snat ip to 10.0.0.10
		ip saddr 127.0.0.0/8 oifgroup 1465057280/16 snat ip to 10.0.0.10
		ip6 saddr . ip6 daddr @hairpin-ip6 masquerade
	}
}
`;

describeWith(['root', 'ip', 'nft'], 'datapath: host', () => {
  const fixture = new DatapathFixture();
  const lines = (text: string): readonly string[] =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  const rules = (): readonly string[] =>
    lines(fixture.node.ip('node', '-4 rule')).filter((line) => line.includes('proto 87'));

  it('sets up rules, tables, addresses and the nft table, the same when done twice', async () => {
    const { node } = fixture;
    node.ip('node', 'addr add 10.9.9.9/24 dev eth1');
    await fixture.setUp();
    const state = fixture.hostState();
    expect(rules()).toEqual([
      '512:\tfrom all lookup 8787 proto 87',
      '1024:\tfrom all fwmark 0x80/0x80 lookup main proto 87',
      '1536:\tfrom all fwmark 0x1/0x7f lookup 2 proto 87',
      `32765:\tfrom ${SECONDARY_ADDRESS} lookup 2 proto 87`,
    ]);
    expect(lines(node.ip('node', 'route show table 2'))).toEqual([
      'default via 10.0.1.1 dev eth1 proto 87 onlink',
      '10.0.1.1 dev eth1 proto 87 scope link',
    ]);
    expect(node.ip('node', 'route show table main')).not.toContain('eth1');
    expect(lines(node.ip('node', '-4 -o addr show eth1'))).toEqual([
      expect.stringContaining(`inet ${SECONDARY_ADDRESS}/24 scope global noprefixroute eth1`),
    ]);
    expect(node.ip('node', 'link show eth1')).toMatch(/UP.* mtu 1500 /);
    expect(node.exec('node', 'nft', 'list', 'table', 'inet', 'wellspring')).toBe(TABLE);
    const sysctls = node.exec(
      'node',
      'sh',
      '-c',
      'cd /proc/sys/net/ipv4; cat ip_forward conf/eth0/rp_filter conf/eth1/rp_filter',
    );
    expect(lines(sysctls)).toEqual(['1', '2', '2']);
    await fixture.setUp();
    expect(fixture.hostState()).toEqual(state);
  });

  it('puts back what was lost and removes what is ours but not wanted, and nothing else', async () => {
    const { node } = fixture;
    await fixture.setUp();
    const state = fixture.hostState();
    node.ip('node', 'rule del priority 1536');
    node.ip('node', 'rule add priority 1536 fwmark 0x9/0x7f lookup 10 protocol 87');
    node.ip('node', 'route replace 10.7.7.7/32 dev eth1 table 2 proto 87');
    node.exec('node', 'nft', 'add rule inet wellspring egress counter drop');
    await fixture.setUp();
    expect(fixture.hostState()).toEqual(state);
    node.ip('node', 'rule add priority 1000 from 10.3.3.3 lookup 77');
    node.ip('node', 'route add 10.7.7.7/32 dev eth0 table 77');
    node.exec('node', 'nft', 'add table inet foreign');
    await fixture.setUp();
    await fixture.datapath.cleanUp();
    expect(node.ip('node', 'rule')).toContain('from 10.3.3.3 lookup 77');
    expect(node.ip('node', 'route show table 77')).toContain('10.7.7.7 dev eth0');
    expect(node.exec('node', 'nft', 'list', 'tables')).toBe('table inet foreign\n');
  });

  it('forgets an ENI that leaves, also when its link has gone', async () => {
    const { node, datapath } = fixture;
    await datapath.setUpHost(hostConfig);
    const before = fixture.hostState();
    await datapath.setUpInterface(secondaryInterface);
    await datapath.tearDownInterface(1, 0);
    expect(rules()).toHaveLength(2);
    expect(node.ip('node', 'route show table 2')).toBe('');
    expect(node.exec('node', 'nft', 'list', 'table', 'inet', 'wellspring')).not.toContain('iifgroup 1465057281');
    await datapath.setUpInterface(secondaryInterface);
    node.ip('node', 'link del eth1');
    await datapath.tearDownInterface(1, 0);
    await datapath.tearDownInterface(1, 0);
    expect(fixture.hostState()).toEqual(before.filter((line) => !line.includes('eth1')));
    await expect(datapath.setUpInterface(secondaryInterface)).rejects.toMatchObject({ code: 'no-such-link' });
  });

  it('finds an ENI by its MAC, also where its link came anew and another has its old number', async () => {
    const { node, datapath } = fixture;
    await datapath.setUpHost(hostConfig);
    await datapath.setUpInterface(secondaryInterface);
    const [, number = ''] = /^(\d+): eth1/m.exec(node.ip('node', '-o link show eth1')) ?? [];
    node.ip('node', 'link del eth1');
    node.ip('node', `link add in-its-place index ${number} type veth peer name peer1`);
    node.ip('node', `link add eth7 address ${SECONDARY_MAC} type veth peer name peer2`);
    await datapath.setUpInterface(secondaryInterface);
    expect(node.ip('node', 'route show table 2')).toContain('dev eth7');
    expect(node.ip('node', '-o link show in-its-place')).not.toContain('UP');
  });

  it('numbers tables and marks of a second network card as the peer does', async () => {
    await fixture.datapath.setUpHost(hostConfig);
    await fixture.datapath.setUpInterface({ ...secondaryInterface, networkCardIndex: 2 });
    expect(rules()[2]).toBe('1536:\tfrom all fwmark 0x41/0x7f lookup 10201 proto 87');
    expect(fixture.node.exec('node', 'nft', 'list', 'chain', 'inet', 'wellspring', 'interface')).toContain(
      'iifgroup 1465057793 meta mark set meta mark & 0xffffffc1 | 0x00000041',
    );
  });

  it('cleans up by marks alone, with no memory of what it made', async () => {
    const { node } = fixture;
    const before = fixture.hostState();
    await fixture.setUp();
    for (const index of [1, 2, 3]) await fixture.addPod(`p${index}`, `10.0.1.${20 + index}`, 1);
    const stranger = await fixture.open();
    await stranger.cleanUp();
    const after = fixture.hostState();
    expect(after).toEqual(before);
    await stranger.cleanUp();
    expect(node.ip('p1', '-o link')).not.toContain('eth0');
  });

  it('waits for a link to appear, to get its MAC, and gives up with the signal', async () => {
    const { node, datapath } = fixture;
    await datapath.waitForLink(SECONDARY_MAC.toUpperCase(), AbortSignal.timeout(60_000));
    const appears = datapath.waitForLink('02:57:00:00:00:33', AbortSignal.timeout(60_000));
    const renamed = datapath.waitForLink('02:57:00:00:00:44', AbortSignal.timeout(60_000));
    node.ip('node', 'link add e3 type veth peer name e4 address 02:57:00:00:00:44');
    node.ip('node', 'link set e4 name ens6');
    await renamed;
    node.ip('node', 'link set e3 address 02:57:00:00:00:33');
    await appears;
    await expect(datapath.waitForLink('02:57:00:00:00:55', AbortSignal.timeout(150))).rejects.toMatchObject({
      name: 'TimeoutError',
    });
    await expect(datapath.waitForLink('02:57:00:00:00:55', AbortSignal.abort(new Error('no')))).rejects.toThrow('no');
  });

  it('refuses marks that overlap and settings that make no sense', async () => {
    await expect(createKernelDatapath({ marks: { eniMarkMask: 0xff } })).rejects.toMatchObject({
      code: 'kernel-refused',
    });
    await expect(createKernelDatapath({ marks: { eniMarkMask: 0x5 } })).rejects.toMatchObject({
      code: 'kernel-refused',
    });
    await expect(createKernelDatapath({ hostNetns: '/tmp' })).rejects.toMatchObject({ code: 'no-such-netns' });
    await expect(fixture.datapath.setUpHost({ ...hostConfig, primaryMac: '02:00:00:00:00:99' })).rejects.toMatchObject({
      code: 'no-such-link',
    });
    await expect(fixture.datapath.setUpHost({ ...hostConfig, noSnatCidrs: ['10.0.0.0/33'] })).rejects.toMatchObject({
      code: 'kernel-refused',
    });
    await expect(fixture.datapath.setUpInterface({ ...secondaryInterface, deviceIndex: 0 })).rejects.toMatchObject({
      code: 'kernel-refused',
    });
  });
});
