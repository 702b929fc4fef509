/**
 * Rules, routes and neighbours of everybody, with all that decides a packet's way: the daemon's own codec
 * (datapath/netlink/route) reads only what it makes itself. Numbers: linux/fib_rules.h, rtnetlink.h, neighbour.h. Pure.
 */
import { addressText, anyAddress, familyOfNumber } from '../../datapath/ip.ts';
import { decodeAttributes, readText, readU32, readU8 } from '../../datapath/netlink/attributes.ts';
import { FRA, NDA, RTA } from '../../datapath/netlink/constants.ts';
import { NetlinkDecodeError } from '../../datapath/netlink/errors.ts';
import { macText } from '../../datapath/netlink/route/link.ts';
import type { NeighbourFact, NeighbourState, RouteFact, RouteType, RuleAction, RuleFact } from '../kernel-facts.ts';

const RULE_HEADER = 12;
const ROUTE_HEADER = 12;
const NEIGHBOUR_HEADER = 12;

/** FRA_*; those that are no condition are known, too: flow, suppress_ifgroup, l3mdev and so on are not. */
const FRA_OUT_INTERFACE = 17;
const FRA_SUPPRESS_PREFIX_LENGTH = 14;
const FRA_SUPPRESS_IF_GROUP = 13;
/** -1: nothing is suppressed. */
const NO_SUPPRESSION = 0xffffffff;
const FRA_NO_CONDITIONS: ReadonlySet<number> = new Set([
  ...Object.values(FRA),
  FRA_OUT_INTERFACE,
  FRA_SUPPRESS_PREFIX_LENGTH,
]);
/** FR_ACT_*. */
const ACTIONS: Readonly<Record<number, RuleAction>> = {
  1: 'table',
  3: 'nop',
  6: 'blackhole',
  7: 'unreachable',
  8: 'prohibit',
};
/** FIB_RULE_INVERT. */
const INVERT = 2;

/** Reads RTM_NEWRULE of IPv4 or IPv6; undefined for other families. Throws `NetlinkDecodeError`. */
export function decodeRuleFact(body: Buffer): RuleFact | undefined {
  if (body.length < RULE_HEADER) throw new NetlinkDecodeError(`rule message of ${body.length} bytes`);
  const family = familyOfNumber(body[0]);
  if (family === undefined) return undefined;
  const attributes = decodeAttributes(body.subarray(RULE_HEADER));
  const cidr = (type: number, length: number): string | null => {
    const bytes = attributes.get(type);
    return bytes === undefined ? null : `${addressText(bytes)}/${length}`;
  };
  // A mark of 0 is left out, its mask is not (fib_nl_fill_rule).
  const mask = readU32(attributes, FRA.markMask);
  const mark = readU32(attributes, FRA.mark) ?? (mask === undefined ? undefined : 0);
  const suppress = readU32(attributes, FRA_SUPPRESS_PREFIX_LENGTH);
  const isNoCondition = (type: number): boolean =>
    FRA_NO_CONDITIONS.has(type) || (type === FRA_SUPPRESS_IF_GROUP && readU32(attributes, type) === NO_SUPPRESSION);
  return {
    family,
    priority: readU32(attributes, FRA.priority) ?? 0,
    action: ACTIONS[body.readUInt8(7)] ?? 'other',
    table: readU32(attributes, FRA.table) ?? body.readUInt8(4),
    protocol: readU8(attributes, FRA.protocol) ?? 0,
    source: cidr(FRA.source, body.readUInt8(2)),
    destination: cidr(FRA.destination, body.readUInt8(1)),
    mark: mark === undefined ? null : { value: mark, mask: mask ?? 0xffffffff },
    inInterface: readText(attributes, FRA.inInterface) ?? null,
    outInterface: readText(attributes, FRA_OUT_INTERFACE) ?? null,
    ipProtocol: readU8(attributes, FRA.ipProtocol) ?? null,
    suppressPrefixLength: suppress === undefined || suppress === NO_SUPPRESSION ? null : suppress,
    inverted: (body.readUInt32LE(8) & INVERT) !== 0,
    unknown: [...attributes.keys()].filter((type) => !isNoCondition(type)),
  };
}

