/**
 * A node as amazon-vpc-cni-k8s v1.23 makes it, by `ip` and `iptables` alone and from its behaviour reference: ENI tables,
 * rules, NAT and connection marks, pods with their veths, and the checkpoint.
 */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import { runCommand } from '#test/support/command.ts';

export interface PeerEni {
  readonly mac: string;
  readonly primaryAddress: string;
  readonly deviceIndex: number;
  readonly gateway: string;
  readonly prefixLength: number;
}

export interface PeerPod extends TestPod {
  readonly address: string;
  readonly hostIfName: string;
}

export interface PeerHost {
  readonly vpcCidr: string;
  readonly nodeAddress: string;
  readonly primaryLink: string;
  /** Its connection marks by nftables' own table in place of iptables chains. */
  readonly nativeMarks?: boolean;
}

export class PeerLayout {
  readonly node: ClusterNode;
  /** The variant that it finds on the host, and takes. */
  readonly iptablesCommand: 'iptables-nft' | 'iptables-legacy';
  readonly #allocations: object[] = [];

  constructor(node: ClusterNode, iptables: PeerLayout['iptablesCommand'] = 'iptables-nft') {
    this.node = node;
    this.iptablesCommand = iptables;
  }

  ip(...command: readonly string[]): Promise<string> {
    return runCommand('ip', ['-n', this.node.netns, ...command]);
  }

  tc(...command: readonly string[]): Promise<string> {
    return runCommand('nsenter', [`--net=${this.node.netnsPath}`, 'tc', ...command]);
  }

  iptables(...command: readonly string[]): Promise<string> {
    return runCommand('nsenter', [`--net=${this.node.netnsPath}`, this.iptablesCommand, '-w', ...command]);
  }

  nft(command: string): Promise<string> {
    return runCommand('nsenter', [`--net=${this.node.netnsPath}`, 'nft', command]);
  }

  /** Its SetupHostNetwork: the rule for marked packets, source NAT and connection marks. */
  async setUpHost({ vpcCidr, nodeAddress, primaryLink, nativeMarks = false }: PeerHost): Promise<void> {
    const marked = ['priority', '1024', 'fwmark', '0x80/0x80', 'lookup', 'main'];
    // The peer deletes it before, in the same breath; two programs would leave a gap that is not its own.
    if (!(await this.ip('rule', 'show')).includes('1024:')) await this.ip('rule', 'add', ...marked);
    const comment = (text: string) => ['-m', 'comment', '--comment', text];
    const [snat, marks] = ['AWS-SNAT-CHAIN-0', 'AWS-CONNMARK-CHAIN-0'];
    const nat = (...rule: readonly string[]) => this.iptables('-t', 'nat', ...rule);
    const mangle = (...rule: readonly string[]) =>
      this.iptables('-t', 'mangle', '-A', 'PREROUTING', ...rule, ...comment('AWS, primary ENI'));
    await nat('-N', snat);
    await nat('-A', snat, '-d', vpcCidr, ...comment('AWS SNAT CHAIN'), '-j', 'RETURN');
    const outside = ['!', '-o', 'vlan+', ...comment('AWS, SNAT'), '-m', 'addrtype', '!', '--dst-type', 'LOCAL'];
    await nat('-A', snat, ...outside, '-j', 'SNAT', '--to-source', nodeAddress, '--random-fully');
    await nat('-A', 'POSTROUTING', ...comment('AWS SNAT CHAIN'), '-j', snat);
    const nodePort = ['-m', 'addrtype', '--dst-type', 'LOCAL', '--limit-iface-in'];
    await mangle('-i', primaryLink, ...nodePort, '-j', 'CONNMARK', '--set-mark', '0x80/0x80');
    await mangle('-i', 'eni+', '-j', 'CONNMARK', '--restore-mark', '--mask', '0x80');
    await mangle('-i', 'vlan+', '-j', 'CONNMARK', '--restore-mark', '--mask', '0x80');
    if (nativeMarks) {
      await this.nft(
        `add table ip aws-cni
         add chain ip aws-cni snat-mark
         add rule ip aws-cni snat-mark ip daddr ${vpcCidr} counter return
         add rule ip aws-cni snat-mark counter ct mark set ct mark or 0x80
         add chain ip aws-cni nat-prerouting { type nat hook prerouting priority -90; policy accept; }
         add rule ip aws-cni nat-prerouting fib daddr type local counter return
         add rule ip aws-cni nat-prerouting iifname "eni*" counter jump snat-mark
         add rule ip aws-cni nat-prerouting counter meta mark set ct mark and 0x80`,
      );
      return;
    }
    await nat('-N', marks);
    await nat('-A', marks, '-d', vpcCidr, ...comment('AWS CONNMARK CHAIN'), '-j', 'RETURN');
    await nat('-A', marks, ...comment('AWS, CONNMARK'), '-j', 'CONNMARK', '--set-xmark', '0x80/0x80');
    await nat('-A', 'PREROUTING', '-i', 'eni+', ...comment('AWS, outbound connections'), '-j', marks);
    const restore = ['-j', 'CONNMARK', '--restore-mark', '--mask', '0x80'];
    await nat('-A', 'PREROUTING', '-i', 'eni+', ...comment('AWS, CONNMARK'), ...restore);
  }

