/** Settings of the pool that a search may propose for a group of nodes, and how they are written in the environment. */

import type { AllocationMode } from '../model.ts';

/** The one rule that keeps the pool warm, and whether addresses come one by one or as /28 prefixes. */
export type PoolRule =
  | { readonly kind: 'eni'; readonly mode: 'address'; readonly warm: number }
  | { readonly kind: 'prefix'; readonly mode: 'prefix'; readonly warm: number }
  | { readonly kind: 'ip'; readonly mode: AllocationMode; readonly warm: number; readonly minimum: number };

export interface Candidate {
  readonly instanceType: string;
  readonly rule: PoolRule;
}

/** The settings that a recommendation is about; one that it does not name must not be set. */
export const POOL_KEYS = [
  'ENABLE_PREFIX_DELEGATION',
  'WARM_ENI_TARGET',
  'WARM_IP_TARGET',
  'MINIMUM_IP_TARGET',
  'WARM_PREFIX_TARGET',
] as const;

/** The rule as settings, without those that would have no effect. */
export function settingsOf(rule: PoolRule): Readonly<Record<string, string>> {
  const mode = { ENABLE_PREFIX_DELEGATION: String(rule.mode === 'prefix') };
  switch (rule.kind) {
    case 'eni':
      return { ...mode, WARM_ENI_TARGET: `${rule.warm}` };
    case 'prefix':
      return { ...mode, WARM_PREFIX_TARGET: `${rule.warm}` };
    case 'ip': {
      const minimum = rule.minimum > 0 ? { MINIMUM_IP_TARGET: `${rule.minimum}` } : {};
      return { ...mode, WARM_IP_TARGET: `${rule.warm}`, ...minimum };
    }
    default:
      return rule satisfies never;
  }
}

/** Settings that are not of the pool. */
export function withoutPoolKeys(settings: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const isOther = ([key]: readonly [string, string]): boolean => !POOL_KEYS.some((known) => known === key);
  return Object.fromEntries(Object.entries(settings).filter(isOther));
}

/** Two candidates with one key are the same. */
export function keyOf({ instanceType, rule }: Candidate): string {
  return `${instanceType} ${labelOf(rule)}`;
}

/** For a table: the settings in one line. */
export function labelOf(rule: PoolRule): string {
  const { ENABLE_PREFIX_DELEGATION: isPrefix, ...rest } = settingsOf(rule);
  const parts = Object.entries(rest).map(([key, value]) => `${key}=${value}`);
  return `${isPrefix === 'true' ? 'prefixes ' : ''}${parts.join(' ')}`;
}
