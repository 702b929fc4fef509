/** CHECK: what the kernel holds of one pod, compared with what was promised. Each difference is named. */
import type { Damage, OwnershipMarks, PodAttachment } from '../datapath.ts';
import { readLinkByName, readRoutes, type Kernel } from '../kernel.ts';
import { POD_GATEWAY, podGroup } from '../marks.ts';
import { dump } from '../netlink/exchange.ts';
import { decodeAddress, dumpAddresses } from '../netlink/route/address.ts';
import type { Link } from '../netlink/route/link.ts';
import { decodeNeighbour, dumpNeighbours } from '../netlink/route/neighbour.ts';
import { RTPROT_BOOT } from '../netlink/constants.ts';
import { routeText } from '../netlink/route/route.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';
import { hostRoute, podAlias, podMacs, podRoutes } from './desired.ts';

/** One promise: the object's name, what it should be, what it is. */
type Promised = readonly [object: string, expected: string, found: string];

/** The differences on the host and in the pod's namespace. Throws `DatapathError` no-such-netns, `NetlinkError`. */
export function podDamage(
  kernel: Kernel,
  marks: OwnershipMarks,
  pod: PodAttachment,
  nodeAddress: string | undefined,
): readonly Damage[] {
  const promises = [
    ...hostPromises(kernel, marks, pod, nodeAddress),
    ...kernel.withPod(pod.netns, (socket) => podPromises(socket, pod)),
  ];
  return promises
    .filter(([, expected, found]) => expected !== found)
    .map(([object, expected, found]) => ({ object, expected, found }));
}

function hostPromises(
  kernel: Kernel,
  marks: OwnershipMarks,
  pod: PodAttachment,
  nodeAddress: string | undefined,
): readonly Promised[] {
  const link = readLinkByName(kernel.route, pod.hostIfName);
  const where = `host link ${pod.hostIfName}`;
  if (link === undefined) return [[where, 'present', 'missing']];
  const macs = podMacs(pod);
  const wanted = routeText(hostRoute(marks, pod, link.index, nodeAddress));
  const route = readRoutes(kernel.route, marks.protocol, marks.podTable).find(
    ({ destination }) => destination === pod.address,
  );
  return [
    ...linkPromises(where, link, pod.mtu, macs.host),
    [`${where} group`, String(podGroup(marks, pod)), String(link.group)],
    [`${where} alias`, podAlias(pod), link.alias],
    [`${where} rp_filter`, '1', String(link.rpFilter ?? 1)],
    ['host route', wanted, route === undefined ? 'missing' : routeText(route)],
    ['host neighbour', `${pod.address} ${macs.pod}`, neighbour(kernel.route, link.index, pod.address)],
  ];
}

function podPromises(socket: OpenNetlinkSocket, pod: PodAttachment): readonly Promised[] {
  const link = readLinkByName(socket, pod.ifName);
  const where = `pod link ${pod.ifName}`;
  if (link === undefined) return [[where, 'present', 'missing']];
  const macs = podMacs(pod);
  const addresses = dump(socket, dumpAddresses(link.index)).map(({ body }) => decodeAddress(body));
  const own = addresses.find(({ index, address }) => index === link.index && address === pod.address);
  const routes = new Set(readRoutes(socket, RTPROT_BOOT, 0).map(routeText));
  return [
    ...linkPromises(where, link, pod.mtu, macs.pod),
    ['pod address', `${pod.address}/32`, own === undefined ? 'missing' : `${own.address}/${own.prefixLength}`],
    ...podRoutes(link.index).map((route): Promised => {
      const text = routeText(route);
      return ['pod route', text, routes.has(text) ? text : 'missing'];
    }),
    ['pod neighbour', `${POD_GATEWAY} ${macs.host}`, neighbour(socket, link.index, POD_GATEWAY)],
  ];
}

function linkPromises(where: string, link: Link, mtu: number, mac: string): readonly Promised[] {
  return [
    [`${where} state`, 'up', link.up ? 'up' : 'down'],
    [`${where} MTU`, String(mtu), String(link.mtu)],
    [`${where} MAC`, mac, link.mac],
  ];
}

function neighbour(socket: OpenNetlinkSocket, link: number, address: string): string {
  const found = dump(socket, dumpNeighbours())
    .map(({ body }) => decodeNeighbour(body))
    .find((entry) => entry.index === link && entry.address === address && entry.permanent);
  return found === undefined ? 'missing' : `${found.address} ${found.mac}`;
}
