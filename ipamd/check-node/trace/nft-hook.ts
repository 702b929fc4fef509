/**
 * What the nftables rules of a hook do with the first packet of a connection, of every table: the kernel's own expressions,
 * executed as nft_do_chain does (net/netfilter/nf_tables_core.c). Where a rule cannot be judged it is taken not to apply and
 * named in `unsure`. Pure.
 */
import { addressText, familyOf } from '../../datapath/ip.ts';
import type { KernelFacts, LinkFact } from '../kernel-facts.ts';
import type { NftChain, NftExpression, NftRuleset, NftStatement, NftVerdict } from '../nft-ruleset.ts';
import { holds, isCondition } from './nft-conditions.ts';
import { type Bytes, knownBytes, numberOf, Registers } from './nft-registers.ts';
import { findElement } from './nft-sets.ts';
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

/** What a rule or chain ends with. `next`: the next rule; `unsure`: it cannot be said whether the rule applies. */
type Verdict = 'accept' | 'drop' | 'return' | 'next' | 'unsure';

/** linux/netfilter.h and enum nft_verdicts. */
const CODE = { drop: 0, accept: 1, continue: -1, break: -2, jump: -3, goto: -4, return: -5 } as const;
/** NFT_META_MARK and NFT_CT_MARK. */
const MARK = 3;
/** NFT_META_NFTRACE and NFT_META_PRIORITY, whose change is no change of the way. */
const HARMLESS_META = new Set([2, 12]);
const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
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
    const priority = chain.base?.priority ?? 0;
    const verdict = this.#chain(chain, priority, 0);
    if ((verdict !== 'next' && verdict !== 'return') || chain.base?.policy !== 'drop') return;
    this.droppedBy = { table: `${chain.family} ${chain.table}`, chain: chain.name, rule: 0, priority };
  }

  #chain(chain: NftChain, priority: number, depth: number): Verdict {
    for (const [index, rule] of chain.rules.entries()) {
      const at = { table: `${chain.family} ${chain.table}`, chain: chain.name, rule: index + 1, priority };
      const verdict = this.#rule(rule, chain, at, depth);
      if (verdict === 'drop') this.droppedBy ??= at;
      if (verdict === 'unsure') this.unsure.push(at);
      if (verdict === 'accept' || verdict === 'drop' || verdict === 'return') return verdict;
    }
    return 'next';
  }

  #rule(rule: readonly NftExpression[], chain: NftChain, at: RulePlace, depth: number): Verdict {
    const registers = new Registers();
    const scope = { kernel: this.#kernel, ruleset: this.#ruleset, place: chain };
    for (const expression of rule) {
      if (isCondition(expression)) {
        const answer = holds(expression, registers, { ...scope, packet: this.packet });
        if (answer === false) return 'next';
        // Rules without any effect are not worth a word.
        if (answer === 'unknown') return hasEffect(rule) ? 'unsure' : 'next';
      } else {
        const verdict = this.#does(expression, chain, registers, at, depth);
        if (verdict !== 'next') return verdict;
      }
    }
    return 'next';
  }

  #does(statement: NftStatement, chain: NftChain, registers: Registers, at: RulePlace, depth: number): Verdict {
    switch (statement.kind) {
      case 'verdict':
        return this.#take(statement.verdict, chain, at, depth);
      case 'verdict-map': {
        const found = findElement(this.#ruleset, chain, statement.set, statement.from, registers);
        if (found.kind === 'none') return 'next';
        const verdict = found.kind === 'element' ? found.element.verdict : null;
        return verdict === null ? 'unsure' : this.#take(verdict, chain, at, depth);
      }
      case 'reject':
        return 'drop';
      case 'set-meta':
      case 'set-ct':
        return this.#mark(statement, registers, at);
      case 'nat': {
        const { end, address, port } = statement;
        const length = familyOf(this.packet.source) === 'ipv4' ? IPV4_BYTES : IPV6_BYTES;
        const own = address === null ? undefined : knownBytes(registers.get(address, length));
        const to = address === null ? this.packet[end] : own && addressText(Buffer.from(own));
        const how = end === 'source' ? 'snat' : 'dnat';
        return this.#translate(end, how, to, port === null ? undefined : registers.get(port, 2), at);
      }
      case 'masquerade':
        return this.#translate('source', 'masquerade', this.#firstAddress(this.packet.outLink), undefined, at);
      case 'redirect': {
        const port = statement.port === null ? undefined : registers.get(statement.port, 2);
        return this.#translate('destination', 'redirect', this.#firstAddress(this.packet.inLink), port, at);
      }
      case 'no-effect':
        return 'next';
      case 'other':
        return 'unsure';
      default:
        return statement satisfies never;
    }
  }

  #take({ code, chain: target }: NftVerdict, { family, table }: NftChain, at: RulePlace, depth: number): Verdict {
    if (code === CODE.drop) return 'drop';
    if (code === CODE.accept) return 'accept';
    if (code === CODE.return) return 'return';
    if (code === CODE.continue || code === CODE.break) return 'next';
    const chain = this.#ruleset.chains.find(
      (one) => one.family === family && one.table === table && one.name === target,
    );
    if (chain === undefined || depth > DEEPEST) return 'unsure';
    const verdict = this.#chain(chain, at.priority, depth + 1);
    if (verdict === 'accept' || verdict === 'drop') return verdict;
    return code === CODE.goto ? 'return' : 'next';
  }

  #mark(
    { kind, key, from }: Extract<NftStatement, { kind: 'set-meta' | 'set-ct' }>,
    registers: Registers,
    at: RulePlace,
  ): Verdict {
    if (key !== MARK) return kind === 'set-meta' && HARMLESS_META.has(key) ? 'next' : 'unsure';
    const value = numberOf(registers.get(from, 4));
    if (value === undefined) return 'unsure';
    const isMeta = kind === 'set-meta';
    this.packet = { ...this.packet, ...(isMeta ? { mark: value } : { connectionMark: value }) };
    this.changes.push({ at, what: `${isMeta ? 'mark' : 'connection mark'} becomes 0x${value.toString(16)}` });
    return 'next';
  }

  /** A translation ends the chain, as accept does. */
  #translate(
    end: 'source' | 'destination',
    how: string,
    to: string | undefined,
    portBytes: Bytes | undefined,
    at: RulePlace,
  ): Verdict {
    const done = end === 'source' ? 'sourceTranslated' : 'destinationTranslated';
    if (to === undefined) {
      this.unsure.push(at);
      return 'accept';
    }
    const port = end === 'source' || portBytes === undefined ? undefined : numberOf(portBytes.toReversed());
    this.packet = { ...this.packet, [end]: to, [done]: true, ...(port === undefined ? {} : { port }) };
    this.changes.push({ at, what: `${end} becomes ${to}${port === undefined ? '' : ` port ${port}`} (${how})` });
    return 'accept';
  }

  /** masquerade and redirect take the first address of the link. */
  #firstAddress(link: LinkFact | undefined): string | undefined {
    const family = familyOf(this.packet.source);
    return this.#kernel.addresses.find((one) => one.link === link?.index && familyOf(one.address) === family)?.address;
  }
}

function hasEffect(rule: readonly NftExpression[]): boolean {
  return rule.some((expression) => !isCondition(expression) && expression.kind !== 'no-effect');
}

/** The base chains of a hook in the order of their priorities. */
export function evaluateHook(hook: Hook, kernel: KernelFacts, ruleset: NftRuleset, packet: Packet): HookOutcome {
  const family = familyOf(packet.source) === 'ipv4' ? 'ip' : 'ip6';
  const chains = ruleset.chains
    .filter((chain) => chain.base?.hook === hook && (chain.family === 'inet' || chain.family === family))
    .toSorted((a, b) => (a.base?.priority ?? 0) - (b.base?.priority ?? 0));
  const walk = new Walk(kernel, ruleset, packet);
  for (const chain of chains) {
    const isDone =
      hook === 'prerouting' || hook === 'output' ? walk.packet.destinationTranslated : walk.packet.sourceTranslated;
    // nat chains are asked until one translates.
    if (chain.base?.type === 'nat' && isDone) continue;
    walk.base(chain);
    if (walk.droppedBy !== undefined) break;
  }
  const { droppedBy, changes, unsure } = walk;
  return { packet: walk.packet, droppedBy, changes, unsure };
}
