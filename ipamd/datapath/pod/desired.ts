/** The messages that make one pod: the veth pair, the pod's side, the host's side. Pure. */
import { DatapathError, type LinkMacs, type OwnershipMarks, type PodAttachment } from '../datapath.ts';
import { strictTables } from '../branch/desired.ts';
import { branchGroup } from '../branch/numbers.ts';
import { anyAddress, hostPrefixLength, type IpFamily, parseAddress } from '../ip.ts';
import { FURTHER_INTERFACE_PRIORITY, podGateway, podGroup } from '../marks.ts';
import { attachmentKey, linkMac } from '../names.ts';
import { IFA_F_NODAD, RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN, RTPROT_BOOT } from '../netlink/constants.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { addAddress, type LinkAddress } from '../netlink/route/address.ts';
import { changeLink, withoutLinkLocalAddress, type VethPair } from '../netlink/route/link.ts';
import { replaceNeighbour } from '../netlink/route/neighbour.ts';
import { replaceRoute, type Route } from '../netlink/route/route.ts';
import { addRule, type Rule } from '../netlink/route/rule.ts';

/** The loopback link has index 1 in every namespace (net/core/dev.c: the first device registered). */
export const LOOPBACK_INDEX = 1;
/** Reverse-path filter of pods' links: strict, checked against the pods' table. */
export const STRICT = 1;
const LOOSE = 2;

/** IFALIASZ is 256 with the terminating zero. */
const ALIAS_BYTES = 255;

/** The node's own address of each family, where it is known: pods are reached from it. */
export type NodeAddresses = Readonly<Record<IpFamily, string | undefined>>;

/** A function of values that never change, which one ADD asks for many times: what it said is kept for as long as the value is. */
function remembering<K extends object, V>(derive: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, V>();
  return (key) => {
    const before = known.get(key);
    if (before !== undefined) return before;
    const value = derive(key);
    known.set(key, value);
    return value;
  };
}

/** MACs that are the same whenever the same attachment is made; those of a link that was adopted are what they are. */
export const podMacs: (pod: Pick<PodAttachment, 'containerId' | 'ifName' | 'macs'>) => LinkMacs = remembering(
  ({ containerId, ifName, macs }) =>
    macs ?? {
      host: linkMac(containerId, ifName, 'host'),
      pod: linkMac(containerId, ifName, 'pod'),
    },
);

/** The alias by which the host's link tells its pod. */
export function podAlias(pod: Pick<PodAttachment, 'containerId' | 'ifName'>): string {
  return attachmentKey(pod.containerId, pod.ifName).slice(0, ALIAS_BYTES);
}

/** The group of the host's link: which ENI its packets leave by. */
export function linkGroup(marks: OwnershipMarks, pod: PodAttachment): number {
  return pod.branch === undefined ? podGroup(marks, pod) : branchGroup(marks, pod.branch.mode);
}

/** The pair, with indexes of our choice, or 0 and 0 for the kernel's. */
export function podVeth(
  marks: OwnershipMarks,
  pod: PodAttachment,
  netnsFd: number,
  indexes: { readonly host: number; readonly pod: number },
): VethPair {
  const macs = podMacs(pod);
  return {
    here: { name: pod.hostIfName, mac: macs.host, index: indexes.host },
    there: { name: pod.ifName, mac: macs.pod, index: indexes.pod },
    thereNetnsFd: netnsFd,
    mtu: pod.mtu,
    group: linkGroup(marks, pod),
  };
}

/** One address of a pod, spelt as the kernel spells it. */
export interface PodIp {
  readonly family: IpFamily;
  readonly address: string;
  readonly prefixLength: number;
}

/** The pod's addresses. Throws `DatapathError` for text that is no address, and unless there is one of a family at most. */
export function podIps({ addresses }: Pick<PodAttachment, 'addresses'>): readonly PodIp[] {
  return ipsOf(addresses);
}

const ipsOf = remembering((addresses: readonly string[]): readonly PodIp[] => {
  const ips = addresses.map((text) => {
    const { family, text: address } = parseAddress(text);
    return { family, address, prefixLength: hostPrefixLength(family) };
  });
  const families = new Set(ips.map(({ family }) => family));
  if (ips.length > 0 && families.size === ips.length) return ips;
  throw new DatapathError('kernel-refused', `a pod has one address of a family, not ${JSON.stringify(addresses)}`);
});

/** Whether the pod has an IPv6 address. */
export function hasIpv6(pod: Pick<PodAttachment, 'addresses'>): boolean {
  return podIps(pod).some(({ family }) => family === 'ipv6');
}

