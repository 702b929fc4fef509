/**
 * What amazon-vpc-cni-k8s made in nf_tables: its table `ip aws-cni`, and by iptables-nft chains of its own and rules in
 * chains that others use, too. Rules are told by the comments that the peer puts on each, or because they lead to its
 * chains. What iptables-legacy made cannot be seen here (`legacyTables` in ipamd/migrate).
 */
import { attribute, decodeAttributeList, decodeAttributes, readText, textAttribute } from '../netlink/attributes.ts';
import { dump, submit, type NetlinkSocket } from '../netlink/exchange.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import {
  NFNL_SUBSYS_NFTABLES,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  NFT_MSG,
  NFTA_CHAIN,
  NFTA_DATA,
  NFTA_EXPR,
  NFTA_IMMEDIATE,
  NFTA_RULE,
  NFTA_TABLE,
  NFTA_VERDICT_CHAIN,
  NFTA_XTABLES,
} from '../nftables/constants.ts';
import { batch } from '../nftables/table.ts';

/** linux/netfilter/nf_tables.h. */
const MSG = { delChain: 5, delRule: 8 } as const;
const RULE_HANDLE = 3;
const RULE_USER_DATA = 7;
/** struct nfgenmsg. */
const HEADER_LENGTH = 4;

const FAMILIES = [
  { number: NFPROTO_IPV4, name: 'ip' },
  { number: NFPROTO_IPV6, name: 'ip6' },
] as const;

/** Chains of the peer's own, in iptables' tables. */
const OWN_CHAIN = /^AWS-(SNAT|CONNMARK)-CHAIN-\d+$/;
/** Comments on its rules in chains of others. */
const OWN_COMMENT = /^AWS[, ]|^AWS$/;
/** Keeps neighbours from the helper addresses of pods with egress of the other family. */
const EGRESS_COMMENT = /^Block Node Local Pod access via IPv[46]$/;
/** Chains of pods with egress (egress-cni) and with host ports (portmap): each is of a pod that may run. */
const OF_PODS = /^(CNI-E[46]-|CNI-DN-)/;
const OWN_TABLE = 'aws-cni';

/** One object, and how it is removed. */
export interface NftRemain {
  readonly kind: 'table' | 'chain' | 'rule' | 'egress-rule' | 'chain-of-pod';
  /** In words of `nft`. */
  readonly what: string;
  readonly removal: readonly NetlinkRequest[];
}

/** Everything of the peer's that nf_tables has. Rules come before the chains that they lead to. Throws `NetlinkError`. */
export function nftRemains(socket: NetlinkSocket): readonly NftRemain[] {
  return FAMILIES.flatMap((family) => {
    const rules = found(socket, ask(family, NFT_MSG.getRule, [], 'list rules')).flatMap((rule) => ruleOf(family, rule));
    const chains = found(socket, ask(family, NFT_MSG.getChain, [], 'list chains')).flatMap((each) =>
      chainOf(family, each),
    );
    const tables = found(socket, ask(family, NFT_MSG.getTable, [], 'list tables')).flatMap((table) => {
      const name = readText(table, NFTA_TABLE.name);
      if (name !== OWN_TABLE) return [];
      const removal = [ask(family, NFT_MSG.delTable, [textAttribute(NFTA_TABLE.name, name)], `delete table ${name}`)];
      return [{ kind: 'table' as const, what: `table ${family.name} ${name}`, removal }];
    });
    return [...rules, ...chains, ...tables];
  });
}

/** Removes them, all or none. Throws `NetlinkError`, ENOENT among others where somebody else was quicker. */
export function removeNftRemains(socket: NetlinkSocket, remains: readonly NftRemain[]): void {
  const requests = remains.flatMap(({ removal }) => removal);
  if (requests.length === 0) return;
  const whole = batch(requests);
  submit(socket, whole, whole.length - 2);
}

type Family = (typeof FAMILIES)[number];
type Attributes = ReadonlyMap<number, Buffer>;

