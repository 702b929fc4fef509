/**
 * Helper addresses by which pods of one family reach out in the other: IPv4 for pods with nothing but IPv6, and the reverse.
 * They mean something on this node alone; what leaves is translated to the node's own address (`nftables/ruleset.ts`). Pure.
 */
import type { HostConfig } from './datapath.ts';
import { addressBytes, addressText, familyOf, type IpFamily } from './ip.ts';

/** The blocks of amazon-vpc-cni-k8s's egress plugin. The last ten bits number the pods. */
export const EGRESS_BLOCKS: Readonly<Record<IpFamily, string>> = {
  ipv4: '169.254.172.0/22',
  ipv6: 'fd00::ac:0/118',
};

const HOST_BITS_MASK = 0x3ff;
/** How many addresses of a block are handed out: not its first and not its last. */
export const EGRESS_ADDRESSES = 0x3fe;

/** A family that pods reach by the node, and the node's address for it. */
export interface Egress {
  readonly family: IpFamily;
  readonly nodeAddress: string;
}

/** What the settings ask for. IPv6 needs an IPv6 address of the node; without one there is no way out. */
export function egressOf(config: HostConfig): readonly Egress[] {
  const { ipv4Egress = false, ipv6Egress = false, primaryAddress, primaryIpv6Address } = config;
  return [
    ...(ipv4Egress ? [{ family: 'ipv4' as const, nodeAddress: primaryAddress }] : []),
    ...(ipv6Egress && primaryIpv6Address !== undefined
      ? [{ family: 'ipv6' as const, nodeAddress: primaryIpv6Address }]
      : []),
  ];
}

/** The block's address of a number from 0 on. */
export function egressAddress(family: IpFamily, number: number): string {
  const bytes = addressBytes(EGRESS_BLOCKS[family].split('/')[0] ?? '');
  const end = bytes.length - 2;
  bytes.writeUInt16BE((bytes.readUInt16BE(end) & ~HOST_BITS_MASK) | (1 + (number % EGRESS_ADDRESSES)), end);
  return addressText(bytes);
}

/** Whether an address is such a helper. */
export function isEgressAddress(address: string): boolean {
  const [bytes, block] = [addressBytes(address), addressBytes(EGRESS_BLOCKS[familyOf(address)].split('/')[0] ?? '')];
  const end = bytes.length - 2;
  bytes.writeUInt16BE(bytes.readUInt16BE(end) & ~HOST_BITS_MASK, end);
  return bytes.equals(block);
}
