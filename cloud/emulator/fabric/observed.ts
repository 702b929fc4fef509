import type { ObservedRouter } from './router.ts';
import {
  ADDRESS_LABEL,
  DOOMED_GROUP,
  DROP_RULE_PRIORITY,
  FABRIC_GROUP,
  FABRIC_PROTOCOL,
  INTERNET_RULE_PRIORITY,
  IPV6_DROP_RULE_PRIORITY,
  IPV6_INTERNET_RULE_PRIORITY,
  IPV6_VPC_RULE_PRIORITY,
} from './router.ts';

/** The iproute2 batch whose JSON answer `parseRouter` reads: one line and one JSON array each. */
export const OBSERVE_ROUTER: readonly string[] = [
  `route show table all proto ${FABRIC_PROTOCOL}`,
  'rule show',
  'neigh show nud permanent',
  'addr show dev lo',
  // Last: within one batch, iproute2's filter of this command (links without addresses) leaks into `addr show`.
  'link show',
];

/** The same for rules of IPv6, which need a batch of their own (`ip -6`). */
export const OBSERVE_IPV6_RULES: readonly string[] = ['rule show'];

interface RouteJson {
  readonly type?: string;
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly table?: string;
  readonly flags?: readonly string[];
}

interface RuleJson {
  readonly priority: number;
  readonly src: string;
  readonly srclen?: number;
  readonly iif?: string;
  readonly table?: string;
}

interface NeighbourJson {
  readonly dst: string;
  readonly dev: string;
  readonly lladdr?: string;
}

interface LinkJson {
  /** Absent where the filter of the command hides the link: iproute2 prints `{}` for it. */
  readonly ifname?: string;
  readonly ifalias?: string;
  readonly group?: string;
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen?: number; readonly label?: string }[];
}

/**
 * Reads the answers to `OBSERVE_ROUTER` and `OBSERVE_IPV6_RULES` (empty if it was not asked); throws a `SyntaxError` where
 * they are not what `ip -j` prints.
 */
export function parseRouter(output: string, ipv6Output: string): ObservedRouter {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  if (lines.length !== OBSERVE_ROUTER.length) throw new SyntaxError(`expected one JSON array per command: ${output}`);
  const routes = parseArray(lines[0]) as readonly RouteJson[];
  const rules = parseArray(lines[1]) as readonly RuleJson[];
  const neighbours = parseArray(lines[2]) as readonly NeighbourJson[];
  const loopback = parseArray(lines[3]) as readonly LinkJson[];
  const links = parseArray(lines[4]) as readonly LinkJson[];
  const groups = [FABRIC_GROUP, DOOMED_GROUP].map(String);
  const ours = links.filter((link) => link.group !== undefined && groups.includes(link.group));
  const names = new Set(ours.map((link) => link.ifname));
  return {
    links: ours.map((link) => ({ name: link.ifname ?? '', alias: link.ifalias })),
    addresses: loopback.flatMap((link) => link.addr_info ?? []).flatMap(labelled),
    neighbours: neighbours
      .filter((neighbour) => names.has(neighbour.dev))
      .map((neighbour) => `${neighbour.dst} lladdr ${neighbour.lladdr ?? ''} dev ${neighbour.dev}`),
    routes: routes.map(routeText),
    rules: rules.flatMap(ruleText),
    ipv6Rules: ((ipv6Output === '' ? [] : parseArray(ipv6Output)) as readonly RuleJson[]).flatMap(ipv6RuleText),
  };
}

function parseArray(line: string | undefined): readonly unknown[] {
  const value: unknown = JSON.parse(line ?? '');
  if (!Array.isArray(value)) throw new SyntaxError(`expected a JSON array: ${line ?? ''}`);
  return value;
}

function labelled(info: {
  readonly local?: string;
  readonly prefixlen?: number;
  readonly label?: string;
}): readonly string[] {
  return info.label === ADDRESS_LABEL ? [`${info.local ?? ''}/${info.prefixlen ?? ''}`] : [];
}

function routeText(route: RouteJson): string {
  const words = [
    ...(route.type === undefined ? [] : [route.type]),
    route.dst,
    ...(route.gateway === undefined ? [] : ['via', route.gateway]),
    // IPv6 shows the loopback as the device of a route to nowhere.
    ...(route.dev === undefined || route.type === 'blackhole' ? [] : ['dev', route.dev]),
    ...(route.flags?.includes('onlink') === true ? ['onlink'] : []),
    ...(route.table === undefined ? [] : ['table', route.table]),
  ];
  return words.join(' ');
}

function ruleText(rule: RuleJson): readonly string[] {
  switch (rule.priority) {
    case INTERNET_RULE_PRIORITY:
      return [`from ${rule.src} lookup ${rule.table ?? ''} pref ${rule.priority}`];
    case DROP_RULE_PRIORITY:
      return [`not iif lo blackhole pref ${rule.priority}`];
    default:
      return [];
  }
}

function ipv6RuleText(rule: RuleJson): readonly string[] {
  const source = rule.srclen === undefined ? rule.src : `${rule.src}/${rule.srclen}`;
  const from = rule.src === 'all' ? [] : ['from', source];
  switch (rule.priority) {
    case IPV6_VPC_RULE_PRIORITY:
    case IPV6_INTERNET_RULE_PRIORITY:
      return [[...from, 'iif', rule.iif ?? '', 'lookup', rule.table ?? '', 'pref', rule.priority].join(' ')];
    case IPV6_DROP_RULE_PRIORITY:
      return [`not iif lo blackhole pref ${rule.priority}`];
    default:
      return [];
  }
}
