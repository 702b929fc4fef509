/** The nftables rules of everybody, out of the kernel: no `nft` is needed, which images and small hosts lack. */
import { readFile } from 'node:fs/promises';
import { decodeAttributeList, decodeAttributes, readText, textAttribute } from '../../datapath/netlink/attributes.ts';
import { dump, type NetlinkSocket } from '../../datapath/netlink/exchange.ts';
import {
  NFNL_SUBSYS_NFTABLES,
  NFT_MSG,
  NFT_SET_INTERVAL,
  NFTA_CHAIN,
  NFTA_DATA,
  NFTA_HOOK,
  NFTA_RULE,
  NFTA_SET,
  NFTA_SET_ELEM_LIST,
  NFTA_TABLE,
} from '../../datapath/nftables/constants.ts';
import type { NftChain, NftElement, NftExpression, NftFamily, NftRuleset, NftSet } from '../nft-ruleset.ts';
import { hex } from './hexadecimal.ts';
import { type Attributes, decodeExpression, nested, readU32BigEndian, verdictOf } from './nft-expression.ts';

/** linux/netfilter/nf_tables.h. */
const SET_DESCRIPTION = { attribute: 9, concatenation: 2, fieldLength: 1 } as const;
const ELEMENT = { key: 1, data: 2, flags: 3, keyEnd: 10 } as const;
const ELEMENT_FLAG = { intervalEnd: 1, catchAll: 2 } as const;
/** linux/netfilter.h, NFPROTO_*; 0 asks for all. */
const FAMILIES: Readonly<Record<number, NftFamily>> = {
  1: 'inet',
  2: 'ip',
  3: 'arp',
  5: 'netdev',
  7: 'bridge',
  10: 'ip6',
};
/** enum nf_inet_hooks; those of the other families bear the same numbers where they bear these names. */
const HOOKS = ['prerouting', 'input', 'forward', 'output', 'postrouting', 'ingress'];
const NETDEV_HOOKS = ['ingress', 'egress'];
/** struct nfgenmsg: u8 family, u8 version, u16 resource. */
const HEADER_LENGTH = 4;

/** Reads all tables, chains, rules and sets. Throws `NetlinkError`, EPERM for others than root among them. */
export function readRuleset(socket: NetlinkSocket): NftRuleset {
  const rules = Map.groupBy(found(socket, NFT_MSG.getRule, 'rules'), (rule) =>
    [rule.family, readText(rule.attributes, NFTA_RULE.table), readText(rule.attributes, NFTA_RULE.chain)].join(' '),
  );
  return {
    tables: found(socket, NFT_MSG.getTable, 'tables').map(({ family, attributes }) => ({
      family,
      name: readText(attributes, NFTA_TABLE.name) ?? '',
    })),
    chains: found(socket, NFT_MSG.getChain, 'chains').map(({ family, attributes }) => {
      const place = { family, table: readText(attributes, NFTA_CHAIN.table) ?? '' };
      const name = readText(attributes, NFTA_CHAIN.name) ?? '';
      const own = rules.get([family, place.table, name].join(' ')) ?? [];
      return { ...place, name, base: baseOf(family, attributes), rules: own.map((rule) => ruleOf(rule.attributes)) };
    }),
    sets: found(socket, NFT_MSG.getSet, 'sets').map((set) => setOf(socket, set)),
  };
}

function baseOf(family: NftFamily, chain: Attributes): NftChain['base'] {
  const hook = nested(chain, NFTA_CHAIN.hook);
  const number = readU32BigEndian(hook, NFTA_HOOK.number);
  if (number === undefined) return null;
  return {
    type: readText(chain, NFTA_CHAIN.type) ?? '',
    hook: (family === 'netdev' ? NETDEV_HOOKS : HOOKS)[number] ?? String(number),
    priority: hook.get(NFTA_HOOK.priority)?.readInt32BE(0) ?? 0,
    policy: readU32BigEndian(chain, NFTA_CHAIN.policy) === 0 ? 'drop' : 'accept',
  };
}

