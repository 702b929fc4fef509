/**
 * How amazon-vpc-cni-k8s v1.23 decides, from its description: when a pool is too low or too high, and how much it asks for.
 * Its words are kept: available is total less assigned, so addresses that cool down count as available.
 */

import type { AllocationMode, WarmTargets } from '../model.ts';

/** A node's pool as the peer counts it. */
export interface PeerPool {
  readonly total: number;
  readonly assigned: number;
  /** Prefixes it has, and those of which no address is assigned; 0 in address mode. */
  readonly prefixes: number;
  readonly freePrefixes: number;
}

export interface PeerSettings {
  readonly mode: AllocationMode;
  readonly targets: WarmTargets;
  /** Addresses (or prefixes) of an interface beside its primary address. */
  readonly perInterface: number;
  readonly maxPods: number;
}

export interface PeerShortage {
  readonly short: number;
  readonly over: number;
}

const PREFIX_SIZE = 16;

/** Whether WARM_IP_TARGET or MINIMUM_IP_TARGET govern; 0 is "not set". */
export function hasIpTarget({ warmIpTarget, minimumIpTarget }: WarmTargets): boolean {
  return (warmIpTarget ?? 0) > 0 || (minimumIpTarget ?? 0) > 0;
}

/** Missing and surplus by WARM_IP_TARGET and MINIMUM_IP_TARGET: addresses, or in prefix mode prefixes. */
export function ipTargetState({ mode, targets }: Pick<PeerSettings, 'mode' | 'targets'>, pool: PeerPool): PeerShortage {
  const [warm, minimum] = [targets.warmIpTarget ?? 0, targets.minimumIpTarget ?? 0];
  const available = pool.total - pool.assigned;
  const short = Math.max(warm - available, 0, minimum - pool.total);
  const over = Math.max(0, Math.min(available - warm, pool.total - minimum));
  if (mode === 'address') return { short, over };
  const needed = Math.ceil((pool.assigned + warm) / PREFIX_SIZE);
  const least = Math.ceil(minimum / PREFIX_SIZE);
  return {
    short: Math.ceil(short / PREFIX_SIZE),
    over: Math.max(0, Math.min(pool.freePrefixes, pool.prefixes - needed, pool.prefixes - least)),
  };
}

/** Judged at every tick. */
export function isTooLow(settings: PeerSettings, pool: PeerPool): boolean {
  const { mode, targets, perInterface, maxPods } = settings;
  if (pool.total >= maxPods) return false;
  if (hasIpTarget(targets)) return ipTargetState(settings, pool).short > 0;
  const available = pool.total - pool.assigned;
  const warm = mode === 'prefix' ? PREFIX_SIZE * targets.warmPrefixTarget : perInterface * targets.warmEniTarget;
  return available < warm || (warm === 0 && available === 0);
}

/** Blocks that may go back, one by one; 0 where only whole interfaces do. */
export function surplusBlocks(settings: PeerSettings, pool: PeerPool): number {
  if (hasIpTarget(settings.targets)) return ipTargetState(settings, pool).over;
  return settings.mode === 'prefix' ? Math.max(0, pool.freePrefixes - settings.targets.warmPrefixTarget) : 0;
}

/** Blocks that an interface with room for `room` more is filled with; 0 for none. */
export function blocksToAdd(settings: PeerSettings, pool: PeerPool, room: number): number {
  const { mode, targets, perInterface } = settings;
  const byTarget = hasIpTarget(targets) ? ipTargetState(settings, pool).short : undefined;
  if (mode === 'address') return Math.max(0, Math.min(room, byTarget ?? perInterface));
  const needed = byTarget ?? targets.warmPrefixTarget - pool.freePrefixes;
  return Math.min(room, Math.max(1, needed));
}

/** Whether an interface without pods is looked for, to be removed. */
export function looksForSpareInterface(settings: PeerSettings, pool: PeerPool, hasEmptyInterface: boolean): boolean {
  const { mode, targets, perInterface } = settings;
  if (hasIpTarget(targets)) return true;
  const available = pool.total - pool.assigned;
  if (mode === 'prefix') {
    const most = (targets.warmPrefixTarget + 1) * perInterface * PREFIX_SIZE;
    return available >= most || hasEmptyInterface;
  }
  return available >= (targets.warmEniTarget + 1) * perInterface;
}

/** Whether the targets hold without an interface that has these addresses and prefixes. */
export function isSpare(settings: PeerSettings, pool: PeerPool, addresses: number, prefixes: number): boolean {
  const { mode, targets } = settings;
  const rest = { total: pool.total - addresses, free: pool.total - pool.assigned - addresses };
  const round = (count: number): number => (mode === 'prefix' ? Math.ceil(count / PREFIX_SIZE) * PREFIX_SIZE : count);
  if (rest.free < round(targets.warmIpTarget ?? 0)) return false;
  if (rest.total < round(targets.minimumIpTarget ?? 0)) return false;
  return mode !== 'prefix' || hasIpTarget(targets) || pool.freePrefixes - prefixes >= targets.warmPrefixTarget;
}
