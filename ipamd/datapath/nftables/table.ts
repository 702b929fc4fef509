/**
 * A whole nf_tables table as a value, and the batch of messages that puts it in the place of the one the kernel has.
 * The kernel carries out a batch entirely or not at all, so no packet ever meets half a table. Pure.
 */
import {
  attribute,
  decodeAttributes,
  nestedAttribute,
  readText,
  textAttribute,
  u32BigEndianAttribute,
} from '../netlink/attributes.ts';
import { hostPrefixLength, type IpFamily } from '../ip.ts';
import { NLM_F } from '../netlink/constants.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import {
  NF_ACCEPT,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_INET,
  NFT_MSG,
  NFT_SET_ELEM_INTERVAL_END,
  NFT_SET_INTERVAL,
  NFT_TYPE_IPV4_ADDRESS,
  NFT_TYPE_IPV6_ADDRESS,
  NFTA_CHAIN,
  NFTA_DATA,
  NFTA_HOOK,
  NFTA_RULE,
  NFTA_SET,
  NFTA_SET_ELEM,
  NFTA_SET_ELEM_LIST,
  NFTA_TABLE,
} from './constants.ts';
import type { Expression } from './expressions.ts';
import { intervalPoints, type IntervalPoint } from './intervals.ts';

/** A set of blocks of one family, IPv4 unless said. */
export interface AddressSet {
  readonly name: string;
  /** Number within the batch, by which rules refer to a set that is not committed yet. */
  readonly id: number;
  readonly family?: IpFamily;
  /** May overlap; they are merged. */
  readonly cidrs: readonly string[];
}

/** A chain with its place in the packet's way; policy accept. */
export interface BaseChain {
  readonly name: string;
  readonly type: 'filter' | 'nat' | 'route';
  /** NF_INET_*. */
  readonly hook: number;
  readonly priority: number;
  readonly rules: readonly (readonly Expression[])[];
}

/** A table of family inet. */
export interface Table {
  readonly name: string;
  readonly sets: readonly AddressSet[];
  /** Messages that make further sets and maps with their elements (`hash-set.ts`). */
  readonly hashSets?: readonly NetlinkRequest[];
  readonly chains: readonly BaseChain[];
}

const be = u32BigEndianAttribute;

/** The key's byte order, big-endian, as nft notes it for itself (libnftnl udata.h). */
const SET_USER_DATA = Uint8Array.of(0, 4, 2, 0, 0, 0);

/** struct nfgenmsg {u8 family, u8 version, be16 resource}, linux/netfilter/nfnetlink.h. */
function nfHeader(family: number, resource = 0): Buffer {
  return Buffer.from([family, 0, resource >> 8, resource & 0xff]);
}

/** A request to nf_tables about an object of family inet. */
export function request(type: number, flags: number, attributes: readonly Buffer[], what: string): NetlinkRequest {
  const body = Buffer.concat([nfHeader(NFPROTO_INET), ...attributes]);
  return { type: (NFNL_SUBSYS_NFTABLES << 8) | type, flags, body, what };
}

/** Requests that are carried out entirely or not at all. */
export function batch(requests: readonly NetlinkRequest[]): readonly NetlinkRequest[] {
  const body = nfHeader(0, NFNL_SUBSYS_NFTABLES);
  return [
    { type: NFNL_MSG_BATCH_BEGIN, flags: 0, body, what: 'nft batch' },
    ...requests,
    { type: NFNL_MSG_BATCH_END, flags: 0, body, what: 'nft batch' },
  ];
}

function addTable(name: string): NetlinkRequest {
  return request(
    NFT_MSG.newTable,
    0,
    [textAttribute(NFTA_TABLE.name, name), be(NFTA_TABLE.flags, 0)],
    `nft add table inet ${name}`,
  );
}

function removeTable(name: string): NetlinkRequest {
  return request(NFT_MSG.delTable, 0, [textAttribute(NFTA_TABLE.name, name)], `nft delete table inet ${name}`);
}

function addChain(table: string, chain: BaseChain): NetlinkRequest {
  const hook = nestedAttribute(NFTA_CHAIN.hook, [
    be(NFTA_HOOK.number, chain.hook),
    be(NFTA_HOOK.priority, chain.priority),
  ]);
  const attributes = [
    textAttribute(NFTA_CHAIN.table, table),
    textAttribute(NFTA_CHAIN.name, chain.name),
    textAttribute(NFTA_CHAIN.type, chain.type),
    be(NFTA_CHAIN.policy, NF_ACCEPT),
    hook,
  ];
  return request(NFT_MSG.newChain, NLM_F.create, attributes, `nft add chain inet ${table} ${chain.name}`);
}

