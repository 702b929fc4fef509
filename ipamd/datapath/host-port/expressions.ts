/**
 * Expressions that the rules of host ports need beyond those of `../nftables/expressions.ts`, named after what `nft` prints
 * for them. A concatenation stands in registers of four bytes, one part after the other; where a part begins at a multiple
 * of 16 bytes, nft says so with the number of the 16-byte register. Pure.
 */
import { u32, u32BigEndianAttribute as be, textAttribute, nestedAttribute } from '../netlink/attributes.ts';
import {
  ADDRESS_TYPE_LOCAL,
  NFPROTO_IPV4,
  NFT_FIB_FLAG,
  NFT_FIB_RESULT,
  NFT_META,
  NFT_NAT_DNAT,
  NFT_NAT_SNAT,
  NFT_PAYLOAD_NETWORK_HEADER,
  NFT_PAYLOAD_TRANSPORT_HEADER,
  NFT_REG_1,
  NFT_REG_VERDICT,
  NFT_RETURN,
  NFTA_DATA,
  NFTA_IMMEDIATE,
  NFTA_LOOKUP,
  NFTA_META,
  NFTA_NAT,
  NFTA_PAYLOAD,
  NFTA_VERDICT_CODE,
} from '../nftables/constants.ts';
import { bitwise, compare, data, expression, fib, loadMeta, type Expression } from '../nftables/expressions.ts';
import type { IpFamily } from '../ip.ts';
import { PART, type HashSet, type Part } from '../nftables/hash-set.ts';

/** nf_tables.h: NFT_REG32_00, and how many 16-byte registers there are. */
const NFT_REG32_00 = 8;
/** linux/netfilter.h. */
const NFPROTO_IPV6 = 10;
/** nft_meta_keys: the layer 4 protocol, and the group of the link a packet leaves by. */
const META_L4_PROTOCOL = 16;
const META_OUT_GROUP = 22;
/** Offset of the destination port in the headers of TCP, UDP and SCTP alike. */
const DESTINATION_PORT_OFFSET = 2;

/** What differs between the families: numbers, header offsets (struct iphdr, struct ipv6hdr), loopback. */
export const FAMILY = {
  ipv4: {
    number: NFPROTO_IPV4,
    source: 12,
    destination: 16,
    address: 'ipv4_addr',
    loopback: Uint8Array.of(127),
  },
  ipv6: {
    number: NFPROTO_IPV6,
    source: 8,
    destination: 24,
    address: 'ipv6_addr',
    loopback: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
  },
} as const;

/** The number of the register that a concatenation's part stands in, `offset` bytes after the first. */
function register(offset: number): number {
  return offset % 16 === 0 ? NFT_REG_1 + offset / 16 : NFT_REG32_00 + offset / 4;
}

function loadPayload(base: number, offset: number, length: number, destination: number = NFT_REG_1): Expression {
  return expression('payload', [
    be(NFTA_PAYLOAD.destination, destination),
    be(NFTA_PAYLOAD.base, base),
    be(NFTA_PAYLOAD.offset, offset),
    be(NFTA_PAYLOAD.length, length),
  ]);
}

function loadAddress(family: IpFamily, end: 'source' | 'destination', at: number): Expression {
  const { address, ...offsets } = FAMILY[family];
  return loadPayload(NFT_PAYLOAD_NETWORK_HEADER, offsets[end], PART[address].length, at);
}

/** `meta nfproto FAMILY` */
export function isFamily(family: IpFamily): readonly Expression[] {
  return [loadMeta(NFT_META.nfproto), compare('equal', Uint8Array.of(FAMILY[family].number))];
}

/** `ip saddr 127.0.0.0/8`, `ip6 daddr ::1`; the rule must have ascertained the family. */
export function isLoopback(family: IpFamily, end: 'source' | 'destination'): readonly Expression[] {
  const { loopback, ...offsets } = FAMILY[family];
  return [loadPayload(NFT_PAYLOAD_NETWORK_HEADER, offsets[end], loopback.length), compare('equal', loopback)];
}

