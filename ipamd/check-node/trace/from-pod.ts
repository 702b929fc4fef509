/** The first station: what the pod's own namespace does with the packet. Pure. */
import { familyOf } from '../../datapath/ip.ts';
import { podGateway } from '../../datapath/marks.ts';
import { linkName, routeLine } from '../kernel-facts.ts';
import { lookUp } from './fib.ts';
import type { Drop, Step, TracedPod } from './steps.ts';

export type PodDeparture =
  | { readonly kind: 'sent'; readonly source: string; readonly step: Step }
  | { readonly kind: 'own'; readonly source: string; readonly step: Step }
  | { readonly kind: 'dropped'; readonly source: string; readonly drop: Drop };

const RECREATE = 'Delete the pod, so that it is made anew: nobody repairs what is inside of a pod.';

/** Chooses the source and looks whether the pod has a way out. */
export function leavePod(pod: TracedPod, destination: string): PodDeparture {
  const family = familyOf(destination);
  const source = pod.addresses.find((address) => familyOf(address) === family);
  const dropped = (why: string, cure = RECREATE): PodDeparture => ({
    kind: 'dropped',
    source: source ?? '',
    drop: { station: 'pod', why, cure, runbook: 'pod-connectivity.md' },
  });
  if (source === undefined)
    return dropped(
      `the pod has no ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address`,
      'Use an address of the pod’s family, or set ENABLE_V4_EGRESS / ENABLE_V6_EGRESS.',
    );
  const { inside } = pod;
  if (inside === undefined) {
    const says = `sends from ${source}; its namespace cannot be read, so its own routes are taken to be right`;
    return { kind: 'sent', source, step: { station: 'pod', outcome: 'doubtful', says } };
  }
  const link = inside.links.find(({ name }) => name === pod.ifName);
  if (link === undefined) return dropped(`the pod has no link ${pod.ifName}`);
  if (!link.up) return dropped(`${pod.ifName} of the pod is down`);
  if (!inside.addresses.some((one) => one.link === link.index && one.address === source))
    return dropped(`${pod.ifName} of the pod does not carry ${source}`);
  const found = lookUp(inside, { source, destination, inInterface: 'lo', mark: 0 });
  if (found.kind === 'refused') return dropped(`the pod has no route to ${destination} (${found.how})`);
  const { route } = found;
  const line = routeLine(route, inside.links);
  if (route.type === 'local')
    return { kind: 'own', source, step: { station: 'pod', outcome: 'passes', says: `its own address: ${line}` } };
  if (route.link !== link.index)
    return {
      kind: 'sent',
      source,
      step: {
        station: 'pod',
        outcome: 'doubtful',
        says: `it leaves by ${linkName(inside.links, route.link)} of the pod, not ${pod.ifName}: ${line}`,
      },
    };
  const gateway = route.gateway ?? podGateway(family);
  const neighbour = inside.neighbours.find((one) => one.link === link.index && one.address === gateway);
  if (neighbour?.state !== 'permanent')
    return dropped(
      `the pod has no permanent neighbour ${gateway} on ${pod.ifName}, and nobody answers for that address`,
    );
  return { kind: 'sent', source, step: { station: 'pod', outcome: 'passes', says: `sends from ${source}: ${line}` } };
}