/** RTN_*. */
const TYPES: readonly (RouteType | undefined)[] = [
  undefined,
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
];
const RTA_PRIORITY = 6;
const RTA_MULTIPATH = 9;
/** RTM_F_CLONED: a cache entry of IPv6, no route. */
const CLONED = 0x200;
/** RTNH_F_DEAD, RTNH_F_LINKDOWN. */
const DEAD = 0x11;

/** Reads RTM_NEWROUTE of IPv4 or IPv6; undefined for other families and cache entries. Throws `NetlinkDecodeError`. */
export function decodeRouteFact(body: Buffer): RouteFact | undefined {
  if (body.length < ROUTE_HEADER) throw new NetlinkDecodeError(`route message of ${body.length} bytes`);
  const family = familyOfNumber(body[0]);
  const type = TYPES[body.readUInt8(7)];
  const flags = body.readUInt32LE(8);
  if (family === undefined || type === undefined || (flags & CLONED) !== 0) return undefined;
  const attributes = decodeAttributes(body.subarray(ROUTE_HEADER));
  const hop = firstHop(attributes.get(RTA_MULTIPATH));
  const destination = attributes.get(RTA.destination);
  const gateway = attributes.get(RTA.gateway) ?? hop?.gateway;
  const source = attributes.get(RTA.preferredSource);
  return {
    family,
    table: readU32(attributes, RTA.table) ?? body.readUInt8(4),
    type,
    destination: destination === undefined ? anyAddress(family) : addressText(destination),
    prefixLength: body.readUInt8(1),
    metric: readU32(attributes, RTA_PRIORITY) ?? 0,
    protocol: body.readUInt8(5),
    link: readU32(attributes, RTA.outInterface) ?? hop?.link ?? 0,
    gateway: gateway === undefined ? null : addressText(gateway),
    preferredSource: source === undefined ? null : addressText(source),
    dead: ((hop?.flags ?? flags) & DEAD) !== 0,
  };
}

/** struct rtnexthop {u16 length, u8 flags, u8 hops, i32 index}, then attributes. */
function firstHop(bytes: Buffer | undefined): { link: number; flags: number; gateway: Buffer | undefined } | undefined {
  if (bytes === undefined || bytes.length < 8) return undefined;
  const attributes = decodeAttributes(bytes.subarray(8, bytes.readUInt16LE(0)));
  return { link: bytes.readInt32LE(4), flags: bytes.readUInt8(2), gateway: attributes.get(RTA.gateway) };
}

/** NUD_*, one bit each. */
const STATES: Readonly<Record<number, NeighbourState>> = {
  0x01: 'incomplete',
  0x02: 'reachable',
  0x04: 'stale',
  0x08: 'delay',
  0x10: 'probe',
  0x20: 'failed',
  0x40: 'noarp',
  0x80: 'permanent',
};

/** Reads RTM_NEWNEIGH of IPv4 or IPv6; undefined for other families. Throws `NetlinkDecodeError`. */
export function decodeNeighbourFact(body: Buffer): NeighbourFact | undefined {
  if (body.length < NEIGHBOUR_HEADER) throw new NetlinkDecodeError(`neighbour message of ${body.length} bytes`);
  const attributes = decodeAttributes(body.subarray(NEIGHBOUR_HEADER));
  const address = attributes.get(NDA.destination);
  if (familyOfNumber(body[0]) === undefined || address === undefined) return undefined;
  return {
    link: body.readInt32LE(4),
    address: addressText(address),
    mac: macText(attributes.get(NDA.linkAddress) ?? Buffer.alloc(0)),
    state: STATES[body.readUInt16LE(8)] ?? 'none',
  };
}
