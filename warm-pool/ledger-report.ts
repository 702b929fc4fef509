/** Views of the ledger: what the planner sees, and the sums that operators and metrics see. */

import { expire } from './ledger-assign.ts';
import { usableFree } from './ledger-choice.ts';
import type { InterfaceState, Ledger } from './ledger-state.ts';
import type { Assignment, InterfacePhase, Snapshot } from './model.ts';
import { valuesOf } from './sharded-map.ts';

/** Sums of addresses. `total` is always `assigned + cooling + free`. */
export interface PoolTotals {
  readonly total: number;
  readonly assigned: number;
  readonly cooling: number;
  readonly free: number;
  /** The part of `free` that can be given out now: on a ready, managed interface and in a block of the right mode. */
  readonly assignable: number;
  /** How many /28 blocks the addresses come from. */
  readonly prefixes: number;
}

export interface InterfaceSummary extends PoolTotals {
  readonly id: string;
  readonly deviceIndex: number;
  readonly phase: InterfacePhase;
  readonly managed: boolean;
  readonly subnetId: string;
}

export interface PoolSummary extends PoolTotals {
  readonly interfaces: number;
  /** Pods whose address no interface holds any more; not part of `assigned`. */
  readonly orphans: number;
  /** By position on the instance. */
  readonly byInterface: readonly InterfaceSummary[];
}

/** What the planner needs beside the ledger. */
export interface Circumstances {
  /** ADD requests that wait for an address. */
  readonly waiting: number;
  readonly now: number;
  /** 0 where the cloud refused nothing for the whole node. */
  readonly cloudBackOffUntil: number;
}

/** What the planner sees at a time; cool-downs that are over by then count as free. */
export function snapshot(ledger: Ledger, { waiting, now, cloudBackOffUntil }: Circumstances): Snapshot {
  const rested = expire(ledger, now);
  return {
    mode: rested.config.mode,
    limits: rested.config.limits,
    interfaces: byPosition(rested).map((state) => state.use),
    subnets: [...rested.subnets.values()],
    inFlight: [...rested.inFlight.values()],
    waiting,
    cloudBackOffUntil,
  };
}

/** Every assignment, oldest first. */
export function assignments(ledger: Ledger): readonly Assignment[] {
  return [...valuesOf(ledger.attachments)].toSorted(
    (a, b) => a.assignedAt - b.assignedAt || (a.address < b.address ? -1 : 1),
  );
}

/** Sums over the node and by interface at a time. */
export function summary(ledger: Ledger, now: number): PoolSummary {
  const rested = expire(ledger, now);
  const byInterface = byPosition(rested).map((state) => summaryOf(rested, state, now));
  const sum = (count: (one: InterfaceSummary) => number): number =>
    byInterface.reduce((total, one) => total + count(one), 0);
  return {
    interfaces: byInterface.length,
    orphans: rested.orphans.size,
    byInterface,
    total: sum((one) => one.total),
    assigned: sum((one) => one.assigned),
    cooling: sum((one) => one.cooling),
    free: sum((one) => one.free),
    assignable: sum((one) => one.assignable),
    prefixes: sum((one) => one.prefixes),
  };
}

function summaryOf(ledger: Ledger, state: InterfaceState, now: number): InterfaceSummary {
  const { id, deviceIndex, phase, managed, subnetId } = state.networkInterface;
  const { assigned, cooling, free } = state.tally;
  return {
    id,
    deviceIndex,
    phase,
    managed,
    subnetId,
    total: assigned + cooling + free.address + free.prefix,
    assigned,
    cooling,
    free: free.address + free.prefix,
    assignable: usableFree(ledger, state, now),
    prefixes: state.blocks.filter((block) => block.use.block.kind === 'prefix').length,
  };
}

function byPosition(ledger: Ledger): InterfaceState[] {
  return [...ledger.interfaces.values()].toSorted(({ networkInterface: a }, { networkInterface: b }) => {
    return a.networkCardIndex - b.networkCardIndex || a.deviceIndex - b.deviceIndex || (a.id < b.id ? -1 : 1);
  });
}
