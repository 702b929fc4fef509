/**
 * A look that is cheaper than a plan: until when planning is in vain, while the ledger stays as it is.
 *
 * What it goes by: without waiting pods and anything unusual, the planner judges growth by what is free and on its way, and
 * time alone only makes more free. It judges a release by whether the rest would be short, which changes when a cool-down
 * ends, and takes no interface before its own cool-downs and its youth are over.
 */

import { freeIn, isAmong, type InterfaceState, type Ledger } from './ledger-state.ts';
import type { Action, AllocationMode, WarmTargets } from './model.ts';
import { YOUNG_MS } from './plan-shrink.ts';
import { type Counts, isShort, maySpare, type Policy, policyOf } from './plan-targets.ts';
import { less, sizeOf } from './plan-view.ts';

/**
 * Promises that `plan` has no actions for the snapshot of this ledger at any time from `now` to before the time it returns
 * (Infinity: ever), while no pod waits and the ledger stays as it is (plan-quiet.property.test.ts). `now` promises nothing.
 * Cool-downs that are over must have been ended (`expire`), or it promises less than it could.
 */
export function quietUntil(ledger: Ledger, targets: WarmTargets, now: number): number {
  if (!isUsual(ledger)) return now;
  const { mode, limits } = ledger.config;
  const perInterface = Math.max(0, limits.ipv4PerInterface - 1);
  const expected = comingTo(ledger, mode);
  if (expected === undefined) return now;
  const held = nothing();
  const rested = nothing();
  let hasRoom = ledger.interfaces.size + creates(ledger) < limits.maxInterfaces;
  for (const state of ledger.interfaces.values()) {
    if (state.networkInterface.networkCardIndex !== 0) return now;
    if (isLeaving(state, ledger)) continue;
    const { phase } = state.networkInterface;
    // Its removal was interrupted, and is to be carried on.
    if (phase === 'draining') return now;
    const isHere = phase !== 'attaching';
    if (!(isHere ? addUsual(state, mode, held, rested) : addUsual(state, mode, expected))) return now;
    hasRoom ||= state.blocks.length < perInterface;
  }
  const policy = policyOf(mode, targets, perInterface);
  add(expected, held);
  if (hasRoom && expected.total < limits.maxPods && isShort(policy, expected, 0)) return now;
  return shrinksAt(ledger, { policy, held, rested, now, minimumAgeMs: targets.interfaceMinimumAgeMs ?? YOUNG_MS });
}

/** Added to in place: the simulator asks millions of times. */
type Sum = { -readonly [Key in keyof Counts]: Counts[Key] };

function nothing(): Sum {
  return { free: 0, total: 0, freePrefixes: 0, partialFree: 0 };
}

function add(sum: Sum, { free, total, freePrefixes, partialFree }: Counts): void {
  sum.free += free;
  sum.total += total;
  sum.freePrefixes += freePrefixes;
  sum.partialFree += partialFree;
}

function isUsual({ config, orphans, ipv6Orphans, constraints }: Ledger): boolean {
  const { family = 'ipv4', cards } = config;
  const isPlain = family === 'ipv4' && (cards === undefined || cards.length === 0);
  return isPlain && orphans.size === 0 && ipv6Orphans.size === 0 && constraints.length === 0;
}

function isLeaving({ networkInterface: { id, managed } }: InterfaceState, { leaving }: Ledger): boolean {
  return managed && isAmong(leaving.interfaceIds, id);
}

/** What calls in flight will bring; undefined where one of them is not looked into here. */
function comingTo(ledger: Ledger, mode: AllocationMode): Sum | undefined {
  const coming = nothing();
  for (const action of ledger.inFlight.values()) {
    if (action.kind === 'delete-interface') continue;
    if (action.kind !== 'create-interface' || action.mode !== mode || action.networkCardIndex !== 0) return undefined;
    if (hasArrived(action, ledger)) continue;
    const free = action.count * sizeOf(mode);
    const whole = mode === 'prefix';
    add(coming, { free, total: free, freePrefixes: whole ? action.count : 0, partialFree: whole ? 0 : free });
  }
  return coming;
}

