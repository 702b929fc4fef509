/**
 * Matches and targets of xtables, which iptables-nft puts into rules of nf_tables, in the terms of nf_tables' own expressions.
 * Layouts: linux/netfilter/xt_*.h and nf_nat.h. They use registers behind those that the kernel has. Pure.
 */
import { u32 } from '../../datapath/netlink/attributes.ts';
import { NF_NAT_RANGE, NFT_CT, NFT_FIB_FLAG, NFT_FIB_RESULT, NFT_META } from '../../datapath/nftables/constants.ts';
import type { NftExpression } from '../nft-ruleset.ts';
import { hex } from './hexadecimal.ts';

/** Registers; the kernel's end at word 19. */
const SPARE = 20;
const SPARE_PORT = 24;
const COMPARE = { equal: 0, notEqual: 1 } as const;
const TRANSPORT = 2;
const PORT = { source: 0, destination: 2 } as const;
const ANY_PORT = [0, 0xffff] as const;
const INVERT = { sourcePort: 1, destinationPort: 2 } as const;
const XT_ADDRTYPE = { invertDestination: 2, ofInInterface: 4 } as const;
/** struct xt_conntrack_mtinfo3. */
const CONNTRACK = { matched: 146, inverted: 148, states: 150, state: 1, natStates: 0xc0 } as const;
const MULTIPORT = { destination: 1, most: 15, ports: 2, isRange: 32, inverted: 47 } as const;

type Expressions = readonly NftExpression[];
type Decoder = (info: Buffer, revision: number) => Expressions | undefined;

/** Nobody can say beforehand whether it holds. */
function undecided(name: string): Expressions {
  const never = { kind: 'compare', from: SPARE, operation: COMPARE.equal, value: '0x00' } as const;
  return [{ kind: 'unknown-value', name, to: SPARE }, never];
}

const MATCHES: Readonly<Record<string, Decoder>> = {
  comment: () => [{ kind: 'no-effect', name: 'comment' }],
  statistic: () => undecided('statistic'),
  tcp: (info) => {
    // Flags and options of the segment: mask, comparison and inversion.
    const isPlain = info[8] === 0 && info[9] === 0 && ((info[11] ?? 0) & 0xc) === 0;
    return [...ports(info, info[11] ?? 0), ...(isPlain ? [] : undecided('tcp flags'))];
  },
  udp: (info) => ports(info, info[8] ?? 0),
  multiport: (info, revision) => (revision === 1 ? multiport(info) : undefined),
  mark: (info, revision) =>
    revision === 1
      ? compared(
          { kind: 'meta', key: NFT_META.mark, to: SPARE },
          info.subarray(4, 8),
          info.subarray(0, 4),
          info[8] !== 0,
        )
      : undefined,
  addrtype: (info, revision) => (revision === 1 ? addressType(info) : undefined),
  conntrack: (info, revision) => (revision === 3 ? conntrack(info) : undefined),
};

const TARGETS: Readonly<Record<string, Decoder>> = {
  LOG: () => [{ kind: 'no-effect', name: 'LOG' }],
  NFLOG: () => [{ kind: 'no-effect', name: 'NFLOG' }],
  REJECT: () => [{ kind: 'reject' }],
  MASQUERADE: () => [{ kind: 'masquerade' }],
  MARK: (info, revision) => (revision === 2 ? setMark(info.readUInt32LE(0), info.readUInt32LE(4)) : undefined),
  DNAT: (info, revision) => translation('destination', info, revision),
  SNAT: (info, revision) => translation('source', info, revision),
};

