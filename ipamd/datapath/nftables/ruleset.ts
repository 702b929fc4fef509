/**
 * Our table: which packets get which mark, which are dropped, which are translated. Pure: settings in, table out. The
 * order of the hooks is the point of it (priorities from linux/netfilter_ipv4.h):
 *
 *   -300 anti-spoof    before conntrack, so that a forged packet makes no connection
 *   -150 interface     the ENI's mark, and the connection mark of NodePort traffic before kube-proxy changes its destination
 *    -90 egress        after kube-proxy's translation at -100: only now is it known whether a packet leaves the VPC
 *    100 source-nat    what leaves the VPC gets the node's address
 */
import type { HostConfig, OwnershipMarks } from '../datapath.ts';
import { ipv4Bytes } from '../ipv4.ts';
import { podGroup, type InterfacePlace } from '../marks.ts';
import { NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING } from './constants.ts';
import {
  connectionMarked,
  counter,
  destinationNotIn,
  drop,
  inGroup,
  inGroupMasked,
  inInterface,
  isIpv4,
  newConnection,
  noRouteBack,
  notToThisHost,
  outInterface,
  packetMarked,
  setConnectionMark,
  setPacketMark,
  sourceNat,
  toAddressOfInInterface,
  type Expression,
} from './expressions.ts';
import type { AddressSet, BaseChain, Table } from './table.ts';

/** A secondary ENI and the value that its pods' packets are marked with. */
export interface MarkedInterface extends InterfacePlace {
  readonly mark: number;
}

/** What the table depends on. */
export interface RulesetInput {
  readonly marks: OwnershipMarks;
  readonly config: HostConfig;
  /** The primary ENI's link. */
  readonly primaryLink: string;
  readonly interfaces: readonly MarkedInterface[];
}

/** Multicast never leaves as unicast traffic of the node (RFC 5771). */
const MULTICAST = '224.0.0.0/4';
const NO_SNAT_SET_ID = 1;

type RuleExpressions = readonly Expression[];

/** The table that the kernel should have. */
export function desiredTable(input: RulesetInput): Table {
  const sets: readonly AddressSet[] = [
    { name: 'no-snat', id: NO_SNAT_SET_ID, cidrs: [...input.config.noSnatCidrs, MULTICAST] },
  ];
  const chains: readonly BaseChain[] = [
    { name: 'anti-spoof', type: 'filter', hook: NF_INET_PRE_ROUTING, priority: -300, rules: antiSpoof(input) },
    { name: 'interface', type: 'filter', hook: NF_INET_PRE_ROUTING, priority: -150, rules: chooseInterface(input) },
    { name: 'egress', type: 'filter', hook: NF_INET_PRE_ROUTING, priority: -90, rules: judgeEgress(input) },
    { name: 'source-nat', type: 'nat', hook: NF_INET_POST_ROUTING, priority: 100, rules: translate(input) },
  ];
  return { name: input.marks.nftTable, sets, chains };
}

function fromPods(marks: OwnershipMarks): RuleExpressions {
  return inGroupMasked(marks.groupBase, marks.groupMask);
}

function antiSpoof({ marks }: RulesetInput): readonly RuleExpressions[] {
  return [[...fromPods(marks), ...isIpv4(), ...noRouteBack(), ...counter(), ...drop()]];
}

function chooseInterface({ marks, config, primaryLink, interfaces }: RulesetInput): readonly RuleExpressions[] {
  const nodePort = [...inInterface(primaryLink), ...toAddressOfInInterface(), ...setConnectionMark(marks.connmark)];
  return [
    ...interfaces.map((one) => [...inGroup(podGroup(marks, one)), ...setPacketMark(one.mark, marks.eniMarkMask)]),
    ...(config.nodePortSupport ? [nodePort] : []),
  ];
}

/** Only a connection's first packet is judged, so that a change of the CIDRs breaks no connection that is under way. */
function judgeEgress({ marks, config }: RulesetInput): readonly RuleExpressions[] {
  const judge = [
    ...fromPods(marks),
    ...newConnection(),
    ...isIpv4(),
    ...destinationNotIn('no-snat', NO_SNAT_SET_ID),
    ...notToThisHost(),
    ...setConnectionMark(marks.connmark),
  ];
  const restore = [
    ...fromPods(marks),
    ...connectionMarked(marks.connmark),
    ...setPacketMark(marks.connmark, marks.connmark),
  ];
  return [
    ...(config.externalSnat ? [] : [judge]),
    ...(config.externalSnat && !config.nodePortSupport ? [] : [restore]),
  ];
}

function translate({ marks, config, primaryLink }: RulesetInput): readonly RuleExpressions[] {
  if (config.externalSnat) return [];
  return [
    [
      ...packetMarked(marks.connmark),
      ...outInterface(primaryLink),
      ...isIpv4(),
      ...destinationNotIn('no-snat', NO_SNAT_SET_ID),
      ...sourceNat(ipv4Bytes(config.primaryAddress), config.randomizeSnat),
    ],
  ];
}
