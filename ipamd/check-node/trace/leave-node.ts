/** The last stations of a packet that leaves the node: its next hop, what the VPC says of its source, the way of the reply. Pure. */
import { familyOf } from '../../datapath/ip.ts';
import { interfaceTable, isOurGroup, RULE_PRIORITY, type InterfacePlace } from '../../datapath/marks.ts';
import { branchModeOf } from '../../datapath/branch/numbers.ts';
import { type LinkFact, linkName, routeLine, type RouteFact } from '../kernel-facts.ts';
import { inTable, lookUp } from './fib.ts';
import type { Packet } from './packet.ts';
import { checkSource } from './source-check.ts';
import type { Drop, Step, TraceInput } from './steps.ts';

const MAIN = 254;

/** A step, and the end of the way where the packet goes no further. */
export interface Passed {
  readonly step: Step;
  readonly drop?: Drop;
}

/** What becomes of the packet at its next hop. */
export function nextHop({ kernel }: TraceInput, route: RouteFact, { destination }: Packet): Passed {
  const hop = route.gateway ?? destination;
  const link = linkName(kernel.links, route.link);
  const neighbour = kernel.neighbours.find((one) => one.link === route.link && one.address === hop);
  const state = neighbour?.state ?? 'none';
  if (state === 'failed')
    return failed(
      'next hop',
      `${hop} does not answer on ${link} (neighbour failed)`,
      `ip neigh flush dev ${link}; then look whether ${hop} is the router of the subnet (its first address).`,
    );
  const known = neighbour === undefined ? 'is asked for its MAC' : `is ${neighbour.mac}, ${state}`;
  return { step: { station: 'next hop', outcome: 'passes', says: `${hop} on ${link} ${known}` } };
}

function failed(station: Step['station'], why: string, cure: string): Passed {
  const drop: Drop = { station, why, cure, runbook: 'pod-connectivity.md' };
  return { step: { station, outcome: 'dropped', says: why }, drop };
}

/** The ENI that a pod's link group names. */
function placeOf(group: number): InterfacePlace {
  return { deviceIndex: group & 0xff, networkCardIndex: (group >> 8) & 0xff };
}

/** The link of an ENI: by its MAC where that is known, otherwise by the rules and tables that speak of it. */
export function linkOfEni(
  { kernel, enis }: Pick<TraceInput, 'kernel' | 'enis'>,
  place: InterfacePlace,
): LinkFact | undefined {
  const known = enis.find(
    (eni) => eni.deviceIndex === place.deviceIndex && eni.networkCardIndex === place.networkCardIndex,
  );
  const isStacked = ({ kind }: LinkFact): boolean => kind !== null && kind !== 'veth';
  const byMac = kernel.links.find((link) => known !== undefined && link.mac === known.mac && !isStacked(link));
  if (byMac !== undefined) return byMac;
  const table = interfaceTable(place);
  const own = kernel.rules.find(
    (rule) => rule.priority === RULE_PRIORITY.fromInterface && rule.table === table,
  )?.source;
  const byAddress = kernel.addresses.find(({ address }) => own?.split('/')[0] === address)?.link;
  const byTable = inTable(kernel.routes, table, '192.0.2.1')?.link;
  return kernel.links.find(({ index }) => index === (byAddress ?? byTable));
}

/** EC2 drops what an ENI sends with an address that is not its own ("source/destination check"). */
export function judgedByVpc(input: TraceInput, from: LinkFact, out: LinkFact, packet: Packet): Passed {
  const { kernel, marks } = input;
  if (branchModeOf(marks, from.group) !== undefined)
    return {
      step: { station: 'VPC', outcome: 'passes', says: `${out.name} is looked at by the branch ENI's rules alone` },
    };
  const isTranslated = packet.sourceTranslated;
  const holder = isTranslated
    ? kernel.links.find(
        ({ index }) => index === kernel.addresses.find(({ address }) => address === packet.source)?.link,
      )
    : linkOfEni(input, placeOf(from.group));
  if (holder !== undefined && holder.index !== out.index)
    return failed(
      'VPC',
      `it leaves by ${out.name} with ${packet.source}, which belongs to the ENI of ${holder.name}: EC2 drops it`,
      `wellspringctl drift; compare \`ip rule\` with docs/runbooks/pod-connectivity.md.`,
    );
  const wants = packet.connectionMark & marks.connmark;
  const primary = inTable(kernel.routes, MAIN, familyOf(packet.source) === 'ipv4' ? '192.0.2.1' : '2001:db8::1')?.link;
  if (wants !== 0 && !isTranslated && primary !== out.index)
    return failed(
      'VPC',
      `it is marked to leave the VPC by the primary ENI, but goes by ${out.name} and keeps ${packet.source}: nothing outside answers that`,
      `ip rule add pref ${RULE_PRIORITY.connectionMark} fwmark 0x${marks.connmark.toString(16)}/0x${marks.connmark.toString(16)} lookup main protocol ${marks.protocol}`,
    );
  if (wants !== 0 && !isTranslated && familyOf(packet.source) === 'ipv4')
    return {
      step: {
        station: 'VPC',
        outcome: 'doubtful',
        says: `it is marked to leave the VPC, but no rule gives it the node's address: only a NAT gateway or a peered network answers ${packet.source}`,
      },
    };
  return {
    step: {
      station: 'VPC',
      outcome: 'passes',
      says: `${packet.source} is of the ENI of ${out.name}; from here on security groups, network ACLs and route tables decide`,
    },
  };
}

/** What comes back is looked up without a mark and must lead to the pod's link, past the source check of the ENI. */
export function reply(input: TraceInput, from: LinkFact, out: LinkFact, source: string, destination: string): Passed {
  const { kernel, sysctls, marks } = input;
  const back = { source: destination, destination: source, inLink: out, mark: 0 };
  const found = lookUp(kernel, { ...back, inInterface: out.name });
  const cure = `ip rule add pref ${RULE_PRIORITY.toPod} lookup ${marks.podTable} protocol ${marks.protocol}`;
  if (found.kind === 'refused') return failed('reply', `no route leads back to ${source} (${found.how})`, cure);
  const line = routeLine(found.route, kernel.links);
  if (found.route.link !== from.index && isOurGroup(marks, from.group))
    return failed('reply', `what comes back for ${source} would go elsewhere: ${line}`, cure);
  const check = checkSource(kernel, sysctls, back);
  if (!check.passes)
    return failed(
      'reply',
      `the reply is dropped where it comes in: ${check.says}`,
      `sysctl -w net.ipv4.conf.${out.name}.rp_filter=2`,
    );
  return { step: { station: 'reply', outcome: 'passes', says: `comes in by ${out.name}, ${line}` } };
}
