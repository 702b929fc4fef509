/** What the targets ask for, and how far a pool is from it. The peer's names and meaning, except where a comment says so. */

import type { AllocationMode, Explanation, WarmTargets } from './model.ts';

/** Addresses in a /28, the one size of prefix that EC2 gives to an interface. */
export const PREFIX_SIZE = 16;

/** The one rule that governs the pool. */
export type Policy =
  | { readonly kind: 'ip'; readonly warm: number; readonly minimum: number }
  | { readonly kind: 'eni'; readonly warm: number; readonly perInterface: number }
  | { readonly kind: 'prefix'; readonly warm: number };

/** Sums over the usable blocks of a set of interfaces. */
export interface Counts {
  readonly free: number;
  /** Free, assigned and cooling. */
  readonly total: number;
  /** Prefixes of which nothing is assigned. */
  readonly freePrefixes: number;
  /** The part of `free` that does not lie in those prefixes; pods are put there first. */
  readonly partialFree: number;
}

/** What is missing, as the targets have it, before any limit is applied. */
export interface Shortage {
  /** Free addresses that are missing. */
  readonly addresses: number;
  /** The part of them that pods wait for already. */
  readonly awaited: number;
  /** The same as prefixes; 0 in address mode. */
  readonly prefixes: number;
  readonly why: Explanation;
}

/**
 * WARM_IP_TARGET or MINIMUM_IP_TARGET overrule WARM_ENI_TARGET and WARM_PREFIX_TARGET; as for the peer, 0 is "not set".
 * `perInterface` is what one interface can hold beside its primary address.
 */
export function policyOf(mode: AllocationMode, targets: WarmTargets, perInterface: number): Policy {
  const [warm, minimum] = [targets.warmIpTarget ?? 0, targets.minimumIpTarget ?? 0];
  if (warm > 0 || minimum > 0) return { kind: 'ip', warm, minimum };
  if (mode === 'prefix') return { kind: 'prefix', warm: targets.warmPrefixTarget };
  return { kind: 'eni', warm: targets.warmEniTarget, perInterface };
}

/** Whether the pool is below target once `demand` waiting pods are served: whether `shortage` would say what is missing. */
export function isShort(policy: Policy, { free, total }: Counts, demand: number): boolean {
  return free < demand || targetGap(policy, free - demand, total) > 0;
}

/** How far the pool is below target once `demand` waiting pods are served; `undefined` where it is not. */
export function shortage(policy: Policy, mode: AllocationMode, counts: Counts, demand: number): Shortage | undefined {
  if (!isShort(policy, counts, demand)) return undefined;
  const spare = counts.free - demand;
  const awaited = Math.max(0, -spare);
  const addresses = Math.max(awaited, targetGap(policy, spare, counts.total));
  const whole = policy.kind === 'prefix' ? policy.warm - freePrefixesAfter(counts, demand) : 0;
  return {
    addresses,
    awaited,
    prefixes: mode === 'prefix' ? Math.max(Math.ceil(addresses / PREFIX_SIZE), whole) : 0,
    why: explain(policy, counts, demand, addresses, awaited),
  };
}

/**
 * Whether the pool may go from `before` to `after`: it is not short afterwards, so that no growth follows, and prefixes
 * that WARM_PREFIX_TARGET wants whole stay whole. Limits such as max pods play no part: a pool that is at its limit
 * keeps its warm addresses, for the pods that replace others.
 */
export function maySpare(policy: Policy, before: Counts, after: Counts, demand: number): boolean {
  if (isShort(policy, after, demand)) return false;
  if (policy.kind !== 'prefix' || after.freePrefixes === before.freePrefixes) return true;
  return freePrefixesAfter(after, demand) >= policy.warm;
}

/** The code for what is above target. */
export function surplusReason(policy: Policy): Explanation['reason'] {
  switch (policy.kind) {
    case 'ip':
      return 'above-warm-ip-target';
    case 'eni':
      return 'above-warm-eni-target';
    case 'prefix':
      return 'above-warm-prefix-target';
  }
}

/** The targets that govern, under the names operators set them by. */
export function targetInputs(policy: Policy): Readonly<Record<string, number>> {
  switch (policy.kind) {
    case 'ip':
      return { warmIpTarget: policy.warm, minimumIpTarget: policy.minimum };
    case 'eni':
      return { warmEniTarget: policy.warm, perInterface: policy.perInterface };
    case 'prefix':
      return { warmPrefixTarget: policy.warm };
  }
}

/** A target of 0 whole interfaces or prefixes still keeps one address free, as for the peer. */
function targetGap(policy: Policy, spare: number, total: number): number {
  switch (policy.kind) {
    case 'ip':
      return Math.max(policy.warm - spare, policy.minimum - total);
    case 'eni':
      return Math.max(1, policy.warm * policy.perInterface) - spare;
    case 'prefix':
      return Math.max(1, policy.warm * PREFIX_SIZE) - spare;
  }
}

/** Waiting pods use up the prefixes that are in use already before they break a whole one. */
function freePrefixesAfter({ freePrefixes, partialFree }: Counts, demand: number): number {
  return freePrefixes - Math.ceil(Math.max(0, demand - partialFree) / PREFIX_SIZE);
}

function explain(policy: Policy, counts: Counts, demand: number, missing: number, awaited: number): Explanation {
  const inputs = { ...targetInputs(policy), free: counts.free, total: counts.total, waiting: demand, missing };
  if (awaited > 0) return { reason: 'pods-waiting', inputs };
  switch (policy.kind) {
    case 'ip':
      return {
        reason: policy.warm - counts.free + demand >= missing ? 'below-warm-ip-target' : 'below-minimum-ip-target',
        inputs,
      };
    case 'eni':
      return { reason: 'below-warm-eni-target', inputs };
    case 'prefix':
      return { reason: 'below-warm-prefix-target', inputs };
  }
}
