/**
 * A node's kernel back in the layout of amazon-vpc-cni-k8s, with its pods running. Nothing of ours goes before the peer's is
 * there; our table stays, in another form (return-table.ts), until the peer has made its chains and somebody removes it
 * (`wellspringctl cleanup`). Every step can be repeated after a crash.
 */
import type { HostConfig, HostInterface, OwnershipMarks } from '../datapath.ts';
import { restoreLocalRule } from '../branch/local-rule.ts';
import { withBridge } from '../host/address-bridge.ts';
import { interfaceRoutes } from '../host/desired.ts';
import { familyOf, type IpFamily } from '../ip.ts';
import { readAddresses, readLinkByName, readRoutes, readRules, requireLinkByMac, type Kernel } from '../kernel.ts';
import { interfaceTable, RULE_PRIORITY } from '../marks.ts';
import { attribute, textAttribute, u32Attribute } from '../netlink/attributes.ts';
import { IFLA, RT_SCOPE_LINK, RT_TABLE_MAIN, RTM, RTPROT_BOOT } from '../netlink/constants.ts';
import { attempt, submit } from '../netlink/exchange.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { addAddress, deleteAddress } from '../netlink/route/address.ts';
import { changeLink, linkHeader, type Link } from '../netlink/route/link.ts';
import { replaceNeighbour } from '../netlink/route/neighbour.ts';
import { deleteRoute, replaceRoute } from '../netlink/route/route.ts';
import { addRule, deleteRule } from '../netlink/route/rule.ts';
import { applyTable } from '../nftables/apply.ts';
import { podIps } from '../pod/desired.ts';
import { bothEnds } from './pod-link.ts';
import { returnTable } from './return-table.ts';
import { addPodRule, PEER_PROTOCOL } from './rules.ts';

/** A pod, and what the peer calls its link. */
export interface ReturningPod {
  readonly hostIfName: string;
  readonly peerIfName: string;
  readonly addresses: readonly string[];
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
}

/** What there is to go back with. */
export interface Returning {
  readonly config: HostConfig;
  readonly vethPrefix: string;
  /** Secondary ENIs. */
  readonly interfaces: readonly HostInterface[];
  readonly pods: readonly ReturningPod[];
}

/** Throws `DatapathError` and `NetlinkError`; what was done by then is complete in itself, and a repetition does the rest. */
export function returnToPeer(
  kernel: Kernel,
  marks: OwnershipMarks,
  { config, vethPrefix, interfaces, pods }: Returning,
): void {
  const { route } = kernel;
  const primaryLink = requireLinkByMac(kernel, config.primaryMac).name;
  const families = new Set<IpFamily>(['ipv4', ...pods.flatMap(({ addresses }) => addresses.map(familyOf))]);
  const mark = { value: marks.connmark, mask: marks.connmark };
  const shared = { priority: RULE_PRIORITY.connectionMark, table: RT_TABLE_MAIN, protocol: PEER_PROTOCOL, mark };
  submit(
    route,
    [...families].map((family) => addRule({ ...shared, family })),
  );
  for (const one of interfaces) returnInterface(kernel, marks, one, [...families]);
  const ways = pods.flatMap((pod) => wayOf(kernel, pod) ?? []);
  // All of them before the table, which takes the marks away that lead pods of secondary ENIs by our rules.
  for (const way of ways) submit(route, [...way.routes, ...way.rules]);
  applyTable(kernel.nft, returnTable({ marks, config, primaryLink, vethPrefix }));
  for (const way of ways) releaseLink(kernel, way);
  removeOurs(kernel, marks);
}

