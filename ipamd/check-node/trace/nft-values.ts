/** What expressions of nftables load of the first packet of a connection; `undefined` where the rule does not apply. Pure. */
import { addressBytes, familyOf } from '../../datapath/ip.ts';
import type { KernelFacts, LinkFact, RouteType } from '../kernel-facts.ts';
import { inTable, lookUp } from './fib.ts';
import { type Bytes, hostOrder, MOST_BYTES, unknownBytes } from './nft-registers.ts';
import { type Packet, PROTOCOL_NUMBERS } from './packet.ts';

/** enum nft_meta_keys (linux/netfilter/nf_tables.h). */
const META = {
  length: 0,
  protocol: 1,
  priority: 2,
  mark: 3,
  iif: 4,
  oif: 5,
  iifname: 6,
  oifname: 7,
  skuid: 10,
  skgid: 11,
  nfproto: 15,
  l4proto: 16,
  pkttype: 19,
  iifgroup: 21,
  oifgroup: 22,
  cgroup: 23,
  iifkind: 26,
  oifkind: 27,
} as const;
/** enum nft_ct_keys. */
const CT = {
  state: 0,
  direction: 1,
  status: 2,
  mark: 3,
  l3protocol: 7,
  source: 8,
  destination: 9,
  protocol: 10,
} as const;
const CT_ADDRESS = { sourceIp: 19, destinationIp: 20, sourceIp6: 21, destinationIp6: 22 } as const;
/** linux/netfilter/nf_conntrack_common.h: the bit of IP_CT_NEW among states, and IPS_SRC_NAT and IPS_DST_NAT. */
const STATE_NEW = 8;
const STATUS = { sourceNat: 0x10, destinationNat: 0x20 } as const;
const FIB_RESULT = { oif: 1, oifname: 2, type: 3 } as const;
const FIB_FLAG = { source: 1, mark: 4, iif: 8, oif: 16, present: 32 } as const;
/** linux/rtnetlink.h, RTN_*. */
const ADDRESS_TYPES: Readonly<Record<RouteType, number>> = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
  nat: 10,
};
const BASE = { network: 1, transport: 2 } as const;
const NFPROTO = { ipv4: 2, ipv6: 10 } as const;
const ETHERTYPE = { ipv4: [0x08, 0x00], ipv6: [0x86, 0xdd] } as const;
/** linux/if.h, IFNAMSIZ. */
const NAME_BYTES = 16;
/** Longest header that is read; what lies behind is unknown all the same. */
const HEADER_BYTES = 64;
const IPV6_BYTES = 16;
/** RT_TABLE_LOCAL. */
const LOCAL = 255;

/** `meta KEY`. */
export function metaBytes(key: number, packet: Packet): Bytes | undefined {
  const { inLink, outLink, mark, source } = packet;
  const family = familyOf(source);
  switch (key) {
    case META.protocol:
      return ETHERTYPE[family];
    case META.mark:
      return hostOrder(mark);
    case META.iif:
      return hostOrder(inLink?.index ?? 0);
    case META.oif:
      return hostOrder(outLink?.index ?? 0);
    case META.iifname:
      return nameBytes(inLink?.name ?? '');
    case META.oifname:
      return nameBytes(outLink?.name ?? '');
    case META.nfproto:
      return [NFPROTO[family]];
    case META.l4proto:
      return [protocolByte(packet)];
    // PACKET_HOST
    case META.pkttype:
      return [0];
    case META.iifgroup:
      return inLink && hostOrder(inLink.group);
    case META.oifgroup:
      return outLink && hostOrder(outLink.group);
    case META.iifkind:
      return inLink && nameBytes(inLink.kind ?? '');
    case META.oifkind:
      return outLink && nameBytes(outLink.kind ?? '');
    // It comes from a pod: no socket of the host has it.
    case META.skuid:
    case META.skgid:
    case META.cgroup:
      return undefined;
    default:
      return unknownBytes(NAME_BYTES);
  }
}

