/** Expressions of nf_tables rules as the kernel dumps them (linux/netfilter/nf_tables.h), decoded. Pure. */
import { decodeAttributes, readText } from '../../datapath/netlink/attributes.ts';
import {
  NFT_LOOKUP_INVERT,
  NFT_NAT_SNAT,
  NFT_REG_VERDICT,
  NFTA_BITWISE,
  NFTA_CMP,
  NFTA_CT,
  NFTA_DATA,
  NFTA_EXPR,
  NFTA_FIB,
  NFTA_IMMEDIATE,
  NFTA_LOOKUP,
  NFTA_META,
  NFTA_NAT,
  NFTA_PAYLOAD,
  NFTA_VERDICT_CHAIN,
  NFTA_VERDICT_CODE,
  NFTA_XTABLES,
} from '../../datapath/nftables/constants.ts';
import type { NftExpression, NftVerdict } from '../nft-ruleset.ts';
import { hex } from './hexadecimal.ts';
import { decodeXtables } from './xtables.ts';

/** Decoded attributes by their types. */
export type Attributes = ReadonlyMap<number, Buffer>;

const PAYLOAD_SOURCE = 5;
const RANGE = { from: 1, operation: 2, low: 3, high: 4 } as const;
const BYTEORDER = { from: 1, to: 2, length: 4, size: 5 } as const;
const REDIRECT_PORT = 1;
/** What loads something, by the number of its attribute for the register. */
const LOADS: Readonly<Record<string, number>> = {
  exthdr: 1,
  hash: 2,
  numgen: 1,
  osf: 1,
  rt: 1,
  socket: 2,
  tunnel: 2,
  xfrm: 1,
};
const WITHOUT_EFFECT = new Set(['counter', 'flow_offload', 'last', 'log']);
/** Registers of sixteen bytes are numbered to NFT_REG_4, those of four bytes from NFT_REG32_00 on. */
const NFT_REG_4 = 4;
const NFT_REG32_00 = 8;
const WORDS = 4;

/** One member of NFTA_RULE_EXPRESSIONS; those of xtables become several. Never throws: what is not understood is `other`. */
export function decodeExpression(expression: Attributes): readonly NftExpression[] {
  const name = readText(expression, NFTA_EXPR.name) ?? '';
  const inner = nested(expression, NFTA_EXPR.data);
  if (name !== 'match' && name !== 'target') return [decoded(name, inner) ?? { kind: 'other', name }];
  const called = readText(inner, NFTA_XTABLES.name) ?? '';
  const revision = readU32BigEndian(inner, NFTA_XTABLES.revision) ?? 0;
  const known = decodeXtables(name, called, revision, inner.get(NFTA_XTABLES.info) ?? Buffer.alloc(0));
  return known ?? [{ kind: 'other', name: `${name} ${called}` }];
}