function returnInterface(
  kernel: Kernel,
  marks: OwnershipMarks,
  one: HostInterface,
  families: readonly IpFamily[],
): void {
  const { route } = kernel;
  const link = requireLinkByMac(kernel, one.mac);
  const theirs = { ...marks, protocol: RTPROT_BOOT };
  const own = readAddresses(route, link.index).filter(({ protocol }) => protocol === marks.protocol);
  for (const address of own) {
    const unmarked = { ...address, protocol: 0 };
    submit(route, withBridge(unmarked, [address], [deleteAddress(address), addAddress(unmarked)]));
  }
  const routes = families.flatMap((family) => interfaceRoutes(theirs, one, link.index, family));
  const source = {
    family: 'ipv4' as const,
    priority: RULE_PRIORITY.fromInterface,
    table: interfaceTable(one),
    protocol: PEER_PROTOCOL,
    source: one.primaryAddress,
  };
  submit(route, [...routes.map(replaceRoute), addRule(source)]);
}

/** What leads to a pod and from it in the peer's layout. */
interface PodWay {
  readonly pod: ReturningPod;
  readonly link: Link;
  readonly routes: readonly NetlinkRequest[];
  readonly rules: readonly NetlinkRequest[];
  readonly neighbours: readonly NetlinkRequest[];
}

/** Undefined for a pod whose link is gone. */
function wayOf({ route }: Kernel, pod: ReturningPod): PodWay | undefined {
  const link = readLinkByName(route, pod.hostIfName) ?? readLinkByName(route, pod.peerIfName);
  if (link === undefined) return undefined;
  const table = interfaceTable(pod);
  const ips = podIps(pod);
  const { pod: there } = bothEnds(route, link.name);
  const to = { table: RT_TABLE_MAIN, protocol: RTPROT_BOOT, scope: RT_SCOPE_LINK, link: link.index };
  const routes = ips.map(({ address, prefixLength }) => replaceRoute({ ...to, destination: address, prefixLength }));
  const rules = ips.flatMap(({ address }) => [
    addPodRule('to-pod', address, RT_TABLE_MAIN),
    ...(table === RT_TABLE_MAIN ? [] : [addPodRule('from-pod', address, table)]),
  ]);
  const neighbours = ips.map(({ address }) => replaceNeighbour(link.index, address, there.mac));
  return { pod, link, routes, rules, neighbours };
}

/** The link leaves our group and gets the peer's name. */
function releaseLink(kernel: Kernel, { pod, link, routes, neighbours }: PodWay): void {
  submit(kernel.route, [asForeign(link.index, link.name), changeLink(link.index, { rpFilter: 0 }, link.name)]);
  if (link.name !== pod.peerIfName) renameLink(kernel, link, pod.peerIfName, [...routes, ...neighbours]);
}

/**
 * Kernels before 6.2 rename no link that is up. There it goes down for the while of one batch, which takes its routes with
 * it; packets of that moment are sent again by TCP.
 */
function renameLink({ route }: Kernel, link: Link, name: string, again: readonly NetlinkRequest[]): void {
  const body = Buffer.concat([linkHeader(link.index), textAttribute(IFLA.name, name)]);
  const rename = { type: RTM.newLink, flags: 0, body, what: `link set ${link.name} name ${name}` };
  const [refused] = attempt(route, [rename]);
  if (refused === undefined) return;
  if (refused.errno !== 'EBUSY') throw refused;
  const [down, up] = [changeLink(link.index, { up: false }, name), changeLink(link.index, { up: true }, name)];
  submit(route, [down, rename, up, ...again]);
}

/** Of no group, without our alias. */
function asForeign(index: number, label: string): NetlinkRequest {
  const body = Buffer.concat([linkHeader(index), u32Attribute(IFLA.group, 0), attribute(IFLA.alias, Buffer.alloc(0))]);
  return { type: RTM.newLink, flags: 0, body, what: `link set ${label} group 0` };
}

/** What bears our number and is not the table. */
function removeOurs(kernel: Kernel, marks: OwnershipMarks): void {
  const rules = readRules(kernel, marks.protocol);
  restoreLocalRule(kernel, rules);
  submit(kernel.route, rules.map(deleteRule));
  submit(kernel.route, readRoutes(kernel.route, marks.protocol, 0).map(deleteRoute));
}
