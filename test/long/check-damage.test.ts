/**
 * CHECK at the level of the datapath, where nobody repairs: one thing is damaged at a time, by `ip`, `nft`, `tc` and `sysctl`,
 * and CHECK must name it. What is not damaged is not named.
 */
import { expect, it } from '@jest/globals';
import type { PodAttachment } from '#ipamd/datapath/datapath.ts';
import { describeWith } from '#test/support/require.ts';
import { DatapathFixture } from '#test/kernel/support/datapath-fixture.ts';
import { PRIMARY_IPV6 } from '#test/kernel/support/datapath-node.ts';

const IPV4 = '10.0.1.21';
const IPV6 = '2001:db8:0:2:1::21';

/** `LINK` stands for the host's end. `only`: nothing else may be named, because nothing else is touched by the command. */
interface Case {
  readonly name: string;
  readonly where: 'node' | 'a';
  readonly command: string;
  readonly named: RegExp;
  readonly only?: boolean;
}

const CASES: readonly Case[] = [
  {
    name: 'address',
    where: 'a',
    command: 'ip addr del IPV4/32 dev eth0',
    named: /^pod address: expected 10\.0\.1\.21\/32, found missing$/,
  },
  {
    name: 'IPv6 address',
    where: 'a',
    command: 'ip addr del IPV6/128 dev eth0',
    named: /^pod address: expected 2001:db8:0:2:1::21\/128, found missing$/,
  },
  {
    name: 'prefix length',
    where: 'a',
    command: 'ip addr add IPV4/24 dev eth0; ip addr del IPV4/32 dev eth0',
    named: /^pod address: expected 10\.0\.1\.21\/32, found 10\.0\.1\.21\/24$/,
  },
  {
    name: 'default route',
    where: 'a',
    command: 'ip route del default',
    named: /^pod route: expected (0\.0\.0\.0\/0|default).*, found missing$/,
    only: true,
  },
  {
    name: 'IPv6 default route',
    where: 'a',
    command: 'ip -6 route del default',
    named: /^pod route: expected (::\/0|default).*, found missing$/,
    only: true,
  },
  {
    name: 'default route by somebody else',
    where: 'a',
    command: 'ip route replace default via 169.254.1.1 dev eth0 table 100; ip route del default',
    named: /^pod route: /,
    only: true,
  },
  {
    name: 'gateway route',
    where: 'a',
    command: 'ip route del 169.254.1.1',
    named: /^pod route: expected 169\.254\.1\.1.*, found missing$/,
  },
  {
    name: 'permanent neighbour',
    where: 'a',
    command: 'ip neigh del 169.254.1.1 dev eth0',
    named: /^pod neighbour: expected 169\.254\.1\.1 .*, found missing$/,
    only: true,
  },
  {
    name: 'IPv6 neighbour',
    where: 'a',
    command: 'ip neigh del fe80::1 dev eth0',
    named: /^pod neighbour: expected fe80::1 .*, found missing$/,
    only: true,
  },
  {
    name: 'neighbour with another MAC',
    where: 'a',
    command: 'ip neigh replace 169.254.1.1 lladdr 02:00:00:00:00:09 dev eth0 nud permanent',
    named: /^pod neighbour: .*, found 169\.254\.1\.1 02:00:00:00:00:09$/,
    only: true,
  },
  {
    name: 'MTU in the pod',
    where: 'a',
    command: 'ip link set eth0 mtu 1300',
    named: /^pod link eth0 MTU: expected 1400, found 1300$/,
    only: true,
  },
  {
    name: 'MAC in the pod',
    where: 'a',
    command: 'ip link set eth0 address 02:00:00:00:00:09',
    named: /^pod link eth0 MAC: .*, found 02:00:00:00:00:09$/,
  },
  {
    name: 'link down in the pod',
    where: 'a',
    command: 'ip link set eth0 down',
    named: /^pod link eth0 state: expected up, found down$/,
  },
  {
    name: 'link renamed in the pod',
    where: 'a',
    command: 'ip link set eth0 down; ip link set eth0 name eth7',
    named: /^pod link eth0: expected present, found missing$/,
  },
  {
    name: 'bucket in the pod',
    where: 'a',
    command: 'tc qdisc del dev eth0 root',
    named: /^pod link eth0 egress limit: /,
    only: true,
  },
  {
    name: 'IPv6 switched off in the pod',
    where: 'a',
    command: 'echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6',
    named: /^pod address: expected 2001:db8:0:2:1::21\/128, found missing$/,
  },
  {
    name: 'host MTU',
    where: 'node',
    command: 'ip link set LINK mtu 1300',
    named: /^host link LINK MTU: expected 1400, found 1300$/,
    only: true,
  },
  {
    name: 'host MAC',
    where: 'node',
    command: 'ip link set LINK address 02:00:00:00:00:09',
    named: /^host link LINK MAC: .*, found 02:00:00:00:00:09$/,
  },
  {
    name: 'host link down',
    where: 'node',
    command: 'ip link set LINK down',
    named: /^host link LINK state: expected up, found down$/,
  },
  {
    name: 'host link gone',
    where: 'node',
    command: 'ip link del LINK',
    named: /^host link LINK: expected present, found missing$/,
  },
  {
    name: 'link group',
    where: 'node',
    command: 'ip link set LINK group 5',
    named: /^host link LINK group: .*, found 5$/,
    only: true,
  },
  {
    name: 'alias',
    where: 'node',
    command: 'ip link set LINK alias other',
    named: /^host link LINK alias: expected a-sandbox\/eth0, found other$/,
    only: true,
  },
  {
    name: 'rp_filter',
    where: 'node',
    command: 'echo 0 >/proc/sys/net/ipv4/conf/LINK/rp_filter',
    named: /^host link LINK rp_filter: expected 1, found 0$/,
    only: true,
  },
  {
    name: 'route_localnet',
    where: 'node',
    command: 'echo 0 >/proc/sys/net/ipv4/conf/LINK/route_localnet',
    named: /^host link LINK route_localnet: expected 1, found 0$/,
    only: true,
  },
  {
    name: 'bucket on the host',
    where: 'node',
    command: 'tc qdisc replace dev LINK root tbf rate 5mbit burst 10kb latency 50ms',
    named: /^host link LINK ingress limit: /,
    only: true,
  },
  {
    name: 'host route',
    where: 'node',
    command: 'ip route del IPV4 table 8787',
    named: /^host route: expected 10\.0\.1\.21.*, found missing$/,
    only: true,
  },
  {
    name: 'IPv6 host route',
    where: 'node',
    command: 'ip -6 route del IPV6 table 8787',
    named: /^host route: expected 2001:db8:0:2:1::21.*, found missing$/,
    only: true,
  },
  {
    name: 'host neighbour',
    where: 'node',
    command: 'ip neigh del IPV4 dev LINK',
    named: /^host neighbour: expected 10\.0\.1\.21 .*, found missing$/,
    only: true,
  },
  {
    name: 'IPv6 host neighbour',
    where: 'node',
    command: 'ip neigh del IPV6 dev LINK',
    named: /^host neighbour: expected 2001:db8:0:2:1::21 .*, found missing$/,
    only: true,
  },
  {
    name: 'rule to pods',
    where: 'node',
    command: 'ip rule del priority 512',
    named: /^rule: expected 512: from all lookup 8787.*, found none$/,
    only: true,
  },
  {
    name: 'rule of the ENI',
    where: 'node',
    command: 'ip rule del priority 1536',
    named: /^rule: expected 1536: from all fwmark .*, found none$/,
    only: true,
  },
  {
    name: 'IPv6 rule',
    where: 'node',
    command: 'ip -6 rule del priority 512',
    named: /^rule: expected 512: from ::\/0 .*, found none$/,
    only: true,
  },
  {
    name: 'ENI table',
    where: 'node',
    command: 'ip route flush table 2',
    named: /^table 2: expected .*, found /,
    only: true,
  },
  {
    name: 'one route of the ENI table',
    where: 'node',
    command: 'ip route del default table 2',
    named: /^table 2: expected .*, found /,
    only: true,
  },
  {
    name: 'nft mark rule',
    where: 'node',
    command: 'nft flush chain inet wellspring interface',
    named: /^nft chain inet wellspring interface: expected 2 rules, found 0 rules$/,
    only: true,
  },
  {
    name: 'nft rule in the place of ours',
    where: 'node',
    command: 'nft flush chain inet wellspring source-nat; nft add rule inet wellspring source-nat counter accept',
    named: /^nft chain inet wellspring source-nat: /,
    only: true,
  },
  {
    name: 'nft table',
    where: 'node',
    command: 'nft delete table inet wellspring',
    named: /^nft (table|chain) inet wellspring/,
  },
  {
    name: 'element of a host port',
    where: 'node',
    command: 'nft flush map inet wellspring host-ports-ip4',
    named: /^host port .*8080.*: expected 10\.0\.1\.21 port 80, found missing$/,
  },
  {
    name: 'forwarding',
    where: 'node',
    command: 'echo 0 >/proc/sys/net/ipv4/ip_forward',
    named: /^sysctl net[./]ipv4[./]ip_forward: expected 1, found 0$/,
    only: true,
  },
  {
    name: 'IPv6 forwarding',
    where: 'node',
    command: 'echo 0 >/proc/sys/net/ipv6/conf/all/forwarding',
    named: /^sysctl net[./]ipv6[./]conf[./]all[./]forwarding: expected 1, found 0$/,
  },
];