/** `ct KEY` of a connection that begins. */
export function connectionBytes(key: number, packet: Packet): Bytes | undefined {
  const { source, destination, connectionMark, sourceTranslated, destinationTranslated } = packet;
  const family = familyOf(source);
  // The connection knows addresses as they were before any translation.
  const original = (address: string, isTranslated: boolean): Bytes =>
    isTranslated ? unknownBytes(IPV6_BYTES) : [...addressBytes(address)];
  const ofFamily = (asked: 'ipv4' | 'ipv6', bytes: Bytes): Bytes | undefined => (asked === family ? bytes : undefined);
  switch (key) {
    case CT.state:
      return hostOrder(STATE_NEW);
    case CT.direction:
      return [0];
    case CT.status:
      return hostOrder((sourceTranslated ? STATUS.sourceNat : 0) | (destinationTranslated ? STATUS.destinationNat : 0));
    case CT.mark:
      return hostOrder(connectionMark);
    case CT.l3protocol:
      return [NFPROTO[family]];
    case CT.protocol:
      return [protocolByte(packet)];
    case CT.source:
      return original(source, sourceTranslated);
    case CT.destination:
      return original(destination, destinationTranslated);
    case CT_ADDRESS.sourceIp:
      return ofFamily('ipv4', original(source, sourceTranslated));
    case CT_ADDRESS.sourceIp6:
      return ofFamily('ipv6', original(source, sourceTranslated));
    case CT_ADDRESS.destinationIp:
      return ofFamily('ipv4', original(destination, destinationTranslated));
    case CT_ADDRESS.destinationIp6:
      return ofFamily('ipv6', original(destination, destinationTranslated));
    default:
      return unknownBytes(NAME_BYTES);
  }
}

/** Bytes of the packet's headers (struct iphdr, struct ipv6hdr, and the ports that TCP and UDP begin with). */
export function payloadBytes(base: number, offset: number, length: number, packet: Packet): Bytes | undefined {
  const known = headerOf(base, packet);
  return Array.from({ length: Math.min(length, MOST_BYTES) }, (_, at) => known[offset + at]);
}

function headerOf(base: number, packet: Packet): Bytes {
  const header = [...unknownBytes(HEADER_BYTES)];
  const put = (at: number, bytes: Bytes): void => void header.splice(at, bytes.length, ...bytes);
  if (base === BASE.network) {
    const isIpv4 = familyOf(packet.source) === 'ipv4';
    put(isIpv4 ? 9 : 6, [protocolByte(packet)]);
    put(isIpv4 ? 12 : 8, [...addressBytes(packet.source)]);
    put(isIpv4 ? 16 : 24, [...addressBytes(packet.destination)]);
  }
  const hasPorts = packet.protocol === 'tcp' || packet.protocol === 'udp';
  if (base === BASE.transport && hasPorts && packet.port !== undefined) put(2, [packet.port >>> 8, packet.port & 0xff]);
  return header;
}

function protocolByte({ protocol, source }: Packet): number | undefined {
  if (protocol === undefined) return undefined;
  // IPPROTO_ICMPV6
  return protocol === 'icmp' && familyOf(source) === 'ipv6' ? 58 : PROTOCOL_NUMBERS[protocol];
}

/** `fib`: nft_fib4_eval (net/ipv4/netfilter/nft_fib_ipv4.c); the lookup is made as if the node itself sent. */
export function fibBytes(result: number, flags: number, packet: Packet, kernel: KernelFacts): Bytes {
  const [destination, source] =
    (flags & FIB_FLAG.source) === 0 ? [packet.destination, packet.source] : [packet.source, packet.destination];
  const device =
    (flags & FIB_FLAG.iif) !== 0 ? packet.inLink : (flags & FIB_FLAG.oif) !== 0 ? packet.outLink : undefined;
  if (result === FIB_RESULT.type) return hostOrder(ADDRESS_TYPES[addressType(kernel, destination, device)]);
  const mark = (flags & FIB_FLAG.mark) === 0 ? 0 : packet.mark;
  const found = lookUp(kernel, { destination, source, inInterface: 'lo', mark });
  const isUnicast = found.kind === 'route' && found.route.type === 'unicast';
  const link = isUnicast && (device === undefined || device.index === found.route.link) ? found.route.link : 0;
  if ((flags & FIB_FLAG.present) !== 0) return hostOrder(link === 0 ? 0 : 1);
  if (result === FIB_RESULT.oif) return hostOrder(link);
  return nameBytes(kernel.links.find(({ index }) => index === link)?.name ?? '');
}

/** inet_dev_addr_type: what table local says; with a device, of addresses on it alone. */
function addressType(kernel: KernelFacts, address: string, device: LinkFact | undefined): RouteType {
  const route = inTable(kernel.routes, LOCAL, address);
  if (route === undefined) return 'unicast';
  return device !== undefined && route.type === 'local' && route.link !== device.index ? 'unicast' : route.type;
}

function nameBytes(name: string): Bytes {
  const bytes = Buffer.alloc(NAME_BYTES);
  bytes.write(name, 'latin1');
  return [...bytes];
}