function addSet(table: string, set: AddressSet): NetlinkRequest {
  const attributes = [
    textAttribute(NFTA_SET.table, table),
    textAttribute(NFTA_SET.name, set.name),
    be(NFTA_SET.flags, NFT_SET_INTERVAL),
    be(NFTA_SET.keyType, set.family === 'ipv6' ? NFT_TYPE_IPV6_ADDRESS : NFT_TYPE_IPV4_ADDRESS),
    be(NFTA_SET.keyLength, hostPrefixLength(set.family ?? 'ipv4') / 8),
    be(NFTA_SET.id, set.id),
    attribute(NFTA_SET.userData, SET_USER_DATA),
  ];
  return request(NFT_MSG.newSet, NLM_F.create, attributes, `nft add set inet ${table} ${set.name}`);
}

/** nft numbers the elements of a list from 1; the kernel ignores the number. */
function element(point: IntervalPoint, index: number): Buffer {
  const flags = point.isEnd ? [be(NFTA_SET_ELEM.flags, NFT_SET_ELEM_INTERVAL_END)] : [];
  const key = nestedAttribute(NFTA_SET_ELEM.key, [attribute(NFTA_DATA.value, point.address)]);
  return nestedAttribute(index + 1, [...flags, key]);
}

function addElements(table: string, set: AddressSet): readonly NetlinkRequest[] {
  const points = intervalPoints(set.cidrs, set.family);
  if (points.length === 0) return [];
  const attributes = [
    textAttribute(NFTA_SET_ELEM_LIST.table, table),
    textAttribute(NFTA_SET_ELEM_LIST.set, set.name),
    be(NFTA_SET_ELEM_LIST.setId, set.id),
    nestedAttribute(NFTA_SET_ELEM_LIST.elements, points.map(element)),
  ];
  return [request(NFT_MSG.newSetElement, NLM_F.create, attributes, `nft add element inet ${table} ${set.name}`)];
}

function addRule(table: string, chain: string, expressions: readonly Expression[]): NetlinkRequest {
  const attributes = [
    textAttribute(NFTA_RULE.table, table),
    textAttribute(NFTA_RULE.chain, chain),
    nestedAttribute(NFTA_RULE.expressions, expressions),
  ];
  return request(NFT_MSG.newRule, NLM_F.create | NLM_F.append, attributes, `nft add rule inet ${table} ${chain}`);
}

/** The messages, between batch begin and end, that make a table which is not there yet. */
export function createTable(table: Table): readonly NetlinkRequest[] {
  return [
    addTable(table.name),
    ...table.chains.map((chain) => addChain(table.name, chain)),
    ...table.sets.flatMap((set) => [addSet(table.name, set), ...addElements(table.name, set)]),
    ...(table.hashSets ?? []),
    ...table.chains.flatMap((chain) => chain.rules.map((rule) => addRule(table.name, chain.name, rule))),
  ];
}

/** A batch that puts the table in the place of what bears its name, atomically. */
export function replaceTable(table: Table): readonly NetlinkRequest[] {
  return batch([...dropTable(table.name), ...createTable(table)]);
}

/** A batch that removes a table; absence is fine, because it is added first. */
export function deleteTable(name: string): readonly NetlinkRequest[] {
  return batch(dropTable(name));
}

function dropTable(name: string): readonly NetlinkRequest[] {
  return [addTable(name), removeTable(name)];
}

/** Asks for all tables of family inet. */
export function dumpTables(): NetlinkRequest {
  return request(NFT_MSG.getTable, 0, [], 'nft list tables inet');
}

/** The name of a table of a dump. Throws `NetlinkDecodeError`. */
export function decodeTableName(body: Buffer): string {
  return readText(decodeAttributes(body.subarray(4)), NFTA_TABLE.name) ?? '';
}

/** Asks for all rules of a table; a table that is not there has none. */
export function dumpTableRules(name: string): NetlinkRequest {
  const what = `nft list table inet ${name}`;
  return { ...request(NFT_MSG.getRule, 0, [textAttribute(NFTA_RULE.table, name)], what), tolerate: ['ENOENT'] };
}

/** The chain that a rule of a dump stands in. Throws `NetlinkDecodeError`. */
export function decodeRuleChain(body: Buffer): string {
  return readText(decodeAttributes(body.subarray(4)), NFTA_RULE.chain) ?? '';
}