describeWith(['root', 'ip', 'nft'], 'CHECK names each kind of damage', () => {
  const fixture = new DatapathFixture();

  async function setUp(): Promise<PodAttachment> {
    await fixture.setUp({ family: 'dual', primaryIpv6Address: PRIMARY_IPV6 });
    fixture.node.addNamespace('a');
    const pod: PodAttachment = {
      ...fixture.attachment('a', [IPV4, IPV6], 1),
      portMappings: [{ hostPort: 8080, containerPort: 80, protocol: 'tcp', hostIp: undefined }],
      bandwidth: { ingressRate: 8_000_000, ingressBurst: 800_000, egressRate: 8_000_000, egressBurst: 800_000 },
    };
    await fixture.datapath.addPod(pod);
    return pod;
  }

  it.each(CASES)('$name', async ({ where, command, named, only }) => {
    const pod = await setUp();
    const { datapath, node } = fixture;
    expect(await datapath.checkPod(pod)).toEqual([]);
    const insert = (text: string): string =>
      text.replaceAll('LINK', pod.hostIfName).replaceAll('IPV4', IPV4).replaceAll('IPV6', IPV6);
    node.exec(where, 'sh', '-ec', insert(command));
    const found = (await datapath.checkPod(pod)).map(
      (damage) => `${damage.object}: expected ${damage.expected}, found ${damage.found}`,
    );
    const pattern = new RegExp(insert(named.source));
    expect(found).toContainEqual(expect.stringMatching(pattern));
    if (only === true) expect(found.filter((text) => !pattern.test(text))).toEqual([]);
  });

  it('and a namespace that is gone is no damage but an error that names it', async () => {
    const pod = await setUp();
    fixture.node.removeNamespace('a');
    await expect(fixture.datapath.checkPod(pod)).rejects.toMatchObject({
      code: 'no-such-netns',
      message: expect.stringContaining(pod.netns),
    });
  });
});
