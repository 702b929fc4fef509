/** The host's share of a pod, compared with what was promised: its link, routes, neighbours, limit. */
import type { KeptPod, OwnershipMarks, PodAttachment } from '../datapath.ts';
import { bucketText, isBucket } from '../bandwidth/qdisc.ts';
import { limitLink } from '../bandwidth/pod-limits.ts';
import { tokenBucket } from '../bandwidth/limits.ts';
import { openToLoopback } from '../host-port/loopback.ts';
import { branchGroup } from '../branch/numbers.ts';
import { familyOf } from '../ip.ts';
import { podGroup } from '../marks.ts';
import { changeLink, type Link, type LinkChange } from '../netlink/route/link.ts';
import { replaceNeighbour } from '../netlink/route/neighbour.ts';
import { replaceRoute, routeText, type Route } from '../netlink/route/route.ts';
import {
  hasIpv6,
  hostRoutes,
  linkGroup,
  podAlias,
  podIps,
  podMacs,
  rpFilterOf,
  type NodeAddresses,
} from '../pod/desired.ts';
import { byNetlink, compared, type Difference } from './difference.ts';
import type { KernelState } from './kernel-state.ts';

/** A pod as far as the host knows it. What is undefined is not compared. */
export interface HostedPod extends Pick<
  PodAttachment,
  'containerId' | 'ifName' | 'hostIfName' | 'addresses' | 'portMappings' | 'bandwidth' | 'branch' | 'macs'
> {
  readonly mtu: number | undefined;
  /** Of the host's link. */
  readonly group: number | undefined;
}

/** A pod of which everything is known. */
export function hosted(marks: OwnershipMarks, pod: PodAttachment): HostedPod {
  return { ...pod, group: linkGroup(marks, pod) };
}

/** A pod of an earlier life: what is not known of it stays as it is. */
export function keptPod(marks: OwnershipMarks, pod: KeptPod): HostedPod {
  const { branch, place } = pod;
  const ofPlace = place === undefined ? undefined : podGroup(marks, place);
  return { ...pod, mtu: undefined, group: branch === undefined ? ofPlace : branchGroup(marks, branch.mode) };
}

/** All differences of one pod. A link that is gone is one that nobody here repairs. */
export function podDifferences(
  state: KernelState,
  marks: OwnershipMarks,
  pod: HostedPod,
  node: NodeAddresses,
): readonly Difference[] {
  const link = state.link(pod.hostIfName);
  const where = `host link ${pod.hostIfName}`;
  if (link === undefined)
    return [{ kind: 'link', object: where, expected: 'present', found: 'missing', repair: { by: 'nobody' } }];
  const neighbours = state.neighbours(link.index);
  const macs = podMacs(pod);
  return [
    ...linkDifferences(pod, link, where),
    ...limitDifferences(state, pod, link, where),
    ...podIps(pod).flatMap((ip) => {
      const found = neighbours.find(({ address, permanent }) => address === ip.address && permanent);
      return [
        ...hostRoutes(marks, pod, ip, link.index, node).flatMap((route) => routeDifferences(state, route)),
        ...compared(
          'neighbour',
          'host neighbour',
          {
            expected: `${ip.address} ${macs.pod}`,
            found: found === undefined ? 'missing' : `${found.address} ${found.mac}`,
          },
          byNetlink(replaceNeighbour(link.index, ip.address, macs.pod)),
        ),
      ];
    }),
  ];
}

/** What the message of a link's change itself tells of it. */
export function linkDifferences(pod: HostedPod, link: Link, where: string): readonly Difference[] {
  const check = (what: string, expected: string, found: string, change: LinkChange): readonly Difference[] =>
    compared(
      'link',
      `${where} ${what}`,
      { expected, found },
      byNetlink(changeLink(link.index, change, pod.hostIfName)),
    );
  const { host } = podMacs(pod);
  const { mtu = link.mtu, group = link.group } = pod;
  const rpFilter = rpFilterOf(pod);
  return [
    ...check('group', String(group), String(link.group), { group }),
    ...check('MAC', host, link.mac, { mac: host }),
    ...check('MTU', String(mtu), String(link.mtu), { mtu }),
    ...check('alias', podAlias(pod), link.alias, { alias: podAlias(pod) }),
    ...check('rp_filter', String(rpFilter), String(link.rpFilter ?? rpFilter), { rpFilter }),
    ...loopbackDifferences(pod, link, where),
    ...check('state', 'up', link.up ? 'up' : 'down', { up: true }),
  ];
}

function loopbackDifferences(pod: HostedPod, link: Link, where: string): readonly Difference[] {
  const requests = openToLoopback(pod, link.index);
  if (requests.length === 0 || link.routeLocalnet === undefined) return [];
  const values = { expected: '1', found: String(link.routeLocalnet) };
  return compared('link', `${where} route_localnet`, values, byNetlink(...requests));
}

function limitDifferences(state: KernelState, pod: HostedPod, link: Link, where: string): readonly Difference[] {
  const wanted = tokenBucket(pod.bandwidth, 'ingress');
  if (wanted === undefined) return [];
  const root = state.rootQdisc(link.index);
  const expected = bucketText(wanted);
  const shown = root?.bucket === undefined ? (root?.kind ?? 'none') : bucketText(root.bucket);
  const found = isBucket(root?.bucket, wanted) ? expected : shown;
  const repair = byNetlink(...limitLink(pod, 'ingress', link.index, pod.hostIfName));
  return compared('qdisc', `${where} ingress limit`, { expected, found }, repair);
}

function routeDifferences(state: KernelState, wanted: Route): readonly Difference[] {
  const route = state.routes(wanted.table).find(({ destination }) => destination === wanted.destination);
  const found = route === undefined ? 'missing' : routeText(comparable(route));
  const values = { expected: routeText(comparable(wanted)), found };
  return compared('route', 'host route', values, byNetlink(replaceRoute(wanted)));
}

/** The node may have got or lost its IPv6 address since the pod was made; that is no damage to the pod. */
function comparable(route: Route): Route {
  return familyOf(route.destination) === 'ipv4' ? route : { ...route, preferredSource: undefined };
}

/** Settings of a pod's link that no news tells of: what a pod advertises as a router is nothing to the host. */
export function podSysctls(pod: HostedPod): Readonly<Record<string, string>> {
  if (!hasIpv6(pod)) return {};
  const host = `net/ipv6/conf/${pod.hostIfName}`;
  return { [`${host}/disable_ipv6`]: '0', [`${host}/accept_ra`]: '0' };
}