/** An address on the pod's link. Duplicates cannot be there, and looking for them would take the kernel a second. */
export function podAddress(ip: PodIp, link: number): LinkAddress {
  const flags = ip.family === 'ipv6' ? IFA_F_NODAD : 0;
  return { index: link, address: ip.address, prefixLength: ip.prefixLength, flags, scope: 0, protocol: 0 };
}

/** The routes of one family within the pod, in the order in which they can be added; `index` is the interface's number. */
export function podRoutes({ family, prefixLength }: PodIp, link: number, index = 0): readonly Route[] {
  const common = { table: podTableOf(index), protocol: RTPROT_BOOT, link };
  const gateway = podGateway(family, index);
  return [
    { ...common, destination: gateway, prefixLength, scope: RT_SCOPE_LINK },
    { ...common, destination: anyAddress(family), prefixLength: 0, scope: RT_SCOPE_UNIVERSE, gateway },
  ];
}

/** What a further interface sends by its own table; nothing for the first. */
export function podRules(pod: PodAttachment): readonly Rule[] {
  const { index = 0 } = pod;
  if (index === 0) return [];
  return podIps(pod).map(({ family, address }) => ({
    family,
    priority: FURTHER_INTERFACE_PRIORITY,
    table: podTableOf(index),
    protocol: RTPROT_BOOT,
    source: address,
  }));
}

function podTableOf(index: number): number {
  return index === 0 ? RT_TABLE_MAIN : index;
}

/**
 * Everything in the pod's namespace, for one send. A pod without an IPv6 address gets no link-local one either; apart from
 * that its IPv6 is left as it is, `::1` above all.
 */
export function podSide(pod: PodAttachment, link: number): readonly NetlinkRequest[] {
  const ips = podIps(pod);
  const { host } = podMacs(pod);
  return [
    changeLink(LOOPBACK_INDEX, { up: true }, 'lo'),
    ...(hasIpv6(pod) ? [] : [withoutLinkLocalAddress(link, pod.ifName)]),
    changeLink(link, { up: true }, pod.ifName),
    ...ips.map((ip) => addAddress(podAddress(ip, link))),
    ...ips.flatMap((ip) => podRoutes(ip, link, pod.index).map(replaceRoute)),
    ...ips.map(({ family }) => replaceNeighbour(link, podGateway(family, pod.index), host)),
    ...podRules(pod).map(addRule),
  ];
}

/** The route to a pod's address on the host. The node's own traffic to the pod comes from the node's own address. */
export function hostRoute(marks: OwnershipMarks, ip: PodIp, link: number, node: NodeAddresses): Route {
  return {
    destination: ip.address,
    prefixLength: ip.prefixLength,
    table: marks.podTable,
    protocol: marks.protocol,
    scope: RT_SCOPE_LINK,
    link,
    preferredSource: node[ip.family],
  };
}

/** The routes to one of the pod's addresses. A strict branch pod is in no table that node and neighbours ask. */
export function hostRoutes(
  marks: OwnershipMarks,
  { branch }: Pick<PodAttachment, 'branch'>,
  ip: PodIp,
  link: number,
  node: NodeAddresses,
): readonly Route[] {
  const route = hostRoute(marks, ip, link, node);
  if (branch?.mode !== 'strict') return [route];
  return strictTables(marks, branch).map((table) => ({ ...route, table, preferredSource: undefined }));
}

/** Strict, but for pods whose addresses are in no table that the filter asks; nftables judges theirs. */
export function rpFilterOf({ branch }: Pick<PodAttachment, 'branch'>): 1 | 2 {
  return branch?.mode === 'strict' ? LOOSE : STRICT;
}

/**
 * Everything on the host, for one send, before the pod's end is up: then the host's end never gets a link-local address,
 * which it needs for nothing. The alias comes in a message of its own, because the kernel drops an alias in the message
 * that creates a link; rp_filter likewise (IFLA_AF_SPEC is read for existing links only, rtnetlink.c do_setlink).
 */
export function hostSide(
  marks: OwnershipMarks,
  pod: PodAttachment,
  link: number,
  node: NodeAddresses,
): readonly NetlinkRequest[] {
  const macs = podMacs(pod);
  return [
    withoutLinkLocalAddress(link, pod.hostIfName),
    changeLink(link, { alias: podAlias(pod), rpFilter: rpFilterOf(pod) }, pod.hostIfName),
    ...podIps(pod).flatMap((ip) => hostRoutes(marks, pod, ip, link, node).map(replaceRoute)),
    ...podIps(pod).map(({ address }) => replaceNeighbour(link, address, macs.pod)),
  ];
}
