/**
 * What the nftables rules of a hook do with the first packet of a connection, of every table. Where a rule cannot be
 * judged it is taken not to apply and named in `unsure`. Pure.
 */
import { familyOf } from '../../datapath/ip.ts';
import type { KernelFacts } from '../kernel-facts.ts';
import { fieldsOf, type NftChain, type NftRuleset, type NftStatement } from './nft-document.ts';
import { ABSENT, covers, elementsOf, listOf, type Scope, UNKNOWN, valueOf } from './nft-values.ts';
import type { Packet } from './packet.ts';

export interface HookOutcome {
  readonly packet: Packet;
  /** Who drops it; undefined: nobody. */
  readonly droppedBy: RulePlace | undefined;
  /** What was changed, in order. */
  readonly changes: readonly { readonly at: RulePlace; readonly what: string }[];
  readonly unsure: readonly RulePlace[];
}

export interface RulePlace {
  readonly table: string;
  readonly chain: string;
  /** Counted from 1; 0 stands for the chain's policy. */
  readonly rule: number;
  readonly priority: number;
}

export function placeText({ table, chain, rule }: RulePlace): string {
  return `${rule === 0 ? 'the policy' : `rule ${rule}`} of chain ${chain}, table ${table}`;
}

/** netfilter's names of its hooks. */
export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';

type Verdict = 'accept' | 'drop' | 'continue';

/** A loop of jumps is refused by the kernel; documents are not the kernel. */
const DEEPEST = 32;

class Walk {
  readonly #kernel: KernelFacts;
  readonly #ruleset: NftRuleset;
  packet: Packet;
  droppedBy: RulePlace | undefined;
  readonly changes: { at: RulePlace; what: string }[] = [];
  readonly unsure: RulePlace[] = [];

  constructor(kernel: KernelFacts, ruleset: NftRuleset, packet: Packet) {
    this.#kernel = kernel;
    this.#ruleset = ruleset;
    this.packet = packet;
  }

  base(chain: NftChain): void {
    const verdict = this.#chain(chain, chain.priority ?? 0, 0);
    if (verdict !== 'continue' || chain.policy !== 'drop') return;
    this.droppedBy = {
      table: `${chain.family} ${chain.table}`,
      chain: chain.name,
      rule: 0,
      priority: chain.priority ?? 0,
    };
  }

