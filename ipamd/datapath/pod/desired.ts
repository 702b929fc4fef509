/** The messages that make one pod: the veth pair, the pod's side, the host's side. Pure. */
import type { OwnershipMarks, PodAttachment } from '../datapath.ts';
import { POD_GATEWAY, podGroup } from '../marks.ts';
import { attachmentKey, linkMac } from '../names.ts';
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_MAIN, RTPROT_BOOT } from '../netlink/constants.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { addAddress, type LinkAddress } from '../netlink/route/address.ts';
import { changeLink, type VethPair } from '../netlink/route/link.ts';
import { replaceNeighbour } from '../netlink/route/neighbour.ts';
import { replaceRoute, type Route } from '../netlink/route/route.ts';

/** The loopback link has index 1 in every namespace (net/core/dev.c: the first device registered). */
const LOOPBACK_INDEX = 1;
/** Reverse-path filter of pods' links: strict, checked against the pods' table. */
const STRICT = 1;

/** IFALIASZ is 256 with the terminating zero. */
const ALIAS_BYTES = 255;

/** The hardware addresses of both ends. */
export interface PodMacs {
  readonly host: string;
  readonly pod: string;
}

/** MACs that are the same whenever the same attachment is made. */
export function podMacs(pod: PodAttachment): PodMacs {
  return { host: linkMac(pod.containerId, pod.ifName, 'host'), pod: linkMac(pod.containerId, pod.ifName, 'pod') };
}

/** The alias by which the host's link tells its pod. */
export function podAlias(pod: PodAttachment): string {
  return attachmentKey(pod.containerId, pod.ifName).slice(0, ALIAS_BYTES);
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
    group: podGroup(marks, pod),
  };
}

/** The pod's address on its link. */
export function podAddress(pod: PodAttachment, link: number): LinkAddress {
  return { index: link, address: pod.address, prefixLength: 32, flags: 0, scope: 0, protocol: 0 };
}

/** The routes within the pod, in the order in which they can be added. */
export function podRoutes(link: number): readonly Route[] {
  const common = { table: RT_TABLE_MAIN, protocol: RTPROT_BOOT, link };
  return [
    { ...common, destination: POD_GATEWAY, prefixLength: 32, scope: RT_SCOPE_LINK },
    { ...common, destination: '0.0.0.0', prefixLength: 0, scope: RT_SCOPE_UNIVERSE, gateway: POD_GATEWAY },
  ];
}

/** Everything in the pod's namespace, for one send. */
export function podSide(pod: PodAttachment, link: number): readonly NetlinkRequest[] {
  return [
    changeLink(LOOPBACK_INDEX, { up: true }, 'lo'),
    changeLink(link, { up: true }, pod.ifName),
    addAddress(podAddress(pod, link)),
    ...podRoutes(link).map(replaceRoute),
    replaceNeighbour(link, POD_GATEWAY, podMacs(pod).host),
  ];
}

/** The pod's route on the host. The node's own traffic to the pod comes from the node's primary address. */
export function hostRoute(
  marks: OwnershipMarks,
  pod: PodAttachment,
  link: number,
  nodeAddress: string | undefined,
): Route {
  return {
    destination: pod.address,
    prefixLength: 32,
    table: marks.podTable,
    protocol: marks.protocol,
    scope: RT_SCOPE_LINK,
    link,
    preferredSource: nodeAddress,
  };
}

/**
 * Everything on the host, for one send. The alias comes in a message of its own, because the kernel drops an alias in the
 * message that creates a link; rp_filter likewise (IFLA_AF_SPEC is read for existing links only, rtnetlink.c do_setlink).
 */
export function hostSide(
  marks: OwnershipMarks,
  pod: PodAttachment,
  link: number,
  nodeAddress: string | undefined,
): readonly NetlinkRequest[] {
  return [
    changeLink(link, { alias: podAlias(pod), rpFilter: STRICT }, pod.hostIfName),
    replaceRoute(hostRoute(marks, pod, link, nodeAddress)),
    replaceNeighbour(link, pod.address, podMacs(pod).pod),
  ];
}
