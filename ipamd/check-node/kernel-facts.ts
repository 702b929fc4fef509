/**
 * What the kernel of a node (or of a pod's namespace) holds, as a document: plain JSON, so that it can be kept in a bundle and
 * judged elsewhere. Words are those of `ip`.
 */
import type { IpFamily } from '../datapath/ip.ts';

export interface LinkFact {
  readonly index: number;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly group: number;
  readonly alias: string;
  /** veth, vlan, ...; null for hardware. */
  readonly kind: string | null;
}

export interface AddressFact {
  /** Index of the link. */
  readonly link: number;
  readonly address: string;
  readonly prefixLength: number;
}

/** What a rule does: look into a table, or end the lookup. `other` stands for what is not understood. */
export type RuleAction = 'table' | 'nop' | 'blackhole' | 'unreachable' | 'prohibit' | 'other';

export interface RuleFact {
  readonly family: IpFamily;
  readonly priority: number;
  readonly action: RuleAction;
  readonly table: number;
  /** RTPROT_* of who made it. */
  readonly protocol: number;
  /** CIDRs; null: all. */
  readonly source: string | null;
  readonly destination: string | null;
  readonly mark: { readonly value: number; readonly mask: number } | null;
  readonly inInterface: string | null;
  readonly outInterface: string | null;
  /** Number of the protocol within IP. */
  readonly ipProtocol: number | null;
  /** Routes whose prefix is not longer than this do not count (`suppress_prefixlength`). */
  readonly suppressPrefixLength: number | null;
  readonly inverted: boolean;
  /** Conditions that are not understood, by their numbers in linux/fib_rules.h. */
  readonly unknown: readonly number[];
}

export type RouteType =
  | 'unicast'
  | 'local'
  | 'broadcast'
  | 'anycast'
  | 'multicast'
  | 'blackhole'
  | 'unreachable'
  | 'prohibit'
  | 'throw'
  | 'nat';

export interface RouteFact {
  readonly family: IpFamily;
  readonly table: number;
  readonly type: RouteType;
  readonly destination: string;
  readonly prefixLength: number;
  readonly metric: number;
  readonly protocol: number;
  /** Index of the link; 0: none. Of a route with several ways, that of the first. */
  readonly link: number;
  readonly gateway: string | null;
  readonly preferredSource: string | null;
  /** The kernel does not use it now (RTNH_F_DEAD, RTNH_F_LINKDOWN). */
  readonly dead: boolean;
}

export type NeighbourState =
  'incomplete' | 'reachable' | 'stale' | 'delay' | 'probe' | 'failed' | 'noarp' | 'permanent' | 'none';

export interface NeighbourFact {
  readonly link: number;
  readonly address: string;
  readonly mac: string;
  readonly state: NeighbourState;
}

/** Of one network namespace. */
export interface KernelFacts {
  readonly links: readonly LinkFact[];
  readonly addresses: readonly AddressFact[];
  readonly rules: readonly RuleFact[];
  readonly routes: readonly RouteFact[];
  readonly neighbours: readonly NeighbourFact[];
}

const TABLE_NAMES: Readonly<Record<number, string>> = { 253: 'default', 254: 'main', 255: 'local' };

/** `main`, `local`, or the number. */
export function tableName(table: number): string {
  return TABLE_NAMES[table] ?? String(table);
}

/** The rule as `ip rule` prints it. */
export function ruleLine(rule: RuleFact): string {
  const mark = rule.mark === null ? '' : ` fwmark 0x${rule.mark.value.toString(16)}/0x${rule.mark.mask.toString(16)}`;
  const to = rule.destination === null ? '' : ` to ${rule.destination}`;
  const links = [
    ...(rule.inInterface === null ? [] : [` iif ${rule.inInterface}`]),
    ...(rule.outInterface === null ? [] : [` oif ${rule.outInterface}`]),
  ].join('');
  const does = rule.action === 'table' ? `lookup ${tableName(rule.table)}` : rule.action;
  const suppress = rule.suppressPrefixLength === null ? '' : ` suppress_prefixlength ${rule.suppressPrefixLength}`;
  return `${rule.priority}: ${rule.inverted ? 'not ' : ''}from ${rule.source ?? 'all'}${to}${mark}${links} ${does}${suppress}`;
}

/** The route as `ip route` prints it. */
export function routeLine(route: RouteFact, links: readonly LinkFact[]): string {
  const type = route.type === 'unicast' ? '' : `${route.type} `;
  const to = route.prefixLength === 0 ? 'default' : `${route.destination}/${route.prefixLength}`;
  const via = route.gateway === null ? '' : ` via ${route.gateway}`;
  const dev = route.link === 0 ? '' : ` dev ${linkName(links, route.link)}`;
  const source = route.preferredSource === null ? '' : ` src ${route.preferredSource}`;
  return `${type}${to}${via}${dev} table ${tableName(route.table)}${source}${route.dead ? ' dead' : ''}`;
}

export function linkName(links: readonly LinkFact[], index: number): string {
  return links.find((link) => link.index === index)?.name ?? `if${index}`;
}
