/**
 * Where the kernel's rules and tables lead a packet: fib_rules_lookup and fib_table_lookup (net/core/fib_rules.c,
 * net/ipv4/fib_trie.c) on a document. Pure. `trace` asks the kernel, too, and says where the two disagree.
 */
import { familyOf } from '../../datapath/ip.ts';
import type { KernelFacts, RouteFact, RuleFact } from '../kernel-facts.ts';
import { within, withinCidr } from './cidr.ts';

export interface Flow {
  readonly source: string;
  readonly destination: string;
  /** Name of the link by which the packet comes in; `lo` for the node's own. */
  readonly inInterface: string;
  readonly mark: number;
  /** Number of the protocol within IP, where it is known. */
  readonly ipProtocol?: number | undefined;
}

export type Lookup =
  | {
      readonly kind: 'route';
      readonly rule: RuleFact;
      readonly route: RouteFact;
      /** Rules before it that may have applied: a condition of theirs is not understood. */
      readonly unsure: readonly RuleFact[];
    }
  /** A rule or a route says no, or nothing says yes. */
  | {
      readonly kind: 'refused';
      readonly how: 'blackhole' | 'unreachable' | 'prohibit' | 'no route';
      readonly rule: RuleFact | undefined;
      readonly route: RouteFact | undefined;
      readonly unsure: readonly RuleFact[];
    };

const REFUSING: ReadonlySet<string> = new Set(['blackhole', 'unreachable', 'prohibit']);

/** Rules by priority, tables by the longest prefix. */
export function lookUp({ rules, routes }: Pick<KernelFacts, 'rules' | 'routes'>, flow: Flow): Lookup {
  const family = familyOf(flow.destination);
  const unsure: RuleFact[] = [];
  for (const rule of rules.filter((one) => one.family === family).toSorted((a, b) => a.priority - b.priority)) {
    const match = matches(rule, flow);
    if (match === 'unknown') unsure.push(rule);
    if (match !== true || rule.action === 'nop') continue;
    if (rule.action === 'other') {
      unsure.push(rule);
      continue;
    }
    if (rule.action !== 'table') return { kind: 'refused', how: rule.action, rule, route: undefined, unsure };
    const route = inTable(routes, rule.table, flow.destination);
    if (route === undefined || route.type === 'throw') continue;
    if (REFUSING.has(route.type)) return { kind: 'refused', how: route.type as 'blackhole', rule, route, unsure };
    // Routes that refuse are never suppressed (fib_rules_lookup asks only where the table gave a way).
    if (rule.suppressPrefixLength !== null && route.prefixLength <= rule.suppressPrefixLength) continue;
    return { kind: 'route', rule, route, unsure };
  }
  return { kind: 'refused', how: 'no route', rule: undefined, route: undefined, unsure };
}

/** The best route of one table: longest prefix, then smallest metric. */
export function inTable(routes: readonly RouteFact[], table: number, destination: string): RouteFact | undefined {
  let best: RouteFact | undefined;
  for (const route of routes) {
    if (route.table !== table || route.dead || !within(destination, route.destination, route.prefixLength)) continue;
    const isBetter =
      best === undefined ||
      route.prefixLength > best.prefixLength ||
      (route.prefixLength === best.prefixLength && route.metric < best.metric);
    if (isBetter) best = route;
  }
  return best;
}

/** `unknown`: what is understood of it matches, and there is more. */
function matches(rule: RuleFact, flow: Flow): boolean | 'unknown' {
  const conditions = [
    rule.source === null || withinCidr(flow.source, rule.source),
    rule.destination === null || withinCidr(flow.destination, rule.destination),
    rule.mark === null || ((flow.mark ^ rule.mark.value) & rule.mark.mask) === 0,
    rule.inInterface === null || rule.inInterface === flow.inInterface,
    // Only sockets that are bound to a link have one before the lookup.
    rule.outInterface === null,
  ];
  const isMatch = conditions.every(Boolean);
  const protocol =
    rule.ipProtocol === null ? true : flow.ipProtocol === undefined ? 'unknown' : rule.ipProtocol === flow.ipProtocol;
  if (!isMatch || protocol === false) return rule.inverted;
  if (protocol === 'unknown' || rule.unknown.length > 0) return 'unknown';
  return !rule.inverted;
}
