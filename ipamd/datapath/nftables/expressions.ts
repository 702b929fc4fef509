/**
 * Expressions of nf_tables rules, each a function named after what `nft` prints for it. A rule is a list of them; all use
 * register 1. Values are in the byte order in which the kernel keeps them in the register. Pure.
 */
import { addressBytes, type IpFamily } from '../ip.ts';
import { attribute, nestedAttribute, textAttribute, u32, u32BigEndianAttribute } from '../netlink/attributes.ts';
import {
  ADDRESS_TYPE_LOCAL,
  CT_STATE_NEW,
  NF_ACCEPT,
  NF_DROP,
  NF_NAT_RANGE,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_CMP,
  NFT_CT,
  NFT_FIB_FLAG,
  NFT_FIB_RESULT,
  NFT_LOOKUP_INVERT,
  NFT_META,
  NFT_NAT_SNAT,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_REG_1,
  NFT_REG_VERDICT,
  NFTA_BITWISE,
  NFTA_CMP,
  NFTA_CT,
  NFTA_DATA,
  NFTA_EXPR,
  NFTA_FIB,
  NFTA_IMMEDIATE,
  NFTA_LIST_ELEM,
  NFTA_LOOKUP,
  NFTA_META,
  NFTA_NAT,
  NFTA_PAYLOAD,
  NFTA_VERDICT_CODE,
} from './constants.ts';

/** One encoded expression, as it stands in a rule's list. */
export type Expression = Buffer;

/** linux/if.h. */
const INTERFACE_NAME_BYTES = 16;
/** Offset of the destination address in struct iphdr (linux/ip.h). */
const IPV4_DESTINATION_OFFSET = 16;
/** Offset of the source address in struct ipv6hdr (linux/ipv6.h). */
const IPV6_SOURCE_OFFSET = 8;
const IPV6_BYTES = 16;

/** One expression by its name in the kernel; for expressions that stand in other files. */
export function expression(name: string, attributes: readonly Buffer[]): Expression {
  return nestedAttribute(NFTA_LIST_ELEM, [
    textAttribute(NFTA_EXPR.name, name),
    nestedAttribute(NFTA_EXPR.data, attributes),
  ]);
}

/** A value, wrapped as nf_tables wants values within expressions. */
export function data(type: number, value: Uint8Array): Buffer {
  return nestedAttribute(type, [attribute(NFTA_DATA.value, value)]);
}

const be = u32BigEndianAttribute;

/** Loads a NFT_META_* into register 1. */
export function loadMeta(key: number): Expression {
  return expression('meta', [be(NFTA_META.key, key), be(NFTA_META.destination, NFT_REG_1)]);
}

function loadCt(key: number): Expression {
  return expression('ct', [be(NFTA_CT.key, key), be(NFTA_CT.destination, NFT_REG_1)]);
}

/** Compares register 1. */
export function compare(operation: 'equal' | 'notEqual', value: Uint8Array): Expression {
  return expression('cmp', [
    be(NFTA_CMP.source, NFT_REG_1),
    be(NFTA_CMP.operation, NFT_CMP[operation]),
    data(NFTA_CMP.data, value),
  ]);
}

/** register = (register & mask) ^ xor. nft names the operation except where it tests flags or a prefix. */
export function bitwise(mask: Uint8Array, xor: Uint8Array, isFlagTest = false): Expression {
  return expression('bitwise', [
    be(NFTA_BITWISE.source, NFT_REG_1),
    be(NFTA_BITWISE.destination, NFT_REG_1),
    ...(isFlagTest ? [] : [be(NFTA_BITWISE.operation, 0)]),
    be(NFTA_BITWISE.length, mask.length),
    data(NFTA_BITWISE.mask, mask),
    data(NFTA_BITWISE.xor, xor),
  ]);
}

/** Loads the result of a route look-up into register 1. */
export function fib(result: number, flags: number): Expression {
  return expression('fib', [
    be(NFTA_FIB.flags, flags),
    be(NFTA_FIB.result, result),
    be(NFTA_FIB.destination, NFT_REG_1),
  ]);
}

function interfaceName(name: string): Buffer {
  const bytes = Buffer.alloc(INTERFACE_NAME_BYTES);
  bytes.write(name, 'latin1');
  return bytes;
}

/** `meta iifgroup GROUP` */
export function inGroup(group: number): readonly Expression[] {
  return [loadMeta(NFT_META.inGroup), compare('equal', u32(group))];
}

