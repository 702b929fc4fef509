/**
 * A node with a trunk: beside its two ENIs a third link, whose far end carries VLAN links in the fabric, one for each branch
 * ENI. The fabric takes from a branch ENI only what has its address, as EC2 does.
 */
import type { BranchInterface, PodAttachment } from '#ipamd/datapath/datapath.ts';
import { hostIfName } from '#ipamd/datapath/names.ts';
import { run, type TestNode } from '#test/kernel/support/datapath-node.ts';

export const TRUNK_MAC = '02:57:00:00:00:03';
/** An address of the VPC, on the fabric itself. */
export const VPC_ADDRESS = '10.0.9.1';

/** A branch ENI: its VLAN, and its addresses in a subnet of its own. */
export interface Branch {
  readonly vlanId: number;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** `10.0.VLAN.20` and `2001:db8:VLAN::20`. */
export function branchOf(vlanId: number): Branch {
  const mac = `02:57:00:00:01:${vlanId.toString(16).padStart(2, '0')}`;
  return { vlanId, mac, ipv4: `10.0.${vlanId}.20`, ipv6: `2001:db8:${vlanId}::20` };
}

/** Puts the trunk and its branches onto the node. */
export function addTrunk(node: TestNode, branches: readonly Branch[]): void {
  run(
    'ip',
    'link',
    'add',
    'eth2',
    'netns',
    node.name('node'),
    'type',
    'veth',
    'peer',
    'name',
    't0',
    'netns',
    node.name('fabric'),
  );
  node.ip('node', `link set eth2 address ${TRUNK_MAC}`);
  node.ip('fabric', 'link set t0 up');
  node.ip('fabric', `addr add ${VPC_ADDRESS}/32 dev lo`);
  for (const branch of branches) addBranch(node, branch);
  for (const line of ruleset(branches)) node.exec('fabric', 'nft', line);
}

/** Not by rp_filter, which judges ARP as well: EC2 answers a question for the router whoever asks. */
function ruleset(branches: readonly Branch[]): readonly string[] {
  const chain = 'add chain inet branches from-node { type filter hook prerouting priority raw; }';
  const ofBranch = ({ vlanId }: Branch): readonly string[] => {
    const from = `add rule inet branches from-node iifname t0.${vlanId}`;
    return [
      `add counter inet branches from${vlanId}`,
      `${from} meta l4proto { tcp, udp } counter name from${vlanId}`,
      `${from} meta nfproto ipv4 fib saddr . iif oif missing drop`,
      `${from} ip6 saddr != fe80::/10 fib saddr . iif oif missing drop`,
    ];
  };
  return ['add table inet branches', chain, ...branches.flatMap(ofBranch)];
}

function addBranch(node: TestNode, { vlanId, mac, ipv4, ipv6 }: Branch): void {
  const link = `t0.${vlanId}`;
  node.ip('fabric', `link add link t0 name ${link} type vlan id ${vlanId}`);
  node.ip('fabric', `addr add 10.0.${vlanId}.1/24 dev ${link}`);
  node.ip('fabric', `addr add fe80:ec2::1/64 dev ${link} nodad`);
  node.ip('fabric', `link set ${link} up`);
  // The VPC knows where an address is: nobody is asked for it.
  node.ip('fabric', `neigh add ${ipv4} lladdr ${mac} dev ${link} nud permanent`);
  node.ip('fabric', `route add ${ipv6}/128 dev ${link}`);
  node.ip('fabric', `neigh add ${ipv6} lladdr ${mac} dev ${link} nud permanent`);
  node.ip('outside', `route add ${ipv4}/32 via 198.51.100.1`);
}

/** Packets of UDP and TCP that the fabric has had from a branch ENI. */
export function packetsFrom(node: TestNode, { vlanId }: Branch): number {
  const text = node.exec('fabric', 'nft', 'list', 'counter', 'inet', 'branches', `from${vlanId}`);
  return Number(/packets (\d+)/.exec(text)?.[1]);
}

/** The attachment of a pod with a branch ENI; its namespace is made. */
export function branchPod(
  node: TestNode,
  short: string,
  branch: Branch,
  mode: BranchInterface['mode'],
  addresses: readonly string[] = [branch.ipv4, branch.ipv6],
): PodAttachment {
  const containerId = `${short}-sandbox`;
  return {
    containerId,
    ifName: 'eth0',
    netns: node.addNamespace(short),
    addresses,
    hostIfName: hostIfName(mode === 'strict' ? 'vlan' : 'eni', containerId, 'eth0'),
    deviceIndex: 0,
    networkCardIndex: 0,
    mtu: 1400,
    branch: {
      mac: branch.mac,
      vlanId: branch.vlanId,
      trunkMac: TRUNK_MAC,
      subnetCidr: `10.0.${branch.vlanId}.0/24`,
      mode,
    },
  };
}

/** Ports of the node that lead to whom the map says, as kube-proxy in iptables and nftables mode leads them: masqueraded by its bit. */
export function servePorts(node: TestNode, backends: Readonly<Record<number, string>>): void {
  const chain = (name: string, hook: string, priority: number) =>
    `add chain ip proxy ${name} { type nat hook ${hook} priority ${priority}; }`;
  node.exec('node', 'nft', 'add table ip proxy');
  node.exec('node', 'nft', chain('services', 'prerouting', -100));
  node.exec('node', 'nft', chain('hide', 'postrouting', 100));
  node.exec('node', 'nft', 'add rule ip proxy hide meta mark & 0x4000 == 0 return');
  node.exec('node', 'nft', 'add rule ip proxy hide meta mark set mark ^ 0x4000 masquerade fully-random');
  for (const [port, backend] of Object.entries(backends)) {
    const translated = `meta mark set mark | 0x4000 dnat to ${backend}`;
    node.exec('node', 'nft', `add rule ip proxy services fib daddr type local tcp dport ${port} ${translated}`);
  }
}