function ruleOf(family: Family, rule: Attributes): readonly NftRemain[] {
  const [table = '', chain = ''] = [readText(rule, NFTA_RULE.table), readText(rule, NFTA_RULE.chain)];
  if (table === OWN_TABLE || OWN_CHAIN.test(chain)) return [];
  const { comment, target } = sayings(rule);
  const isOwn = OWN_COMMENT.test(comment) || OWN_CHAIN.test(target);
  if (!isOwn && !EGRESS_COMMENT.test(comment)) return [];
  const handle = rule.get(RULE_HANDLE);
  if (handle === undefined) return [];
  const what = `rule ${family.name} ${table} ${chain}: ${comment === '' ? `jump ${target}` : comment}`;
  const named = [textAttribute(NFTA_RULE.table, table), textAttribute(NFTA_RULE.chain, chain)];
  const removal = [ask(family, MSG.delRule, [...named, attribute(RULE_HANDLE, handle)], `delete ${what}`)];
  return [{ kind: isOwn ? 'rule' : 'egress-rule', what, removal }];
}

function chainOf(family: Family, chain: Attributes): readonly NftRemain[] {
  const [table = '', name = ''] = [readText(chain, NFTA_CHAIN.table), readText(chain, NFTA_CHAIN.name)];
  const what = `chain ${family.name} ${table} ${name}`;
  if (OF_PODS.test(name)) return [{ kind: 'chain-of-pod', what, removal: [] }];
  if (!OWN_CHAIN.test(name)) return [];
  const named = [textAttribute(NFTA_RULE.table, table), textAttribute(NFTA_RULE.chain, name)];
  const byName = [textAttribute(NFTA_CHAIN.table, table), textAttribute(NFTA_CHAIN.name, name)];
  const removal = [
    // A rule without a handle stands for all of its chain.
    ask(family, MSG.delRule, named, `flush ${what}`),
    ask(family, MSG.delChain, byName, `delete ${what}`),
  ];
  return [{ kind: 'chain', what, removal }];
}

/** The comment on a rule, by iptables' match or nft's own way, and the chain that it leads to. */
function sayings(rule: Attributes): { readonly comment: string; readonly target: string } {
  let comment = userComment(rule.get(RULE_USER_DATA));
  let target = '';
  for (const { value } of decodeAttributeList(rule.get(NFTA_RULE.expressions) ?? Buffer.alloc(0))) {
    const expression = decodeAttributes(value);
    const inner = decodeAttributes(expression.get(NFTA_EXPR.data) ?? Buffer.alloc(0));
    const name = readText(expression, NFTA_EXPR.name);
    if (name === 'match' && readText(inner, NFTA_XTABLES.name) === 'comment')
      comment = readText(inner, NFTA_XTABLES.info) ?? '';
    if (name === 'immediate') {
      const data = decodeAttributes(inner.get(NFTA_IMMEDIATE.data) ?? Buffer.alloc(0));
      const verdict = decodeAttributes(data.get(NFTA_DATA.verdict) ?? Buffer.alloc(0));
      target = readText(verdict, NFTA_VERDICT_CHAIN) ?? target;
    }
  }
  return { comment, target };
}

/** libnftnl, udata.h: u8 type (0: comment), u8 length, text. */
function userComment(data: Buffer | undefined): string {
  if (data === undefined || data.length < 2 || data[0] !== 0) return '';
  return data.toString('utf8', 2, 2 + (data[1] ?? 0)).replace(/\0.*$/s, '');
}

function ask(family: Family, type: number, attributes: readonly Buffer[], what: string): NetlinkRequest {
  const body = Buffer.concat([Buffer.from([family.number, 0, 0, 0]), ...attributes]);
  return { type: (NFNL_SUBSYS_NFTABLES << 8) | type, flags: 0, body, what: `nft ${what}` };
}

function found(socket: NetlinkSocket, asked: NetlinkRequest): readonly Attributes[] {
  return dump(socket, asked).map(({ body }) => decodeAttributes(body.subarray(HEADER_LENGTH)));
}
