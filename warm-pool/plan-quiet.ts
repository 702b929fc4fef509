/**
 * A look that is cheaper than a plan: whether planning is in vain, now and at any later time, until the ledger changes.
 *
 * What it goes by: without waiting pods, calls in flight and anything unusual, the planner judges growth by what is free,
 * and time alone only makes more free; it judges every release by whether the rest would be short, and time alone adds no
 * more to the rest than all that cools now. So no growth with what is free now, and no release with all that cools counted
 * as free, means no action at any time.
 */

import type { InterfaceState, Ledger } from './ledger-state.ts';
import type { AllocationMode, WarmTargets } from './model.ts';
import { type Counts, maySpare, type Policy, policyOf, shortage } from './plan-targets.ts';
import { less } from './plan-view.ts';

/**
 * True promises that `plan` has no actions for the snapshot of this ledger at any time from `now` on, while no pod waits and the
 * ledger stays as it is (plan-quiet.property.test.ts). False promises nothing.
 */
export function isQuiet(ledger: Ledger, targets: WarmTargets): boolean {
  if (!isUsual(ledger)) return false;
  const { mode, limits } = ledger.config;
  const perInterface = Math.max(0, limits.ipv4PerInterface - 1);
  const policy = policyOf(mode, targets, perInterface);
  let [now, rested, room] = [NOTHING, NOTHING, ledger.interfaces.size < limits.maxInterfaces];
  for (const state of ledger.interfaces.values()) {
    const counts = usualCounts(state, mode);
    if (counts === undefined) return false;
    now = plus(now, counts.now);
    rested = plus(rested, counts.rested);
    room ||= state.blocks.length < perInterface;
  }
  const mayGrow = room && now.total < limits.maxPods && shortage(policy, mode, now, 0) !== undefined;
  return !mayGrow && !mayShrink(ledger, policy, mode, rested);
}

const NOTHING: Counts = { free: 0, total: 0, freePrefixes: 0, partialFree: 0 };

function isUsual({ config, inFlight, orphans, ipv6Orphans, constraints }: Ledger): boolean {
  const { family = 'ipv4', cards = [] } = config;
  const isBusy = inFlight.size + orphans.size + ipv6Orphans.size + constraints.length > 0;
  return family === 'ipv4' && cards.length === 0 && !isBusy;
}

/** What an interface holds now, and when all that cools is free; undefined for one that the planner may treat apart. */
function usualCounts(
  { networkInterface, blocks, tally, ipv6 }: InterfaceState,
  mode: AllocationMode,
): { readonly now: Counts; readonly rested: Counts } | undefined {
  const { phase, managed, excludedFromPods, networkCardIndex } = networkInterface;
  if (phase !== 'ready' || !managed || excludedFromPods === true || networkCardIndex !== 0) return undefined;
  if (ipv6.length > 0 || tally.free[mode === 'address' ? 'prefix' : 'address'] > 0) return undefined;
  // Every block is one address exactly where there are as many addresses as blocks: no look at each of them is needed.
  if (mode === 'address' && tally.assigned + tally.cooling + tally.free.address !== blocks.length) return undefined;
  let freePrefixes = 0;
  let partialNow = tally.free.address;
  let partialRested = mode === 'address' ? tally.free.address + tally.cooling : 0;
  for (const { use } of mode === 'prefix' ? blocks : []) {
    if (use.block.kind !== 'prefix') return undefined;
    if (use.assigned === 0) freePrefixes += 1;
    else {
      partialNow += use.free;
      partialRested += use.free + use.cooling;
    }
  }
  const free = tally.free[mode];
  const total = tally.assigned + tally.cooling + free;
  return {
    now: { free, total, freePrefixes, partialFree: partialNow },
    rested: { free: free + tally.cooling, total, freePrefixes, partialFree: partialRested },
  };
}

function mayShrink(ledger: Ledger, policy: Policy, mode: AllocationMode, rested: Counts): boolean {
  const spares = (gone: Counts) => maySpare(policy, mode, rested, less(rested, gone), 0);
  if (policy.kind !== 'eni' && rested.free > 0) {
    if (mode === 'address' && spares({ free: 1, total: 1, freePrefixes: 0, partialFree: 1 })) return true;
    if (rested.freePrefixes > 0 && spares({ free: 16, total: 16, freePrefixes: 1, partialFree: 0 })) return true;
  }
  for (const state of ledger.interfaces.values()) {
    if (state.networkInterface.isPrimary || state.tally.assigned > 0) continue;
    const counts = usualCounts(state, mode);
    if (counts === undefined || spares(counts.rested)) return true;
  }
  return false;
}

function plus(a: Counts, b: Counts): Counts {
  return {
    free: a.free + b.free,
    total: a.total + b.total,
    freePrefixes: a.freePrefixes + b.freePrefixes,
    partialFree: a.partialFree + b.partialFree,
  };
}