function decoded(name: string, inner: Attributes): NftExpression | undefined {
  const number = (type: number): number => readU32BigEndian(inner, type) ?? 0;
  const register = (type: number): number => word(number(type));
  const bytes = (type: number): string => hex(nested(inner, type).get(NFTA_DATA.value));
  const optional = (type: number): number | null => (inner.has(type) ? register(type) : null);
  switch (name) {
    case 'payload':
      if (inner.has(PAYLOAD_SOURCE)) return undefined;
      return {
        kind: 'payload',
        base: number(NFTA_PAYLOAD.base),
        offset: number(NFTA_PAYLOAD.offset),
        length: number(NFTA_PAYLOAD.length),
        to: register(NFTA_PAYLOAD.destination),
      };
    case 'meta':
      return inner.has(NFTA_META.source)
        ? { kind: 'set-meta', key: number(NFTA_META.key), from: register(NFTA_META.source) }
        : { kind: 'meta', key: number(NFTA_META.key), to: register(NFTA_META.destination) };
    case 'ct':
      return inner.has(NFTA_CT.source)
        ? { kind: 'set-ct', key: number(NFTA_CT.key), from: register(NFTA_CT.source) }
        : { kind: 'ct', key: number(NFTA_CT.key), to: register(NFTA_CT.destination) };
    case 'cmp':
      return {
        kind: 'compare',
        from: register(NFTA_CMP.source),
        operation: number(NFTA_CMP.operation),
        value: bytes(NFTA_CMP.data),
      };
    case 'range':
      return {
        kind: 'range',
        from: register(RANGE.from),
        inverted: number(RANGE.operation) !== 0,
        ranges: [{ low: bytes(RANGE.low), high: bytes(RANGE.high) }],
      };
    case 'bitwise':
      return bitwise(inner, register, bytes);
    case 'byteorder':
      return {
        kind: 'byteorder',
        from: register(BYTEORDER.from),
        to: register(BYTEORDER.to),
        size: number(BYTEORDER.size),
        length: number(BYTEORDER.length),
      };
    case 'lookup': {
      const looked = { set: readText(inner, NFTA_LOOKUP.set) ?? '', from: register(NFTA_LOOKUP.source) };
      const to = optional(NFTA_LOOKUP.destination);
      return to === NFT_REG_VERDICT
        ? { kind: 'verdict-map', ...looked }
        : { kind: 'lookup', ...looked, to, inverted: (number(NFTA_LOOKUP.flags) & NFT_LOOKUP_INVERT) !== 0 };
    }
    case 'immediate': {
      const data = nested(inner, NFTA_IMMEDIATE.data);
      return data.has(NFTA_DATA.verdict)
        ? { kind: 'verdict', verdict: verdictOf(data) }
        : { kind: 'value', to: register(NFTA_IMMEDIATE.destination), value: hex(data.get(NFTA_DATA.value)) };
    }
    case 'nat':
      return {
        kind: 'nat',
        end: number(NFTA_NAT.type) === NFT_NAT_SNAT ? 'source' : 'destination',
        address: optional(NFTA_NAT.addressMin),
        port: optional(NFTA_NAT.portMin),
      };
    case 'masq':
      return { kind: 'masquerade' };
    case 'redir':
      return { kind: 'redirect', port: optional(REDIRECT_PORT) };
    case 'fib':
      return {
        kind: 'fib',
        result: number(NFTA_FIB.result),
        flags: number(NFTA_FIB.flags),
        to: register(NFTA_FIB.destination),
      };
    case 'reject':
      return { kind: 'reject' };
    default:
      return loaded(name, inner);
  }
}

/** Only the form of all kernels, (register & mask) ^ xor; the result of the others is taken as unknown. */
function bitwise(
  inner: Attributes,
  register: (type: number) => number,
  bytes: (type: number) => string,
): NftExpression {
  const to = register(NFTA_BITWISE.destination);
  if ((readU32BigEndian(inner, NFTA_BITWISE.operation) ?? 0) !== 0)
    return { kind: 'unknown-value', name: 'bitwise', to };
  const from = register(NFTA_BITWISE.source);
  return { kind: 'mask', from, to, mask: bytes(NFTA_BITWISE.mask), xor: bytes(NFTA_BITWISE.xor) };
}

function loaded(name: string, inner: Attributes): NftExpression | undefined {
  const type = LOADS[name];
  const to = type === undefined ? undefined : readU32BigEndian(inner, type);
  if (to !== undefined) return { kind: 'unknown-value', name, to: word(to) };
  return WITHOUT_EFFECT.has(name) ? { kind: 'no-effect', name } : undefined;
}

/** The verdict within NFTA_*_DATA. */
export function verdictOf(data: Attributes): NftVerdict {
  const verdict = nested(data, NFTA_DATA.verdict);
  return {
    code: verdict.get(NFTA_VERDICT_CODE)?.readInt32BE(0) ?? 0,
    chain: readText(verdict, NFTA_VERDICT_CHAIN) ?? '',
  };
}

export function nested(attributes: Attributes, type: number): Attributes {
  return decodeAttributes(attributes.get(type) ?? Buffer.alloc(0));
}

/** Four bytes in network order; undefined where they are missing. */
export function readU32BigEndian(attributes: Attributes, type: number): number | undefined {
  const value = attributes.get(type);
  return value === undefined || value.length < 4 ? undefined : value.readUInt32BE(0);
}

function word(register: number): number {
  return register <= NFT_REG_4 ? register * WORDS : register - NFT_REG32_00 + WORDS;
}
