/** Which settings are tried: a grid over what a node can hold, then the neighbours of the best. */

import type { AllocationMode } from '../model.ts';
import type { Candidate, PoolRule } from './candidate.ts';

/** What bounds the settings of an instance type. */
export interface NodeBounds {
  readonly instanceType: string;
  readonly maxInterfaces: number;
  /** Addresses of an interface beside its primary one. */
  readonly perInterface: number;
  /** Pods with an address of their own in each mode; a mode that the type has not is absent. */
  readonly podCapacity: Readonly<Partial<Record<AllocationMode, number>>>;
}

const PREFIX_SIZE = 16;
const WARM_ADDRESSES = [1, 2, 4, 8] as const;
const WARM_WITH_PREFIXES = [1, 4, 12] as const;

/** Coarse, in an order that is always the same. */
export function gridOf(bounds: NodeBounds): readonly Candidate[] {
  const { instanceType, maxInterfaces, perInterface, podCapacity } = bounds;
  const rules: PoolRule[] = [];
  if (podCapacity.address !== undefined) {
    const most = Math.min(2, maxInterfaces);
    for (let warm = 0; warm <= most; warm += 1) rules.push({ kind: 'eni', mode: 'address', warm });
    rules.push(...byAddresses('address', WARM_ADDRESSES, floorsOf(podCapacity.address, perInterface)));
  }
  if (podCapacity.prefix !== undefined) {
    for (let warm = 0; warm <= 2; warm += 1) rules.push({ kind: 'prefix', mode: 'prefix', warm });
    const capacity = Math.min(podCapacity.prefix, 4 * PREFIX_SIZE);
    const floors = [0, PREFIX_SIZE, 2 * PREFIX_SIZE, 3 * PREFIX_SIZE].filter((floor) => floor <= capacity);
    rules.push(...byAddresses('prefix', WARM_WITH_PREFIXES, floors));
  }
  return rules.map((rule) => ({ instanceType, rule }));
}

/** Settings a step of so many addresses (or warm interfaces, or prefixes) away. */
export function neighboursOf({ instanceType, rule }: Candidate, step: number): readonly Candidate[] {
  return around(rule, step).map((near) => ({ instanceType, rule: near }));
}

function around(rule: PoolRule, step: number): readonly PoolRule[] {
  switch (rule.kind) {
    case 'eni':
    case 'prefix':
      return [rule.warm - 1, rule.warm + 1].filter((warm) => warm >= 0).map((warm) => ({ ...rule, warm }));
    case 'ip': {
      const { warm, minimum } = rule;
      const stride = rule.mode === 'prefix' ? PREFIX_SIZE : step;
      const moved: readonly (readonly [number, number])[] = [
        [warm - 1, minimum],
        [warm + 1, minimum],
        [warm, minimum - stride],
        [warm, minimum + stride],
        [warm - 1, minimum + stride],
        [warm + 1, minimum - stride],
      ];
      return moved
        .filter(([w, m]) => w >= 0 && m >= 0 && w + m > 0)
        .map(([w, m]) => ({ ...rule, warm: w, minimum: m }));
    }
    default:
      return rule satisfies never;
  }
}

/** From none to all pods of a node: quarters of what it admits, and whole interfaces. */
function floorsOf(capacity: number, perInterface: number): readonly number[] {
  const quarters = [0, 0.25, 0.5, 0.75, 1].map((part) => Math.round(part * capacity));
  const whole = [1, 2].map((count) => count * perInterface).filter((floor) => floor < capacity);
  return [...new Set([...quarters, ...whole])].toSorted((a, b) => a - b);
}

function byAddresses(mode: AllocationMode, warm: readonly number[], minima: readonly number[]): readonly PoolRule[] {
  return minima.flatMap((minimum) => warm.map((count) => ({ kind: 'ip', mode, warm: count, minimum }) as const));
}
