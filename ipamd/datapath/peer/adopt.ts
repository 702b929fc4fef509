/**
 * A running pod of amazon-vpc-cni-k8s becomes one of ours. Its namespace has the same in both layouts (gateway 169.254.1.1
 * or fe80::1 with a fixed neighbour), so only the host's share changes: names, MACs and the pair itself stay. Each step
 * leaves a way for every packet: ours is complete before the link counts as ours, and the peer's goes last.
 */
import { DatapathError, type AdoptedPod, type LinkMacs, type OwnershipMarks } from '../datapath.ts';
import type { Kernel } from '../kernel.ts';
import { podGroup } from '../marks.ts';
import { submit } from '../netlink/exchange.ts';
import { changeLink } from '../netlink/route/link.ts';
import { replaceNeighbour } from '../netlink/route/neighbour.ts';
import { replaceRoute } from '../netlink/route/route.ts';
import { hostRoutes, podAlias, podIps, STRICT, type NodeAddresses } from '../pod/desired.ts';
import { removePeerPod } from '../host/peer-pod.ts';
import { bothEnds } from './pod-link.ts';

/** Throws `DatapathError`, no-such-link where the pod's link is not there, and `NetlinkError`. Safe to repeat. */
export function adoptPeerPod(
  kernel: Pick<Kernel, 'route'>,
  marks: OwnershipMarks,
  pod: AdoptedPod,
  node: NodeAddresses,
): LinkMacs {
  const { host, pod: there } = bothEnds(kernel.route, pod.hostIfName);
  if (there.name !== pod.ifName)
    throw new DatapathError('no-such-link', `${pod.hostIfName} leads to ${there.name}, not to ${pod.ifName}`);
  const ips = podIps(pod);
  submit(kernel.route, [
    ...ips.flatMap((ip) => hostRoutes(marks, {}, ip, host.index, node).map(replaceRoute)),
    ...ips.map(({ address }) => replaceNeighbour(host.index, address, there.mac)),
  ]);
  const ours = { alias: podAlias(pod), group: podGroup(marks, pod), rpFilter: STRICT } as const;
  submit(kernel.route, [changeLink(host.index, ours, pod.hostIfName)]);
  for (const { address } of ips) removePeerPod(kernel.route, marks, address);
  return { host: host.mac, pod: there.mac };
}