/** `fib daddr type local` */
export function toThisHost(): readonly Expression[] {
  return [fib(NFT_FIB_RESULT.addressType, NFT_FIB_FLAG.destination), compare('equal', u32(ADDRESS_TYPE_LOCAL))];
}

/** `oifgroup & MASK == GROUP` */
export function outGroupMasked(group: number, mask: number): readonly Expression[] {
  return [loadMeta(META_OUT_GROUP), bitwise(u32(mask), u32(0)), compare('equal', u32(group))];
}

/** `return`; in a base chain that is its policy. */
export function returnVerdict(): readonly Expression[] {
  const verdict = nestedAttribute(NFTA_DATA.verdict, [be(NFTA_VERDICT_CODE, NFT_RETURN)]);
  return [
    expression('immediate', [
      be(NFTA_IMMEDIATE.destination, NFT_REG_VERDICT),
      nestedAttribute(NFTA_IMMEDIATE.data, [verdict]),
    ]),
  ];
}

function lookUp(set: HashSet): Expression {
  return expression('lookup', [
    be(NFTA_LOOKUP.source, NFT_REG_1),
    ...(set.data === undefined ? [] : [be(NFTA_LOOKUP.destination, NFT_REG_1)]),
    textAttribute(NFTA_LOOKUP.set, set.name),
    be(NFTA_LOOKUP.setId, set.id),
  ]);
}

/** `ip saddr . ip daddr @SET` */
export function addressesIn(family: IpFamily, set: HashSet): readonly Expression[] {
  const second = register(PART[FAMILY[family].address].length);
  return [loadAddress(family, 'source', NFT_REG_1), loadAddress(family, 'destination', second), lookUp(set)];
}

/** `dnat ip to [ip daddr .] meta l4proto . th dport map @MAP`; what the map does not have goes to the next rule. */
export function translateBy(family: IpFamily, map: HashSet): readonly Expression[] {
  const isBound = map.key.length === 3;
  const addressBytes = PART[FAMILY[family].address].length;
  const keyBytes = isBound ? addressBytes : 0;
  return [
    ...(isBound ? [loadAddress(family, 'destination', NFT_REG_1)] : []),
    expression('meta', [be(NFTA_META.key, META_L4_PROTOCOL), be(NFTA_META.destination, register(keyBytes))]),
    loadPayload(
      NFT_PAYLOAD_TRANSPORT_HEADER,
      DESTINATION_PORT_OFFSET,
      PART.inet_service.length,
      register(keyBytes + 4),
    ),
    lookUp(map),
    expression('nat', [
      be(NFTA_NAT.type, NFT_NAT_DNAT),
      be(NFTA_NAT.family, FAMILY[family].number),
      be(NFTA_NAT.addressMin, NFT_REG_1),
      be(NFTA_NAT.portMin, register(addressBytes)),
    ]),
  ];
}

/** `snat ip to ADDRESS`, four bytes. */
export function fromAddress(address: Uint8Array): readonly Expression[] {
  return [
    expression('immediate', [be(NFTA_IMMEDIATE.destination, NFT_REG_1), data(NFTA_IMMEDIATE.data, address)]),
    expression('nat', [
      be(NFTA_NAT.type, NFT_NAT_SNAT),
      be(NFTA_NAT.family, NFPROTO_IPV4),
      be(NFTA_NAT.addressMin, NFT_REG_1),
    ]),
  ];
}

/** `masquerade` */
export function masquerade(): readonly Expression[] {
  return [expression('masq', [])];
}

/** What a part's type is called in the key of a map of one family. */
export function mapKey(family: IpFamily, isBound: boolean): readonly Part[] {
  return isBound ? [FAMILY[family].address, 'inet_proto', 'inet_service'] : ['inet_proto', 'inet_service'];
}