function ruleOf(rule: Attributes): readonly NftExpression[] {
  return listOf(rule, NFTA_RULE.expressions).flatMap(decodeExpression);
}

function setOf(socket: NetlinkSocket, { family, number, attributes }: Found): NftSet {
  const table = readText(attributes, NFTA_SET.table) ?? '';
  const name = readText(attributes, NFTA_SET.name) ?? '';
  const named = [textAttribute(NFTA_SET_ELEM_LIST.table, table), textAttribute(NFTA_SET_ELEM_LIST.set, name)];
  const elements = found(socket, NFT_MSG.getSetElement, `elements of set ${family} ${table} ${name}`, number, named);
  const description = nested(attributes, SET_DESCRIPTION.attribute);
  return {
    family,
    table,
    name,
    hasIntervals: ((readU32BigEndian(attributes, NFTA_SET.flags) ?? 0) & NFT_SET_INTERVAL) !== 0,
    fields: listOf(description, SET_DESCRIPTION.concatenation).map(
      (field) => readU32BigEndian(field, SET_DESCRIPTION.fieldLength) ?? 0,
    ),
    elements: elements.flatMap((part) => listOf(part.attributes, NFTA_SET_ELEM_LIST.elements)).map(elementOf),
  };
}

function elementOf(element: Attributes): NftElement {
  const flags = readU32BigEndian(element, ELEMENT.flags) ?? 0;
  const data = nested(element, ELEMENT.data);
  const end = nested(element, ELEMENT.keyEnd).get(NFTA_DATA.value);
  const value = data.get(NFTA_DATA.value);
  return {
    key: (flags & ELEMENT_FLAG.catchAll) === 0 ? hex(nested(element, ELEMENT.key).get(NFTA_DATA.value)) : '',
    keyEnd: end === undefined ? null : hex(end),
    isEnd: (flags & ELEMENT_FLAG.intervalEnd) !== 0,
    data: value === undefined ? null : hex(value),
    verdict: data.has(NFTA_DATA.verdict) ? verdictOf(data) : null,
  };
}

/** The members of an attribute that is a list, decoded each. */
function listOf(attributes: Attributes, type: number): readonly Attributes[] {
  const list = attributes.get(type);
  if (list === undefined) return [];
  // Elements of sets are numbered; those of other lists all bear the same number.
  return decodeAttributeList(list).map(({ value }) => decodeAttributes(value));
}

interface Found {
  readonly family: NftFamily;
  /** Its number. */
  readonly number: number;
  readonly attributes: Attributes;
}

/** All objects of a kind, of all families unless one is named. A set that went meanwhile has no elements. */
function found(
  socket: NetlinkSocket,
  message: number,
  what: string,
  family = 0,
  attributes: readonly Buffer[] = [],
): readonly Found[] {
  const body = Buffer.concat([Buffer.from([family, 0, 0, 0]), ...attributes]);
  const type = (NFNL_SUBSYS_NFTABLES << 8) | message;
  return dump(socket, { type, flags: 0, body, what: `nft list ${what}`, tolerate: ['ENOENT'] }).flatMap((answer) => {
    const number = answer.body[0] ?? 0;
    const name = FAMILIES[number];
    return name === undefined
      ? []
      : [{ family: name, number, attributes: decodeAttributes(answer.body.subarray(HEADER_LENGTH)) }];
  });
}

/** Tables of iptables-legacy and ip6tables-legacy in this network namespace. */
export async function legacyTables(proc = '/proc'): Promise<readonly string[]> {
  const names = await Promise.all(
    ['ip', 'ip6'].map(async (family) => {
      const text = await readFile(`${proc}/self/net/${family}_tables_names`, 'utf8').catch(() => '');
      return text
        .split('\n')
        .filter((name) => name !== '')
        .map((name) => `${family}tables ${name}`);
    }),
  );
  return names.flat();
}
