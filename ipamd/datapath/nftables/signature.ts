/**
 * What tells whether a table is as we put it: handles, which the kernel never gives twice within a table, and what can be
 * changed without a new handle (flags, policies, elements of the set of blocks). Counters are no part of it.
 */
import { decodeAttributes, readText } from '../netlink/attributes.ts';
import { dump, type NetlinkSocket } from '../netlink/exchange.ts';
import type { NetlinkMessage, NetlinkRequest } from '../netlink/message.ts';
import { textAttribute } from '../netlink/attributes.ts';
import { NFT_MSG, NFTA_CHAIN, NFTA_RULE, NFTA_SET, NFTA_SET_ELEM_LIST, NFTA_TABLE } from './constants.ts';
import { dumpTableRules, dumpTables, request } from './table.ts';

/** linux/netfilter/nf_tables.h, NFTA_*_HANDLE. */
const HANDLE = { table: 4, chain: 2, rule: 3, set: 16 } as const;
/** struct nfgenmsg before the attributes. */
const HEADER_LENGTH = 4;

/** Equal signatures: an unchanged table. */
export interface TableSignature {
  /** Flags and handle; empty if the table is not there. */
  readonly table: string;
  /** Handle, policy and the handles of its rules in order, by the chain's name. */
  readonly chains: ReadonlyMap<string, string>;
  /** Handle, and the elements of those sets whose elements are part of the table, by the set's name. */
  readonly sets: ReadonlyMap<string, string>;
}

/** Reads the signature of a table; `filled` are the sets whose elements belong to it. Throws `NetlinkError`. */
export function readSignature(socket: NetlinkSocket, name: string, filled: readonly string[]): TableSignature {
  const [table] = found(socket, dumpTables()).filter((each) => readText(each, NFTA_TABLE.name) === name);
  if (table === undefined) return { table: '', chains: new Map(), sets: new Map() };
  const rules = new Map<string, string[]>();
  for (const rule of found(socket, dumpTableRules(name))) {
    const chain = readText(rule, NFTA_RULE.chain) ?? '';
    rules.set(chain, [...(rules.get(chain) ?? []), hex(rule, HANDLE.rule)]);
  }
  const ofTable = (attributes: ReadonlyMap<number, Buffer>) => readText(attributes, NFTA_CHAIN.table) === name;
  const chains = found(socket, request(NFT_MSG.getChain, 0, [], 'nft list chains')).filter(ofTable);
  const sets = found(socket, {
    ...request(NFT_MSG.getSet, 0, [textAttribute(NFTA_SET.table, name)], 'nft list sets'),
    ...GONE,
  });
  return {
    table: `${hex(table, HANDLE.table)} ${hex(table, NFTA_TABLE.flags)}`,
    chains: new Map(
      chains.map((chain) => {
        const chainName = readText(chain, NFTA_CHAIN.name) ?? '';
        const own = [HANDLE.chain, NFTA_CHAIN.policy].map((type) => hex(chain, type));
        return [chainName, [...own, ...(rules.get(chainName) ?? [])].join(' ')];
      }),
    ),
    sets: new Map(
      sets.map((set) => {
        const setName = readText(set, NFTA_SET.name) ?? '';
        const elements = filled.includes(setName) ? elementsOf(socket, name, setName) : '';
        return [setName, `${hex(set, HANDLE.set)} ${elements}`];
      }),
    ),
  };
}

const GONE = { tolerate: ['ENOENT'] } as const;

function elementsOf(socket: NetlinkSocket, table: string, set: string): string {
  const named = [textAttribute(NFTA_SET_ELEM_LIST.table, table), textAttribute(NFTA_SET_ELEM_LIST.set, set)];
  const asked = { ...request(NFT_MSG.getSetElement, 0, named, `nft list set inet ${table} ${set}`), ...GONE };
  return found(socket, asked)
    .map((attributes) => hex(attributes, NFTA_SET_ELEM_LIST.elements))
    .join(' ');
}

function found(socket: NetlinkSocket, asked: NetlinkRequest): readonly ReadonlyMap<number, Buffer>[] {
  return dump(socket, asked).map(({ body }: NetlinkMessage) => decodeAttributes(body.subarray(HEADER_LENGTH)));
}

function hex(attributes: ReadonlyMap<number, Buffer>, type: number): string {
  return attributes.get(type)?.toString('hex') ?? '';
}
