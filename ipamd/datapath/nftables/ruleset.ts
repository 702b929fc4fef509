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
import { addressBytes, familyOf, IP_FAMILIES, type IpFamily } from '../ip.ts';
import { ipv4Bytes } from '../ipv4.ts';
import { branchGroup, sourceMark } from '../branch/numbers.ts';
import { KUBE_PROXY_MASQUERADE, podGroup, type InterfacePlace } from '../marks.ts';
import { EGRESS_BLOCKS, egressOf } from '../egress.ts';
import { isFamily } from '../host-port/expressions.ts';
import { NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING } from './constants.ts';
import {
  accept,
  addressWithin,
  connectionMarked,
  counter,
  destinationIn,
  destinationNotIn,
  drop,
  inGroup,
  inGroupMasked,
  inInterface,
  isIpv4,
  newConnection,
  noRouteBack,
  noRouteBackByMark,
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
  /** Whether there may be branch pods in strict mode, whose packets are never the primary ENI's. */
  readonly hasStrict?: boolean;
  /** Whether there may be branch pods in standard mode. */
  readonly hasStandard?: boolean;
}

/** Multicast never leaves as unicast traffic of the node (RFC 5771). */
const MULTICAST = '224.0.0.0/4';
/** RFC 4291, section 2.4. */
const LINK_LOCAL = 'fe80::/10';
/** The set of destinations that are reached with the pod's own address. */
export const NO_SNAT = { name: 'no-snat', id: 1 } as const;
/** Below those of host ports, which begin at 101. */
const BY_MAIN_SET_IDS: Readonly<Record<IpFamily, number>> = { ipv4: 2, ipv6: 3 };

type RuleExpressions = readonly Expression[];

/** The table that the kernel should have. */
export function desiredTable(input: RulesetInput): Table {
  const sets: readonly AddressSet[] = [
    { ...NO_SNAT, cidrs: [...input.config.noSnatCidrs, MULTICAST] },
    ...byMainSets(input.config),
  ];
  const chains: readonly BaseChain[] = [
    { name: 'anti-spoof', type: 'filter', hook: NF_INET_PRE_ROUTING, priority: -300, rules: antiSpoof(input) },
    { name: 'interface', type: 'filter', hook: NF_INET_PRE_ROUTING, priority: -150, rules: chooseInterface(input) },
    { name: 'egress', type: 'filter', hook: NF_INET_PRE_ROUTING, priority: -90, rules: judgeEgress(input) },
    { name: 'source-nat', type: 'nat', hook: NF_INET_POST_ROUTING, priority: 100, rules: translate(input) },
  ];
  return { name: input.marks.nftTable, sets, chains };
}

/** Destinations that table main leads to, whichever ENI a pod is on; a set for each family that has some. */
function byMainSets({
  externalServiceCidrs = [],
}: HostConfig): readonly (AddressSet & { readonly family: IpFamily })[] {
  return IP_FAMILIES.flatMap((family) => {
    const cidrs = externalServiceCidrs.filter((cidr) => familyOf(cidr.split('/')[0] ?? '') === family);
    const name = `by-main-${family === 'ipv4' ? 'ip4' : 'ip6'}`;
    return cidrs.length === 0 ? [] : [{ name, id: BY_MAIN_SET_IDS[family], family, cidrs }];
  });
}

function fromPods(marks: OwnershipMarks): RuleExpressions {
  return inGroupMasked(marks.groupBase, marks.groupMask);
}

/**
 * For both families. Link-local senders are dropped whatever routes there are: pods have no neighbours to discover, and a
 * host that does not forward IPv6 would take router advertisements from them.
 */
function antiSpoof({ marks, hasStrict = false }: RulesetInput): readonly RuleExpressions[] {
  return [
    ...(hasStrict ? strictAntiSpoof(marks) : []),
    [...fromPods(marks), ...noRouteBack(), ...counter(), ...drop()],
    [...fromPods(marks), ...addressWithin('source', LINK_LOCAL), ...counter(), ...drop()],
  ];
}

/**
 * Strict branch pods have their addresses in a table of their own, which only packets with a mark of its own are looked up
 * in. They bear it while they are judged, and no longer.
 */
function strictAntiSpoof(marks: OwnershipMarks): readonly RuleExpressions[] {
  const strict = inGroup(branchGroup(marks, 'strict'));
  const mark = sourceMark(marks);
  return [
    [...strict, ...addressWithin('source', LINK_LOCAL), ...counter(), ...drop()],
    [...strict, ...setPacketMark(mark, mark)],
    [...strict, ...noRouteBackByMark(), ...counter(), ...drop()],
    [...strict, ...setPacketMark(0, mark), ...accept()],
  ];
}

