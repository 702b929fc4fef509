/**
 * The numbers by which everything of ours is recognised in the kernel, and the arithmetic on them: tables, link groups
 * and packet marks of ENIs. The README of this folder says why each is what it is. Pure.
 */
import { DatapathError, type OwnershipMarks } from './datapath.ts';
import type { IpFamily } from './ip.ts';
import { RT_TABLE_MAIN } from './netlink/constants.ts';

/** Priorities of our rules; 512 to 32765 as in amazon-vpc-cni-k8s, so that both lists read alike. */
export const RULE_PRIORITY = { toPod: 512, connectionMark: 1024, fromPod: 1536, fromInterface: 32765 } as const;

/** The gateways that every pod sees; no interface carries them (amazon-vpc-cni-k8s uses the same). */
export const POD_GATEWAYS: Readonly<Record<IpFamily, string>> = { ipv4: '169.254.1.1', ipv6: 'fe80::1' };

/** The gateway of a pod's interface by its number, 0 for the first: the last part counts on, as in amazon-vpc-cni-k8s. */
export function podGateway(family: IpFamily, index = 0): string {
  if (index === 0) return POD_GATEWAYS[family];
  return family === 'ipv4' ? `169.254.1.${index + 1}` : `fe80::${(index + 1).toString(16)}`;
}

/** The priority of a pod's own rules for its further interfaces; amazon-vpc-cni-k8s has the same. */
export const FURTHER_INTERFACE_PRIORITY = 1;

/** The VPC router's link-local address, the same in every subnet (VPC user guide, "Subnet route tables"). */
export const IPV6_SUBNET_GATEWAY = 'fe80:ec2::1';

export const DEFAULT_MARKS: OwnershipMarks = {
  protocol: 87,
  groupBase: 0x57530000,
  groupMask: 0xffff0000,
  eniMarkMask: 0x7f,
  connmark: 0x80,
  podTable: 8787,
  nftTable: 'wellspring',
};

/** kube-proxy's packet mark for "to be given the node's address" (its default `iptables.masqueradeBit`, 14). */
export const KUBE_PROXY_MASQUERADE = 0x4000;
/** kube-proxy's masquerade and drop bits: on every node, whatever else runs there. */
const FOREIGN_MARK_BITS = KUBE_PROXY_MASQUERADE | 0x8000;

/** Fills in the defaults. Throws `DatapathError` for marks that overlap or cannot hold an ENI number. */
export function completeMarks(marks: Partial<OwnershipMarks> = {}): OwnershipMarks {
  const all = { ...DEFAULT_MARKS, ...marks };
  const overlap = (all.eniMarkMask & (FOREIGN_MARK_BITS | all.connmark)) | (all.connmark & FOREIGN_MARK_BITS);
  if (overlap !== 0) throw invalid(`mark bits 0x${(overlap >>> 0).toString(16)} are used twice`);
  const shifted = all.eniMarkMask >>> markShift(all.eniMarkMask);
  if (all.eniMarkMask === 0 || (shifted & (shifted + 1)) !== 0) throw invalid('eniMarkMask must be one run of bits');
  if (((all.groupBase & ~all.groupMask) | (0xffff & all.groupMask)) !== 0) {
    throw invalid('groupMask must leave the lower 16 bits free, and groupBase must lie within it');
  }
  return all;
}

function invalid(reason: string): DatapathError {
  return new DatapathError('kernel-refused', `ownership marks: ${reason}`);
}

function markShift(mask: number): number {
  return mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
}

/** Which ENI: its place on the instance. Device 0 on card 0 is the primary one. */
export interface InterfacePlace {
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
}

/** The routing table of an ENI, numbered as amazon-vpc-cni-k8s and amazon-ec2-net-utils do. */
export function interfaceTable({ deviceIndex, networkCardIndex }: InterfacePlace): number {
  if (networkCardIndex > 0) return 10000 + deviceIndex + 100 * networkCardIndex;
  return deviceIndex === 0 ? RT_TABLE_MAIN : deviceIndex + 1;
}

/** The ENI that a table of ours belongs to; the reverse of `interfaceTable`. */
export function placeOfTable(table: number): InterfacePlace {
  if (table < 10000) return { deviceIndex: table - 1, networkCardIndex: 0 };
  return { deviceIndex: (table - 10000) % 100, networkCardIndex: Math.floor((table - 10000) / 100) };
}

/** The link group of an ENI's pods: it tells the ENI and that the link is ours. */
export function podGroup(marks: OwnershipMarks, { deviceIndex, networkCardIndex }: InterfacePlace): number {
  return (marks.groupBase | (networkCardIndex << 8) | deviceIndex) >>> 0;
}

/** The group of links that are about to be removed: ours still, but no pod's. */
export function dyingGroup(marks: OwnershipMarks): number {
  return (marks.groupBase | 0xffff) >>> 0;
}

/** Whether a link group is one of ours (a pod's or the dying one). */
export function isOurGroup(marks: OwnershipMarks, group: number): boolean {
  return ((group ^ marks.groupBase) & marks.groupMask) === 0;
}

/**
 * The packet-mark value of an ENI: its device index, 32 further for each card, if that fits the mask and is free;
 * otherwise the highest free value. Never 0, which is what unmarked packets carry.
 */
export function chooseMark(marks: OwnershipMarks, place: InterfacePlace, taken: ReadonlySet<number>): number {
  const shift = markShift(marks.eniMarkMask);
  const highest = marks.eniMarkMask >>> shift;
  const preferred = place.deviceIndex + 32 * place.networkCardIndex;
  const isFree = (value: number): boolean => value > 0 && value <= highest && !taken.has((value << shift) >>> 0);
  if (isFree(preferred)) return (preferred << shift) >>> 0;
  for (let value = highest; value > 0; value -= 1) if (isFree(value)) return (value << shift) >>> 0;
  throw invalid(`mask 0x${marks.eniMarkMask.toString(16)} has no value left for one more ENI`);
}
