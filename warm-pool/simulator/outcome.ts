/** What came of one part of a run: plain data, which a thread can pass on, and one of several. */

import { sum } from '../plan-view.ts';
import type { CallTotals, Changes, Measures } from './measures.ts';
import type { CloudCall } from './cluster.ts';
import { joinedSeries, type SamplePoint, type SubnetSample } from './series.ts';

export interface Outcome {
  /** Milliseconds that have gone by. */
  readonly now: number;
  readonly podEvents: number;
  readonly served: number;
  /** Of each pod that waited for its address, ms. */
  readonly delays: Float64Array;
  readonly failedAdds: ReadonlyMap<string, number>;
  readonly neverServed: ReadonlyMap<string, number>;
  readonly calls: ReadonlyMap<CloudCall, CallTotals>;
  /** Calls in each second. */
  readonly perSecond: Int32Array;
  /** Of each part. */
  readonly idle: readonly Changes[];
  readonly assigned: readonly Changes[];
  readonly interfaces: readonly Changes[];
  readonly subnets: readonly SubnetEnd[];
  readonly series: readonly SamplePoint[];
  readonly waitingAtEnd: number;
  readonly unschedulableAtEnd: number;
}

export interface SubnetEnd extends SubnetSample {
  readonly size: number;
}

/** What is not in the measures. */
type Rest = Pick<Outcome, 'now' | 'subnets' | 'series' | 'waitingAtEnd' | 'unschedulableAtEnd'>;

export function outcomeOf(measures: Measures, rest: Rest): Outcome {
  const { podEvents, served, delays, failedAdds, neverServed, calls, perSecond } = measures;
  return {
    ...rest,
    podEvents,
    served,
    delays: Float64Array.from(delays),
    failedAdds,
    neverServed,
    calls,
    perSecond,
    idle: [measures.idle.changes],
    assigned: [measures.assigned.changes],
    interfaces: [measures.interfaces.changes],
  };
}

/** Of the parts of one run the whole; `subnetIds` in their order. */
export function joined(parts: readonly Outcome[], subnetIds: readonly string[]): Outcome {
  const inOrder = <T extends SubnetSample>(subnets: readonly T[]): readonly T[] => {
    const byId = new Map(subnets.map((subnet) => [subnet.id, subnet]));
    return subnetIds.flatMap((id) => byId.get(id) ?? []);
  };
  return {
    now: Math.max(0, ...parts.map(({ now }) => now)),
    podEvents: sum(parts, ({ podEvents }) => podEvents),
    served: sum(parts, ({ served }) => served),
    delays: Float64Array.from(parts.flatMap(({ delays }) => [...delays])),
    failedAdds: counted(parts.map(({ failedAdds }) => failedAdds)),
    neverServed: counted(parts.map(({ neverServed }) => neverServed)),
    calls: callTotals(parts.map(({ calls }) => calls)),
    perSecond: Int32Array.from(parts[0]?.perSecond ?? [], (_, second) =>
      sum(parts, ({ perSecond }) => perSecond[second] ?? 0),
    ),
    idle: parts.flatMap(({ idle }) => idle),
    assigned: parts.flatMap(({ assigned }) => assigned),
    interfaces: parts.flatMap(({ interfaces }) => interfaces),
    subnets: inOrder(parts.flatMap(({ subnets }) => subnets)),
    series: joinedSeries(
      parts.map(({ series }) => series),
      inOrder,
    ),
    waitingAtEnd: sum(parts, ({ waitingAtEnd }) => waitingAtEnd),
    unschedulableAtEnd: sum(parts, ({ unschedulableAtEnd }) => unschedulableAtEnd),
  };
}

function counted(all: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const [reason, count] of all.flatMap((each) => [...each])) counts.set(reason, (counts.get(reason) ?? 0) + count);
  return counts;
}

function callTotals(all: readonly ReadonlyMap<CloudCall, CallTotals>[]): ReadonlyMap<CloudCall, CallTotals> {
  const totals = new Map<CloudCall, CallTotals>();
  for (const [call, { calls, throttled }] of all.flatMap((each) => [...each])) {
    const before = totals.get(call) ?? { calls: 0, throttled: 0 };
    totals.set(call, { calls: before.calls + calls, throttled: before.throttled + throttled });
  }
  return totals;
}
