/**
 * The nftables rules of a network namespace as the kernel keeps them (linux/netfilter/nf_tables.h), as a document: plain JSON,
 * so that it can be kept in a bundle and judged elsewhere. Bytes are `0x` and hexadecimal digits, registers are counted in words
 * of four bytes (`nft_parse_register`, net/netfilter/nf_tables_api.c): the verdict has 0 to 3, NFT_REG_1 begins at 4.
 */

export type NftFamily = 'inet' | 'ip' | 'ip6' | 'arp' | 'bridge' | 'netdev';

export interface NftChain {
  readonly family: NftFamily;
  readonly table: string;
  readonly name: string;
  /** Of base chains alone. */
  readonly base: {
    readonly type: string;
    readonly hook: string;
    readonly priority: number;
    readonly policy: 'accept' | 'drop';
  } | null;
  readonly rules: readonly (readonly NftExpression[])[];
}

/** One expression of a rule. */
export type NftExpression = NftCondition | NftStatement;

/** Loads values into registers (`to`) and judges them (`from`); where one does not hold, the rule ends. */
export type NftCondition =
  | {
      readonly kind: 'payload';
      readonly base: number;
      readonly offset: number;
      readonly length: number;
      readonly to: number;
    }
  | { readonly kind: 'meta' | 'ct'; readonly key: number; readonly to: number }
  | { readonly kind: 'fib'; readonly result: number; readonly flags: number; readonly to: number }
  | { readonly kind: 'value'; readonly to: number; readonly value: string }
  /** Loads what a document does not tell: a random number, a hash, an option of the packet. */
  | { readonly kind: 'unknown-value'; readonly name: string; readonly to: number }
  | { readonly kind: 'mask'; readonly from: number; readonly to: number; readonly mask: string; readonly xor: string }
  | {
      readonly kind: 'byteorder';
      readonly from: number;
      readonly to: number;
      readonly size: number;
      readonly length: number;
    }
  | { readonly kind: 'compare'; readonly from: number; readonly operation: number; readonly value: string }
  | {
      readonly kind: 'range';
      readonly from: number;
      readonly inverted: boolean;
      /** One of them. */
      readonly ranges: readonly { readonly low: string; readonly high: string }[];
    }
  /** With `to` the element's data go there: a map. */
  | {
      readonly kind: 'lookup';
      readonly set: string;
      readonly from: number;
      readonly to: number | null;
      readonly inverted: boolean;
    };

/** Does something with the packet. */
export type NftStatement =
  | { readonly kind: 'verdict'; readonly verdict: NftVerdict }
  | { readonly kind: 'verdict-map'; readonly set: string; readonly from: number }
  | { readonly kind: 'set-meta' | 'set-ct'; readonly key: number; readonly from: number }
  | {
      readonly kind: 'nat';
      readonly end: 'source' | 'destination';
      readonly address: number | null;
      readonly port: number | null;
    }
  | { readonly kind: 'masquerade' }
  | { readonly kind: 'redirect'; readonly port: number | null }
  | { readonly kind: 'reject' }
  /** Counts, logs and the like: the packet goes on as it came. */
  | { readonly kind: 'no-effect'; readonly name: string }
  /** What is not understood, such as a match or target of xtables. */
  | { readonly kind: 'other'; readonly name: string };

export interface NftVerdict {
  /** NF_ACCEPT, NF_DROP or enum nft_verdicts. */
  readonly code: number;
  /** Of jump and goto; empty otherwise. */
  readonly chain: string;
}

export interface NftSet {
  readonly family: NftFamily;
  readonly table: string;
  readonly name: string;
  /** Elements are the ends of intervals, or (of concatenations) have an end each. */
  readonly hasIntervals: boolean;
  /** Lengths of a concatenation's fields in bytes; empty for other keys. */
  readonly fields: readonly number[];
  readonly elements: readonly NftElement[];
}

export interface NftElement {
  /** Empty: the element that catches all. */
  readonly key: string;
  /** Last key of a concatenation of intervals; null for others. */
  readonly keyEnd: string | null;
  /** An interval ends before this key. */
  readonly isEnd: boolean;
  readonly data: string | null;
  readonly verdict: NftVerdict | null;
}

export interface NftRuleset {
  readonly tables: readonly { readonly family: NftFamily; readonly name: string }[];
  readonly chains: readonly NftChain[];
  readonly sets: readonly NftSet[];
}

/** What a bundle has for it. Throws `SyntaxError` where that is no ruleset. */
export function asRuleset(document: unknown): NftRuleset {
  const { tables, chains, sets } = fieldsOf(document);
  const areRules = (rules: unknown): boolean =>
    Array.isArray(rules) && rules.every((rule) => Array.isArray(rule) && rule.every((one) => 'kind' in fieldsOf(one)));
  const isRuleset =
    Array.isArray(tables) &&
    Array.isArray(chains) &&
    Array.isArray(sets) &&
    chains.every((chain) => areRules(fieldsOf(chain)['rules'])) &&
    sets.every((set) => Array.isArray(fieldsOf(set)['elements']) && Array.isArray(fieldsOf(set)['fields']));
  if (!isRuleset) throw new SyntaxError('no tables, chains and sets of nftables');
  return document as NftRuleset;
}

/** An object's fields; none where it is no object. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