  #chain(chain: NftChain, priority: number, depth: number): Verdict {
    for (const [index, rule] of chain.rules.entries()) {
      const at = { table: `${chain.family} ${chain.table}`, chain: chain.name, rule: index + 1, priority };
      const verdict = this.#rule(rule, chain, at, depth);
      if (verdict === 'return') return 'continue';
      if (verdict === 'drop') this.droppedBy ??= at;
      if (verdict !== 'continue') return verdict;
    }
    return 'continue';
  }

  #rule(rule: readonly NftStatement[], chain: NftChain, at: RulePlace, depth: number): Verdict | 'return' {
    for (const statement of rule) {
      const [kind = ''] = Object.keys(statement);
      const scope = { kernel: this.#kernel, ruleset: this.#ruleset, packet: this.packet, place: chain };
      if (kind === 'match') {
        const isMatch = this.#matches(fieldsOf(statement[kind]), scope);
        if (isMatch === true) continue;
        if (isMatch === 'unknown' && hasEffect(rule)) this.unsure.push(at);
        return 'continue';
      }
      const verdict = this.#does(kind, statement[kind], scope, at, depth);
      if (verdict !== 'continue') return verdict;
    }
    return 'continue';
  }

  #does(kind: string, argument: unknown, scope: Scope, at: RulePlace, depth: number): Verdict | 'return' {
    switch (kind) {
      case 'accept':
      case 'return':
      case 'drop':
        return kind;
      case 'reject':
        return 'drop';
      case 'jump':
      case 'goto':
        return this.#jump(kind, String(fieldsOf(argument)['target']), scope, at, depth);
      case 'vmap':
        return this.#verdictOf(fieldsOf(argument), scope, at, depth);
      case 'mangle':
        this.#mangle(fieldsOf(argument), scope, at);
        return 'continue';
      case 'snat':
      case 'masquerade':
        return this.#translate('source', kind, fieldsOf(argument), scope, at);
      case 'dnat':
      case 'redirect':
        return this.#translate('destination', kind, fieldsOf(argument), scope, at);
      case 'counter':
      case 'log':
      case 'comment':
        return 'continue';
      default:
        this.unsure.push(at);
        return 'continue';
    }
  }

  #matches(match: Readonly<Record<string, unknown>>, scope: Scope): boolean | 'unknown' {
    const value = valueOf(match['left'], scope);
    if (value === ABSENT) return false;
    const isCovered = covers(value, match['right'], scope);
    const operator = match['op'];
    if (isCovered === 'unknown' || !['==', '!=', 'in'].includes(String(operator))) return 'unknown';
    return operator === '!=' ? !isCovered : isCovered;
  }

  #jump(kind: 'jump' | 'goto', target: string, { place }: Scope, at: RulePlace, depth: number): Verdict | 'return' {
    const chain = this.#ruleset.chains.find(
      ({ family, table, name }) => family === place.family && table === place.table && name === target,
    );
    if (chain === undefined || depth > DEEPEST) {
      this.unsure.push(at);
      return 'continue';
    }
    const verdict = this.#chain(chain, at.priority, depth + 1);
    return verdict === 'continue' && kind === 'goto' ? 'return' : verdict;
  }

  #verdictOf(map: Readonly<Record<string, unknown>>, scope: Scope, at: RulePlace, depth: number): Verdict | 'return' {
    const key = valueOf(map['key'], scope);
    for (const element of elementsOf(map['data'], scope) ?? []) {
      const [from, to] = listOf(element);
      const isIt = covers(key, from, scope);
      if (isIt === 'unknown') this.unsure.push(at);
      if (isIt !== true) continue;
      const [kind = ''] = Object.keys(fieldsOf(to));
      return this.#does(kind, fieldsOf(to)[kind], scope, at, depth);
    }
    return 'continue';
  }

  #mangle(mangle: Readonly<Record<string, unknown>>, scope: Scope, at: RulePlace): void {
    const target = fieldsOf(mangle['key']);
    const value = valueOf(mangle['value'], scope);
    const isMark = fieldsOf(target['meta'])['key'] === 'mark';
    const isConnectionMark = fieldsOf(target['ct'])['key'] === 'mark';
    if (typeof value !== 'number' || !(isMark || isConnectionMark)) {
      this.unsure.push(at);
      return;
    }
    this.packet = { ...this.packet, ...(isMark ? { mark: value } : { connectionMark: value }) };
    this.changes.push({ at, what: `${isMark ? 'mark' : 'connection mark'} becomes 0x${value.toString(16)}` });
  }

  /** A translation ends the chain, as accept does. */
  #translate(
    end: 'source' | 'destination',
    kind: string,
    argument: Readonly<Record<string, unknown>>,
    scope: Scope,
    at: RulePlace,
  ): Verdict {
    const done = end === 'source' ? 'sourceTranslated' : 'destinationTranslated';
    const address = kind === 'masquerade' ? this.#addressOf(scope) : valueOf(argument['addr'], scope);
    if (address === ABSENT) return 'continue';
    const [to, port] = Array.isArray(address) ? address : [address, argument['port']];
    if (typeof to !== 'string' || to === '') {
      this.unsure.push(at);
      return 'continue';
    }
    const isPort = end === 'destination' && typeof port === 'number';
    this.packet = { ...this.packet, [end]: to, [done]: true, ...(isPort ? { port } : {}) };
    this.changes.push({ at, what: `${end} becomes ${to}${isPort ? ` port ${port}` : ''} (${kind})` });
    return 'accept';
  }

  /** masquerade takes the first address of the link that the packet leaves by. */
  #addressOf({ packet }: Scope): string | typeof UNKNOWN {
    const family = familyOf(packet.source);
    const own = this.#kernel.addresses.find(
      ({ link, address }) => link === packet.outLink?.index && familyOf(address) === family,
    );
    return own?.address ?? UNKNOWN;
  }
}

/** Rules without any are not worth a word. */
function hasEffect(rule: readonly NftStatement[]): boolean {
  return rule.some((statement) => !['match', 'counter', 'log', 'comment'].includes(Object.keys(statement)[0] ?? ''));
}

/** The base chains of a hook in the order of their priorities. */
export function evaluateHook(hook: Hook, kernel: KernelFacts, ruleset: NftRuleset, packet: Packet): HookOutcome {
  const family = familyOf(packet.source) === 'ipv4' ? 'ip' : 'ip6';
  const chains = ruleset.chains
    .filter((chain) => chain.hook === hook && (chain.family === 'inet' || chain.family === family))
    .toSorted((a, b) => (a.priority ?? 0) - (b.priority ?? 0));
  const walk = new Walk(kernel, ruleset, packet);
  for (const chain of chains) {
    const isDone =
      hook === 'prerouting' || hook === 'output' ? walk.packet.destinationTranslated : walk.packet.sourceTranslated;
    // nat chains are asked until one translates.
    if (chain.type === 'nat' && isDone) continue;
    walk.base(chain);
    if (walk.droppedBy !== undefined) break;
  }
  const { droppedBy, changes, unsure } = walk;
  return { packet: walk.packet, droppedBy, changes, unsure };
}