/** Interfaces on their way. */
function creates(ledger: Ledger): number {
  let count = 0;
  for (const action of ledger.inFlight.values())
    if (action.kind === 'create-interface' && !hasArrived(action, ledger)) count += 1;
  return count;
}

function hasArrived(action: Extract<Action, { kind: 'create-interface' }>, { interfaces }: Ledger): boolean {
  for (const { networkInterface } of interfaces.values())
    if (networkInterface.deviceIndex === action.deviceIndex) return true;
  return false;
}

/** Adds what an interface holds now, and when all that cools is free; false where the planner may treat it apart. */
function addUsual(
  { networkInterface, blocks, tally, ipv6 }: InterfaceState,
  mode: AllocationMode,
  now: Sum,
  rested?: Sum,
): boolean {
  const { managed, excludedFromPods } = networkInterface;
  if (!managed || excludedFromPods === true) return false;
  if (ipv6.length > 0 || freeIn(tally, mode === 'address' ? 'prefix' : 'address') > 0) return false;
  const free = freeIn(tally, mode);
  const total = tally.assigned + tally.cooling + free;
  // Every block is one address exactly where there are as many addresses as blocks: no look at each of them is needed.
  if (mode === 'address' && total !== blocks.length) return false;
  let freePrefixes = 0;
  let partialNow = tally.freeSingle;
  let partialRested = mode === 'address' ? tally.freeSingle + tally.cooling : 0;
  for (const { use } of mode === 'prefix' ? blocks : []) {
    if (use.block.kind !== 'prefix') return false;
    if (use.assigned === 0) freePrefixes += 1;
    else {
      partialNow += use.free;
      partialRested += use.free + use.cooling;
    }
  }
  add(now, { free, total, freePrefixes, partialFree: partialNow });
  if (rested !== undefined)
    add(rested, { free: free + tally.cooling, total, freePrefixes, partialFree: partialRested });
  return true;
}

interface Ground {
  readonly policy: Policy;
  /** What is ready now, and the same when all that cools is free. */
  readonly held: Counts;
  readonly rested: Counts;
  readonly now: number;
  readonly minimumAgeMs: number;
}

/** No release before this time. */
function shrinksAt(ledger: Ledger, { policy, held, rested, now, minimumAgeMs }: Ground): number {
  if (isShort(policy, rested, 0)) return Infinity;
  const { mode } = ledger.config;
  // The sums change when the next cool-down ends, not before.
  const nextSums = Math.max(now, ledger.coolUntil);
  let earliest = Infinity;
  if (policy.kind !== 'eni') {
    if (sparesBlock(policy, mode, held)) return now;
    if (sparesBlock(policy, mode, rested)) earliest = nextSums;
  }
  for (const state of ledger.interfaces.values()) {
    const { isPrimary, phase, since } = state.networkInterface;
    if (isPrimary || state.tally.assigned > 0 || phase !== 'ready' || isLeaving(state, ledger)) continue;
    const [mine, mineRested] = [nothing(), nothing()];
    if (!addUsual(state, mode, mine, mineRested)) return now;
    if (maySpare(policy, held, less(held, mine), 0)) {
      const rests = state.tally.cooling > 0 ? Math.max(now, state.tally.coolUntil) : now;
      earliest = Math.min(earliest, Math.max(rests, since + minimumAgeMs));
    } else if (maySpare(policy, rested, less(rested, mineRested), 0)) earliest = Math.min(earliest, nextSums);
  }
  return earliest;
}

function sparesBlock(policy: Policy, mode: AllocationMode, counts: Counts): boolean {
  if (counts.free === 0) return false;
  if (mode === 'address') return maySpare(policy, counts, less(counts, ONE), 0);
  return counts.freePrefixes > 0 && maySpare(policy, counts, less(counts, ONE_PREFIX), 0);
}

const ONE: Counts = { free: 1, total: 1, freePrefixes: 0, partialFree: 1 };
const ONE_PREFIX: Counts = { free: 16, total: 16, freePrefixes: 1, partialFree: 0 };