function chooseInterface({ marks, config, primaryLink, interfaces }: RulesetInput): readonly RuleExpressions[] {
  const nodePort = [...inInterface(primaryLink), ...toAddressOfInInterface(), ...setConnectionMark(marks.connmark)];
  return [
    ...interfaces.map((one) => [...inGroup(podGroup(marks, one)), ...setPacketMark(one.mark, marks.eniMarkMask)]),
    ...(config.nodePortSupport ? [nodePort] : []),
  ];
}

/** Only a connection's first packet is judged, so that a change of the CIDRs breaks no connection that is under way. */
function judgeEgress({
  marks,
  config,
  hasStrict = false,
  hasStandard = false,
}: RulesetInput): readonly RuleExpressions[] {
  const judge = [
    ...fromPods(marks),
    ...newConnection(),
    ...isIpv4(),
    ...destinationNotIn(NO_SNAT.name, NO_SNAT.id),
    ...notToThisHost(),
    ...setConnectionMark(marks.connmark),
  ];
  const restore = [
    ...fromPods(marks),
    ...connectionMarked(marks.connmark),
    ...setPacketMark(marks.connmark, marks.connmark),
  ];
  const blocks = egressOf(config).map(({ family }) => EGRESS_BLOCKS[family]);
  // Helper addresses send and are answered, and nothing else: neither neighbours nor the VPC reach a pod by one.
  const block = (cidr: string): RuleExpressions => [
    ...addressWithin('destination', cidr),
    ...newConnection(),
    ...counter(),
    ...drop(),
  ];
  const judgeHelper = (cidr: string): RuleExpressions => [
    ...fromPods(marks),
    ...newConnection(),
    ...addressWithin('source', cidr),
    ...notToThisHost(),
    ...setConnectionMark(marks.connmark),
  ];
  return [
    ...(hasStrict ? [asThemselves(marks)] : []),
    ...blocks.map(block),
    ...blocks.map(judgeHelper),
    ...(config.externalSnat ? [] : [judge]),
    ...(config.family === 'ipv6' || config.family === 'dual' ? [masqueraded(marks, 'ipv6', fromPods(marks))] : []),
    ...(hasStandard ? [masqueraded(marks, 'ipv4', inGroup(branchGroup(marks, 'standard')))] : []),
    // Host ports set the mark whatever the settings say of NodePorts.
    restore,
    // Every packet, unlike above: a mark of the ENI is set on every packet. After kube-proxy, as routing is.
    ...byMainSets(config).map(({ name, id, family }) => [
      ...fromPods(marks),
      ...destinationIn(name, id, family),
      ...setPacketMark(0, marks.eniMarkMask),
    ]),
  ];
}

/**
 * What kube-proxy will give an address of the node, as a NodePort asked by a pod of the node. A secondary ENI may have no
 * IPv6 address of its own, and a branch ENI's link has none of IPv4 either; the primary ENI's is taken then, and the VPC would
 * drop it on any other ENI. In ipvs mode the destination is still this host's.
 */
function masqueraded(marks: OwnershipMarks, family: IpFamily, from: RuleExpressions): RuleExpressions {
  return [
    ...from,
    ...newConnection(),
    ...isFamily(family),
    ...packetMarked(KUBE_PROXY_MASQUERADE),
    ...setConnectionMark(marks.connmark),
  ];
}

/** A strict pod has one way, which is its ENI's: there kube-proxy must not give it the node's address, which the VPC would drop. */
function asThemselves(marks: OwnershipMarks): RuleExpressions {
  return [...inGroup(branchGroup(marks, 'strict')), ...setPacketMark(0, KUBE_PROXY_MASQUERADE), ...accept()];
}

/** Helper addresses have no way but this one, whoever else may translate. */
function translate({ marks, config, primaryLink }: RulesetInput): readonly RuleExpressions[] {
  const leaving = [...packetMarked(marks.connmark), ...outInterface(primaryLink)];
  const helpers = egressOf(config).map(({ family, nodeAddress }) => [
    ...leaving,
    ...addressWithin('source', EGRESS_BLOCKS[family]),
    ...sourceNat(addressBytes(nodeAddress), config.randomizeSnat),
  ]);
  if (config.externalSnat) return helpers;
  return [
    ...helpers,
    [
      ...leaving,
      ...isIpv4(),
      ...destinationNotIn(NO_SNAT.name, NO_SNAT.id),
      ...sourceNat(ipv4Bytes(config.primaryAddress), config.randomizeSnat),
    ],
  ];
}