/** `meta iifgroup & MASK == GROUP` */
export function inGroupMasked(group: number, mask: number): readonly Expression[] {
  return [loadMeta(NFT_META.inGroup), bitwise(u32(mask), u32(0)), compare('equal', u32(group))];
}

/** `iifname NAME` */
export function inInterface(name: string): readonly Expression[] {
  return [loadMeta(NFT_META.inName), compare('equal', interfaceName(name))];
}

/** `oifname NAME` */
export function outInterface(name: string): readonly Expression[] {
  return [loadMeta(NFT_META.outName), compare('equal', interfaceName(name))];
}

/** `meta nfproto ipv4` */
export function isIpv4(): readonly Expression[] {
  return [loadMeta(NFT_META.nfproto), compare('equal', Uint8Array.of(NFPROTO_IPV4))];
}

/** `ip saddr CIDR` or `ip6 daddr CIDR`: source or destination within a block whose length is no multiple of eight. */
export function addressWithin(which: 'source' | 'destination', cidr: string): readonly Expression[] {
  const [text = '', length = ''] = cidr.split('/');
  const prefix = addressBytes(text);
  const mask = prefix.map((_, at) => 0xff & (0xff00 >> Math.min(8, Math.max(0, Number(length) - 8 * at))));
  const isIpv6 = prefix.length === IPV6_BYTES;
  const offsets = isIpv6
    ? { source: IPV6_SOURCE_OFFSET, destination: IPV6_SOURCE_OFFSET + IPV6_BYTES }
    : { source: IPV4_DESTINATION_OFFSET - 4, destination: IPV4_DESTINATION_OFFSET };
  const load = expression('payload', [
    be(NFTA_PAYLOAD.destination, NFT_REG_1),
    be(NFTA_PAYLOAD.base, NFT_PAYLOAD_NETWORK_HEADER),
    be(NFTA_PAYLOAD.offset, offsets[which]),
    be(NFTA_PAYLOAD.length, prefix.length),
  ]);
  const family = [loadMeta(NFT_META.nfproto), compare('equal', Uint8Array.of(isIpv6 ? NFPROTO_IPV6 : NFPROTO_IPV4))];
  return [...family, load, bitwise(mask, Buffer.alloc(prefix.length), true), compare('equal', prefix)];
}

/** `fib saddr . iif oif missing`: no route leads back to the source through the interface the packet came in by. */
export function noRouteBack(): readonly Expression[] {
  const flags = NFT_FIB_FLAG.source | NFT_FIB_FLAG.inInterface | NFT_FIB_FLAG.present;
  return [fib(NFT_FIB_RESULT.outInterface, flags), compare('equal', u32(0))];
}

/** `fib saddr . mark . iif oif missing`: the same, the route being looked up with the packet's mark. */
export function noRouteBackByMark(): readonly Expression[] {
  const { source, mark, inInterface, present } = NFT_FIB_FLAG;
  return [fib(NFT_FIB_RESULT.outInterface, source | mark | inInterface | present), compare('equal', u32(0))];
}

/** `fib daddr . iif type local`: the destination is an address of the interface the packet came in by. */
export function toAddressOfInInterface(): readonly Expression[] {
  const flags = NFT_FIB_FLAG.destination | NFT_FIB_FLAG.inInterface;
  return [fib(NFT_FIB_RESULT.addressType, flags), compare('equal', u32(ADDRESS_TYPE_LOCAL))];
}

/** `fib daddr type != local` */
export function notToThisHost(): readonly Expression[] {
  return [fib(NFT_FIB_RESULT.addressType, NFT_FIB_FLAG.destination), compare('notEqual', u32(ADDRESS_TYPE_LOCAL))];
}

/** `ct state new` */
export function newConnection(): readonly Expression[] {
  return [loadCt(NFT_CT.state), bitwise(u32(CT_STATE_NEW), u32(0), true), compare('notEqual', u32(0))];
}

/** `meta mark & BITS == BITS` */
export function packetMarked(bits: number): readonly Expression[] {
  return [loadMeta(NFT_META.mark), bitwise(u32(bits), u32(0)), compare('equal', u32(bits))];
}

/** `ct mark & BITS == BITS` */
export function connectionMarked(bits: number): readonly Expression[] {
  return [loadCt(NFT_CT.mark), bitwise(u32(bits), u32(0)), compare('equal', u32(bits))];
}

