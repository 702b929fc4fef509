/** Views of the ledger: what the planner sees, and the sums that operators and metrics see. */

import { expire } from './ledger-assign.ts';
import { freeIpv6, usableFree } from './ledger-choice.ts';
import { type InterfaceState, type Ledger, useOf } from './ledger-state.ts';
import type { Assignment, InterfacePhase, InterfaceUse, Snapshot } from './model.ts';
import { valuesOf } from './sharded-map.ts';

/**
 * Sums of addresses. `total` is always `assigned + cooling + free`. IPv4 addresses are counted, and on an IPv6 node those
 * of its /80 prefixes as well; a pod counts once in `assigned` whatever it has.
 */
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
  readonly networkCardIndex: number;
  readonly phase: InterfacePhase;
  readonly managed: boolean;
  readonly subnetId: string;
  /** /80 prefixes it holds. */
  readonly ipv6Prefixes: number;
}

export interface PoolSummary extends PoolTotals {
  readonly interfaces: number;
  /** Pods whose address no interface holds any more; not part of `assigned`. */
  readonly orphans: number;
  /** Pods that have lost their IPv6 address and kept their IPv4 one; they are part of `assigned`. */
  readonly ipv6Orphans: number;
  readonly ipv6Prefixes: number;
  /** By position on the instance. */
  readonly byInterface: readonly InterfaceSummary[];
}

/** What the planner needs beside the ledger. */
export interface Circumstances {
  /** ADD requests that wait for an address of network card 0. */
  readonly waiting: number;
  /** Those that wait for one of another card, by card; absent is none. */
  readonly waitingOn?: ReadonlyMap<number, number>;
  readonly now: number;
  /** 0 where the cloud refused nothing for the whole node. */
  readonly cloudBackOffUntil: number;
}

/** What the planner sees at a time; cool-downs that are over by then count as free. */
export function snapshot(ledger: Ledger, { waiting, now, cloudBackOffUntil }: Circumstances): Snapshot {
  const rested = expire(ledger, now);
  return {
    mode: rested.config.mode,
    ...(rested.config.family === undefined ? {} : { family: rested.config.family }),
    limits: rested.config.limits,
    interfaces: byPosition(rested).map((state) => withOrphans(state, rested)),
    subnets: [...rested.subnets.values()],
    inFlight: [...rested.inFlight.values()],
    waiting,
    cloudBackOffUntil,
    constraints: rested.constraints,
  };
}

function withOrphans(state: InterfaceState, ledger: Ledger): InterfaceUse {
  const use = useOf(state);
  const { id } = state.networkInterface;
  const { orphans, ipv6Orphans } = ledger;
  if (orphans.size + ipv6Orphans.size === 0) return use;
  const mine = [...orphans.values(), ...ipv6Orphans.values()].filter(({ interfaceId }) => interfaceId === id);
  return mine.length === 0 ? use : { ...use, orphans: mine.length };
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
    ipv6Orphans: rested.ipv6Orphans.size,
    ipv6Prefixes: sum((one) => one.ipv6Prefixes),
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
  const { id, deviceIndex, networkCardIndex, phase, managed, subnetId } = state.networkInterface;
  const { tally } = state;
  const ofIpv6 = ledger.config.family === 'ipv6';
  const assigned = tally.assigned + tally.alone;
  const cooling = tally.cooling + (ofIpv6 ? tally.ipv6Cooling : 0);
  const free = tally.freeSingle + tally.freeInPrefixes + (ofIpv6 ? freeIpv6(state) : 0);
  return {
    id,
    deviceIndex,
    networkCardIndex,
    phase,
    managed,
    subnetId,
    ipv6Prefixes: state.ipv6.length,
    total: assigned + cooling + free,
    assigned,
    cooling,
    free,
    assignable: usableFree(ledger, state, now),
    prefixes: state.blocks.filter((block) => block.use.block.kind === 'prefix').length,
  };
}

function byPosition(ledger: Ledger): InterfaceState[] {
  return ledger.interfaces.values().toSorted(({ networkInterface: a }, { networkInterface: b }) => {
    return a.networkCardIndex - b.networkCardIndex || a.deviceIndex - b.deviceIndex || (a.id < b.id ? -1 : 1);
  });
}
