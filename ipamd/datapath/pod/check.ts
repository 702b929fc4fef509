/** CHECK: what the kernel holds of one pod, compared with what was promised. Each difference is named. */
import type { Damage, OwnershipMarks, PodAttachment } from '../datapath.ts';
import { asDamage } from '../drift/difference.ts';
import type { KernelState } from '../drift/kernel-state.ts';
import { hosted, podDifferences } from '../drift/pod-differences.ts';
import { readAddresses, readLinkByName, readNeighbours, readRoutes, type Kernel } from '../kernel.ts';
import { podGateway } from '../marks.ts';
import { limitPromises } from '../bandwidth/pod-limits.ts';
import type { Link } from '../netlink/route/link.ts';
import type { Neighbour } from '../netlink/route/neighbour.ts';
import { RTPROT_BOOT } from '../netlink/constants.ts';
import { dump } from '../netlink/exchange.ts';
import { routeText } from '../netlink/route/route.ts';
import { decodeRule, dumpRules, ruleText } from '../netlink/route/rule.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';
import { podIps, podMacs, podRoutes, podRules, type NodeAddresses } from './desired.ts';

/** One promise: the object's name, what it should be, what it is. */
type Promised = readonly [object: string, expected: string, found: string];

/** The differences on the host and in the pod's namespace. Throws `DatapathError` no-such-netns, `NetlinkError`. */
export function podDamage(
  kernel: Kernel,
  state: KernelState,
  marks: OwnershipMarks,
  pod: PodAttachment,
  node: NodeAddresses,
): readonly Damage[] {
  const promises = kernel.withPod(pod.netns, (socket) => podPromises(socket, pod));
  return [
    ...podDifferences(state, marks, hosted(marks, pod), node).map(asDamage),
    ...promises
      .filter(([, expected, found]) => expected !== found)
      .map(([object, expected, found]) => ({ object, expected, found })),
  ];
}

function podPromises(socket: OpenNetlinkSocket, pod: PodAttachment): readonly Promised[] {
  const link = readLinkByName(socket, pod.ifName);
  const where = `pod link ${pod.ifName}`;
  if (link === undefined) return [[where, 'present', 'missing']];
  const macs = podMacs(pod);
  const addresses = readAddresses(socket, link.index);
  const routes = new Set(readRoutes(socket, RTPROT_BOOT, 0).map(routeText));
  const neighbours = readNeighbours(socket, link.index);
  return [
    ...linkPromises(where, link, pod.mtu, macs.pod),
    ...limitPromises(socket, pod, 'egress', link.index, where),
    ...podIps(pod).flatMap((ip): readonly Promised[] => {
      const own = addresses.find(({ address }) => address === ip.address);
      const found = own === undefined ? 'missing' : `${own.address}/${own.prefixLength}`;
      const gateway = podGateway(ip.family, pod.index);
      return [
        ['pod address', `${ip.address}/${ip.prefixLength}`, found],
        ...podRoutes(ip, link.index, pod.index).map((route): Promised => {
          const text = routeText(route);
          return ['pod route', text, routes.has(text) ? text : 'missing'];
        }),
        ['pod neighbour', `${gateway} ${macs.host}`, neighbourText(neighbours, gateway)],
      ];
    }),
    ...rulePromises(socket, pod),
  ];
}

/** The rules by which a further interface is used. */
function rulePromises(socket: OpenNetlinkSocket, pod: PodAttachment): readonly Promised[] {
  const wanted = podRules(pod).map(ruleText);
  if (wanted.length === 0) return [];
  const found = new Set(dump(socket, dumpRules()).map(({ body }) => ruleText(decodeRule(body))));
  return wanted.map((text): Promised => ['pod rule', text, found.has(text) ? text : 'missing']);
}

function linkPromises(where: string, link: Link, mtu: number, mac: string): readonly Promised[] {
  return [
    [`${where} state`, 'up', link.up ? 'up' : 'down'],
    [`${where} MTU`, String(mtu), String(link.mtu)],
    [`${where} MAC`, mac, link.mac],
  ];
}

function neighbourText(neighbours: readonly Neighbour[], address: string): string {
  const found = neighbours.find((entry) => entry.address === address && entry.permanent);
  return found === undefined ? 'missing' : `${found.address} ${found.mac}`;
}