  /** Its SetupENINetwork. */
  async setUpEni({ mac, primaryAddress, deviceIndex, gateway, prefixLength }: PeerEni): Promise<void> {
    const link = await this.linkWith(mac);
    const table = String(deviceIndex + 1);
    await this.ip('link', 'set', link, 'up');
    await this.ip('address', 'flush', 'dev', link, 'scope', 'global');
    await this.ip('address', 'add', `${primaryAddress}/${prefixLength}`, 'dev', link);
    await this.ip('route', 'replace', gateway, 'dev', link, 'scope', 'link', 'table', table);
    await this.ip('route', 'replace', 'default', 'via', gateway, 'dev', link, 'table', table);
    const connected = `${networkOf(primaryAddress, prefixLength)}/${prefixLength}`;
    await this.ip('route', 'delete', connected, 'dev', link, 'proto', 'kernel', 'table', 'main');
    await this.ip('rule', 'add', 'priority', '32765', 'from', primaryAddress, 'lookup', table);
  }

  /** A pod of its routed-eni plugin: the same steps in the same order. */
  async addPod(name: string, address: string, deviceIndex: number): Promise<PeerPod> {
    const hostIfName = `eni${createHash('sha1').update(`default.${name}`).digest('hex').slice(0, 11)}`;
    const pod = await this.node.createSandbox(name);
    const inside = (...command: readonly string[]) => runCommand('ip', ['-n', pod.netns, ...command]);
    await inside('link', 'set', 'lo', 'up');
    const hostMac = randomMac(name);
    const ends = ['type', 'veth', 'peer', 'name', 'eth0', 'netns', pod.netns];
    await this.ip('link', 'add', hostIfName, 'address', hostMac, 'mtu', '9001', ...ends);
    await inside('link', 'set', 'eth0', 'mtu', '9001', 'up');
    await this.ip('link', 'set', hostIfName, 'up');
    const isIpv6 = isIPv6(address);
    const [gateway, length, family] = isIpv6 ? ['fe80::1', 128, '-6'] : ['169.254.1.1', 32, '-4'];
    await inside(family, 'route', 'add', gateway, 'dev', 'eth0', 'scope', 'link');
    await inside(family, 'route', 'add', 'default', 'via', gateway, 'dev', 'eth0');
    await inside('address', 'add', `${address}/${length}`, 'dev', 'eth0', ...(isIpv6 ? ['nodad'] : []));
    await inside('neigh', 'add', gateway, 'lladdr', hostMac, 'dev', 'eth0', 'nud', 'permanent');
    await this.ip(family, 'route', 'replace', address, 'dev', hostIfName, 'scope', 'link');
    await this.ip(family, 'rule', 'add', 'priority', '512', 'to', address, 'lookup', 'main');
    if (deviceIndex > 0)
      await this.ip(family, 'rule', 'add', 'priority', '1536', 'from', address, 'lookup', String(deviceIndex + 1));
    this.#allocations.push({
      networkName: 'aws-cni',
      containerID: pod.containerId,
      ifName: 'eth0',
      ...(isIpv6 ? { ipv6: address } : { ipv4: address }),
      allocationTimestamp: 1_700_000_000_000_000_000,
      metadata: { k8sPodNamespace: 'default', k8sPodName: name, interfacesCount: 1 },
    });
    return { ...pod, address, hostIfName };
  }

  /** Its checkpoint, as it would be at this moment. */
  writeCheckpoint(path: string): Promise<void> {
    return writeFile(path, JSON.stringify({ version: 'vpc-cni-ipam/1', allocations: this.#allocations }));
  }

  async linkWith(mac: string): Promise<string> {
    const links = JSON.parse(await this.ip('-j', 'link', 'show')) as readonly {
      readonly ifname: string;
      readonly address: string;
    }[];
    const link = links.find(({ address }) => address === mac);
    if (link === undefined) throw new Error(`no link with ${mac} on ${this.node.name}`);
    return link.ifname;
  }
}

function networkOf(address: string, prefixLength: number): string {
  const octets = address.split('.').map(Number);
  const value = octets.reduce((sum, octet) => sum * 256 + octet, 0);
  const base = Math.floor(value / 2 ** (32 - prefixLength)) * 2 ** (32 - prefixLength);
  return [24, 16, 8, 0].map((shift) => Math.floor(base / 2 ** shift) % 256).join('.');
}

/** Locally administered, as the peer's are random. */
function randomMac(name: string): string {
  const digits = createHash('sha1').update(`mac ${name}`).digest('hex');
  return `02:${[0, 2, 4, 6, 8].map((at) => digits.slice(at, at + 2)).join(':')}`;
}