/** `meta mark set meta mark & ~MASK | VALUE`; the other bits stay. */
export function setPacketMark(value: number, mask: number): readonly Expression[] {
  const store = expression('meta', [be(NFTA_META.key, NFT_META.mark), be(NFTA_META.source, NFT_REG_1)]);
  return [loadMeta(NFT_META.mark), bitwise(u32(~mask), u32(value)), store];
}

/** `ct mark set ct mark | BITS` */
export function setConnectionMark(bits: number): readonly Expression[] {
  const store = expression('ct', [be(NFTA_CT.key, NFT_CT.mark), be(NFTA_CT.source, NFT_REG_1)]);
  return [loadCt(NFT_CT.mark), bitwise(u32(~bits), u32(bits)), store];
}

/** `ip daddr != @SET`; the rule must have ascertained IPv4. */
export function destinationNotIn(set: string, setId: number): readonly Expression[] {
  const load = expression('payload', [
    be(NFTA_PAYLOAD.destination, NFT_REG_1),
    be(NFTA_PAYLOAD.base, NFT_PAYLOAD_NETWORK_HEADER),
    be(NFTA_PAYLOAD.offset, IPV4_DESTINATION_OFFSET),
    be(NFTA_PAYLOAD.length, 4),
  ]);
  const lookup = expression('lookup', [
    be(NFTA_LOOKUP.source, NFT_REG_1),
    textAttribute(NFTA_LOOKUP.set, set),
    be(NFTA_LOOKUP.setId, setId),
    be(NFTA_LOOKUP.flags, NFT_LOOKUP_INVERT),
  ]);
  return [load, lookup];
}

/** `ip daddr @SET` or `ip6 daddr @SET`. */
export function destinationIn(set: string, setId: number, family: IpFamily): readonly Expression[] {
  const isIpv6 = family === 'ipv6';
  const load = expression('payload', [
    be(NFTA_PAYLOAD.destination, NFT_REG_1),
    be(NFTA_PAYLOAD.base, NFT_PAYLOAD_NETWORK_HEADER),
    be(NFTA_PAYLOAD.offset, isIpv6 ? IPV6_SOURCE_OFFSET + IPV6_BYTES : IPV4_DESTINATION_OFFSET),
    be(NFTA_PAYLOAD.length, isIpv6 ? IPV6_BYTES : 4),
  ]);
  const lookup = expression('lookup', [
    be(NFTA_LOOKUP.source, NFT_REG_1),
    textAttribute(NFTA_LOOKUP.set, set),
    be(NFTA_LOOKUP.setId, setId),
  ]);
  const protocol = Uint8Array.of(isIpv6 ? NFPROTO_IPV6 : NFPROTO_IPV4);
  return [loadMeta(NFT_META.nfproto), compare('equal', protocol), load, lookup];
}

/** `counter` */
export function counter(): readonly Expression[] {
  return [expression('counter', [])];
}

/** `drop` */
export function drop(): readonly Expression[] {
  return verdictOf(NF_DROP);
}

/** `accept`: the rest of this chain is passed over. */
export function accept(): readonly Expression[] {
  return verdictOf(NF_ACCEPT);
}

function verdictOf(code: number): readonly Expression[] {
  const verdict = nestedAttribute(NFTA_DATA.verdict, [be(NFTA_VERDICT_CODE, code)]);
  return [
    expression('immediate', [
      be(NFTA_IMMEDIATE.destination, NFT_REG_VERDICT),
      nestedAttribute(NFTA_IMMEDIATE.data, [verdict]),
    ]),
  ];
}

/** `snat ip to ADDRESS [random|fully-random]`, or `snat ip6 to` with an address of 16 bytes. */
export function sourceNat(address: Uint8Array, randomize: 'prng' | 'hashrandom' | 'none'): readonly Expression[] {
  const flags = { prng: NF_NAT_RANGE.fullyRandom, hashrandom: NF_NAT_RANGE.random, none: 0 }[randomize];
  return [
    expression('immediate', [be(NFTA_IMMEDIATE.destination, NFT_REG_1), data(NFTA_IMMEDIATE.data, address)]),
    expression('nat', [
      be(NFTA_NAT.type, NFT_NAT_SNAT),
      be(NFTA_NAT.family, address.length === IPV6_BYTES ? NFPROTO_IPV6 : NFPROTO_IPV4),
      be(NFTA_NAT.addressMin, NFT_REG_1),
      ...(flags === 0 ? [] : [be(NFTA_NAT.flags, flags)]),
    ]),
  ];
}
