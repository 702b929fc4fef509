/** Conditions of nftables rules: whether they hold for one packet. Pure, but for the registers that are given. */
import type { KernelFacts } from '../kernel-facts.ts';
import type { NftCondition, NftExpression, NftRuleset } from '../nft-ruleset.ts';
import {
  type Answer,
  type Bytes,
  bytesOf,
  compare,
  masked,
  MOST_BYTES,
  not,
  type Registers,
  swapped,
  unknownBytes,
  within,
} from './nft-registers.ts';
import { findElement, type Place } from './nft-sets.ts';
import { connectionBytes, fibBytes, metaBytes, payloadBytes } from './nft-values.ts';
import type { Packet } from './packet.ts';

/** What a rule is judged by. */
export interface Scope {
  readonly kernel: KernelFacts;
  readonly ruleset: NftRuleset;
  readonly packet: Packet;
  /** Of the chain that the rule stands in: its sets are those of its table. */
  readonly place: Place;
}

const CONDITIONS: Readonly<Record<NftCondition['kind'], true>> = {
  payload: true,
  meta: true,
  ct: true,
  fib: true,
  value: true,
  'unknown-value': true,
  mask: true,
  byteorder: true,
  compare: true,
  range: true,
  lookup: true,
};

export function isCondition(expression: NftExpression): expression is NftCondition {
  return Object.hasOwn(CONDITIONS, expression.kind);
}

/** Whether the rule goes on; what is loaded is in the registers then. */
export function holds(condition: NftCondition, registers: Registers, scope: Scope): Answer {
  const { packet, kernel } = scope;
  const load = (to: number, bytes: Bytes | undefined): boolean => {
    if (bytes !== undefined) registers.set(to, bytes);
    return bytes !== undefined;
  };
  switch (condition.kind) {
    case 'payload':
      return load(condition.to, payloadBytes(condition.base, condition.offset, condition.length, packet));
    case 'meta':
      return load(condition.to, metaBytes(condition.key, packet));
    case 'ct':
      return load(condition.to, connectionBytes(condition.key, packet));
    case 'fib':
      return load(condition.to, fibBytes(condition.result, condition.flags, packet, kernel));
    case 'value':
      return load(condition.to, bytesOf(condition.value));
    case 'unknown-value':
      return load(condition.to, unknownBytes(MOST_BYTES));
    case 'mask': {
      const mask = bytesOf(condition.mask);
      return load(condition.to, masked(registers.get(condition.from, mask.length), mask, bytesOf(condition.xor)));
    }
    case 'byteorder': {
      const { from, to, length, size } = condition;
      return load(to, swapped(registers.get(from, Math.min(length, MOST_BYTES)), size));
    }
    case 'compare': {
      const value = bytesOf(condition.value);
      return compare(registers.get(condition.from, value.length), condition.operation, value);
    }
    case 'range': {
      const answers = condition.ranges.map(({ low, high }) => {
        const [from, to] = [bytesOf(low), bytesOf(high)];
        return within(registers.get(condition.from, from.length), from, to);
      });
      const isWithin = answers.includes(true) || (answers.includes('unknown') ? 'unknown' : false);
      return condition.inverted ? not(isWithin) : isWithin;
    }
    case 'lookup':
      return isFound(condition, registers, scope);
    default:
      return condition satisfies never;
  }
}

function isFound(
  { set: name, from, to, inverted }: Extract<NftCondition, { kind: 'lookup' }>,
  registers: Registers,
  { ruleset, place }: Scope,
): Answer {
  const found = findElement(ruleset, place, name, from, registers);
  if (found.kind === 'unknown') return 'unknown';
  if (found.kind === 'none') return inverted;
  if (to !== null && found.element.data !== null) registers.set(to, bytesOf(found.element.data));
  return !inverted;
}