/** NFTA_MATCH_* or NFTA_TARGET_*; undefined where it is not understood. */
export function decodeXtables(
  kind: 'match' | 'target',
  name: string,
  revision: number,
  info: Buffer,
): Expressions | undefined {
  try {
    return (kind === 'match' ? MATCHES : TARGETS)[name]?.(info, revision);
  } catch (error) {
    // Shorter than its kind is.
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

/** u16 source[2], u16 destination[2]: from and to, in the order of the host. */
function ports(info: Buffer, inverted: number): Expressions {
  return [
    ...portWithin(PORT.source, [range(info, 0)], (inverted & INVERT.sourcePort) !== 0),
    ...portWithin(PORT.destination, [range(info, 4)], (inverted & INVERT.destinationPort) !== 0),
  ];
}

function range(info: Buffer, at: number): readonly [number, number] {
  return [info.readUInt16LE(at), info.readUInt16LE(at + 2)];
}

function portWithin(
  offset: number,
  allowed: readonly (readonly [low: number, high: number])[],
  inverted: boolean,
): Expressions {
  const isAny = allowed.every(([low, high]) => low === ANY_PORT[0] && high === ANY_PORT[1]);
  if (isAny && !inverted) return [];
  const ranges = allowed.map(([low, high]) => ({ low: hex(bigEndian(low)), high: hex(bigEndian(high)) }));
  return [
    { kind: 'payload', base: TRANSPORT, offset, length: 2, to: SPARE },
    { kind: 'range', from: SPARE, inverted, ranges },
  ];
}

/** struct xt_multiport_v1. */
function multiport(info: Buffer): Expressions {
  if (info[0] !== MULTIPORT.destination) return undecided('multiport');
  const allowed: (readonly [number, number])[] = [];
  for (let at = 0; at < Math.min(info[1] ?? 0, MULTIPORT.most); at += 1) {
    const port = info.readUInt16LE(MULTIPORT.ports + 2 * at);
    const isRange = info[MULTIPORT.isRange + at] === 1;
    allowed.push([port, isRange ? info.readUInt16LE(MULTIPORT.ports + 2 * (at + 1)) : port]);
    if (isRange) at += 1;
  }
  return portWithin(PORT.destination, allowed, info[MULTIPORT.inverted] === 1);
}

/** struct xt_addrtype_info_v1: sets of types, of which only one type of the destination is understood. */
function addressType(info: Buffer): Expressions | undefined {
  const [source, destination, flags] = [info.readUInt16LE(0), info.readUInt16LE(2), info.readUInt32LE(4)];
  const type = Math.log2(destination);
  const isKnown =
    source === 0 &&
    Number.isInteger(type) &&
    (flags & ~(XT_ADDRTYPE.invertDestination | XT_ADDRTYPE.ofInInterface)) === 0;
  if (!isKnown) return undefined;
  const device = (flags & XT_ADDRTYPE.ofInInterface) === 0 ? 0 : NFT_FIB_FLAG.inInterface;
  const load = {
    kind: 'fib',
    result: NFT_FIB_RESULT.addressType,
    flags: NFT_FIB_FLAG.destination | device,
    to: SPARE,
  } as const;
  return compared(load, Buffer.alloc(4, 0xff), u32(type), (flags & XT_ADDRTYPE.invertDestination) !== 0);
}

/** Only states; XT_CONNTRACK_STATE_BIT numbers them as nf_tables does. */
function conntrack(info: Buffer): Expressions | undefined {
  const states = info.readUInt16LE(CONNTRACK.states);
  if (info.readUInt16LE(CONNTRACK.matched) !== CONNTRACK.state || (states & CONNTRACK.natStates) !== 0)
    return undefined;
  const isInverted = (info.readUInt16LE(CONNTRACK.inverted) & CONNTRACK.state) !== 0;
  return compared({ kind: 'ct', key: NFT_CT.state, to: SPARE }, u32(states), u32(0), !isInverted);
}

/** (value & mask) == wanted, or != where inverted. */
function compared(load: NftExpression, mask: Buffer, wanted: Buffer, isInverted: boolean): Expressions {
  return [
    load,
    { kind: 'mask', from: SPARE, to: SPARE, mask: hex(mask), xor: hex(u32(0)) },
    {
      kind: 'compare',
      from: SPARE,
      operation: isInverted ? COMPARE.notEqual : COMPARE.equal,
      value: hex(wanted),
    },
  ];
}

/** struct xt_mark_tginfo2: mark = (mark & ~mask) ^ value. */
function setMark(value: number, mask: number): Expressions {
  return [
    { kind: 'meta', key: NFT_META.mark, to: SPARE },
    { kind: 'mask', from: SPARE, to: SPARE, mask: hex(u32(~mask)), xor: hex(u32(value)) },
    { kind: 'set-meta', key: NFT_META.mark, from: SPARE },
  ];
}

/** Revision 0: struct nf_nat_ipv4_multi_range_compat; 1 and 2: struct nf_nat_range and nf_nat_range2. */
function translation(end: 'source' | 'destination', info: Buffer, revision: number): Expressions | undefined {
  const isOld = revision === 0;
  const [flagsAt, addressesAt, length] = isOld ? [4, 8, 4] : [0, 4, 16];
  const flags = info.readUInt32LE(flagsAt);
  const address = info.subarray(addressesAt, addressesAt + length);
  const isOne = address.equals(info.subarray(addressesAt + length, addressesAt + 2 * length));
  const port = info.subarray(addressesAt + 2 * length, addressesAt + 2 * length + 2);
  const hasAddress = (flags & NF_NAT_RANGE.addresses) !== 0;
  const hasPort = (flags & NF_NAT_RANGE.ports) !== 0;
  const load: NftExpression = isOne
    ? { kind: 'value', to: SPARE, value: hex(address) }
    : { kind: 'unknown-value', name: 'one of several addresses', to: SPARE };
  return [
    ...(hasAddress ? [load] : []),
    ...(hasPort ? [{ kind: 'value', to: SPARE_PORT, value: hex(port) } as const] : []),
    { kind: 'nat', end, address: hasAddress ? SPARE : null, port: hasPort ? SPARE_PORT : null },
  ];
}

function bigEndian(port: number): Buffer {
  return Buffer.from([port >>> 8, port & 0xff]);
}
