/** What a run says. */

import { sum } from '../plan-view.ts';
import { CLOUD_CALLS, type CloudCall, type Cluster } from './cluster.ts';
import { overTime, type OverTime } from './measures.ts';
import type { Outcome, SubnetEnd } from './outcome.ts';
import { rounded, type SamplePoint } from './series.ts';

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface CallCount {
  readonly calls: number;
  readonly throttled: number;
  /** What was sent, as a part of what the account may send in the long run; above 1 it was throttled all along. */
  readonly budgetShare: number;
  /** What the account may send in the long run, per second. */
  readonly budgetPerSecond: number;
}

/** Delays from more than the bound before it (the first: from 0) up to `atMostMs`; null: without end. */
export interface DelayBucket {
  readonly atMostMs: number | null;
  readonly pods: number;
}

export interface SimulationResult {
  /** Starts and stops of pods. */
  readonly podEvents: number;
  readonly podsServed: number;
  /** Pods that had to wait for their address, and how long, in ms; quantiles over those pods. */
  readonly delayed: number;
  readonly delayMs: Quantiles;
  /** How those delays are distributed. */
  readonly delayBuckets: readonly DelayBucket[];
  /** Pods that ended without ever having had an address, by the last reason. */
  readonly failed: number;
  readonly failedByReason: Readonly<Record<string, number>>;
  /** ADDs that failed, by reason; kubelet repeats them. */
  readonly failedAdds: number;
  readonly failedAddsByReason: Readonly<Record<string, number>>;
  /** Pods that wait when the run ends, for an address or for a node. */
  readonly waitingAtEnd: number;
  readonly unschedulableAtEnd: number;
  /** Addresses that nodes hold and no pod has, all nodes together: the mean over time. */
  readonly idleAddresses: number;
  readonly idleOverTime: OverTime;
  readonly assignedOverTime: OverTime;
  readonly interfaces: OverTime;
  /** EC2 calls of all nodes. */
  readonly calls: number;
  readonly throttledCalls: number;
  readonly callsPerSecond: { readonly mean: number; readonly peak: number };
  readonly callsByAction: Readonly<Partial<Record<CloudCall, CallCount>>>;
  readonly subnets: readonly SubnetEnd[];
  /** At most some 240 points. */
  readonly series: readonly SamplePoint[];
}

export function resultOf(cluster: Cluster, outcome: Outcome): SimulationResult {
  const { now, delays, neverServed, failedAdds, perSecond } = outcome;
  const counts = [...outcome.calls.values()];
  const calls = sum(counts, (each) => each.calls);
  const idle = roundedMean(overTime(outcome.idle, now));
  return {
    podEvents: outcome.podEvents,
    podsServed: outcome.served,
    delayed: delays.length,
    delayMs: quantiles(delays),
    delayBuckets: bucketed(delays),
    failed: total(neverServed),
    failedByReason: sorted(neverServed),
    failedAdds: total(failedAdds),
    failedAddsByReason: sorted(failedAdds),
    waitingAtEnd: outcome.waitingAtEnd,
    unschedulableAtEnd: outcome.unschedulableAtEnd,
    idleAddresses: idle.mean,
    idleOverTime: idle,
    assignedOverTime: roundedMean(overTime(outcome.assigned, now)),
    interfaces: roundedMean(overTime(outcome.interfaces, now)),
    calls,
    throttledCalls: sum(counts, ({ throttled }) => throttled),
    callsPerSecond: {
      mean: rounded((calls * 1000) / Math.max(1, now)),
      peak: perSecond.reduce((most, each) => Math.max(most, each), 0),
    },
    callsByAction: callsByAction(cluster, outcome),
    subnets: outcome.subnets,
    series: outcome.series,
  };
}

function callsByAction(cluster: Cluster, outcome: Outcome): SimulationResult['callsByAction'] {
  const rows = CLOUD_CALLS.flatMap((call): [CloudCall, CallCount][] => {
    const { calls, throttled } = outcome.calls.get(call) ?? { calls: 0, throttled: 0 };
    const { perSecond } = cluster.pace.account[call];
    const allowed = (perSecond * Math.max(1, outcome.now)) / 1000;
    return calls === 0
      ? []
      : [[call, { calls, throttled, budgetShare: rounded(calls / allowed), budgetPerSecond: rounded(perSecond) }]];
  });
  return Object.fromEntries(rows);
}

/** Upper bounds, in ms: kubelet repeats after 10 to 15 s and gives up on an ADD after 30 s. */
const DELAY_BOUNDS = [100, 300, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 300_000] as const;

function bucketed(delays: Float64Array): readonly DelayBucket[] {
  const counts = Array.from({ length: DELAY_BOUNDS.length + 1 }, () => 0);
  for (const delay of delays) {
    const found = DELAY_BOUNDS.findIndex((bound) => delay <= bound);
    const at = found < 0 ? DELAY_BOUNDS.length : found;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts.map((pods, index) => ({ atMostMs: DELAY_BOUNDS[index] ?? null, pods }));
}

function quantiles(values: Float64Array): Quantiles {
  const order = values.toSorted();
  const at = (part: number): number => order[Math.max(0, Math.ceil(part * order.length) - 1)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function roundedMean({ mean, ...rest }: OverTime): OverTime {
  return { mean: rounded(mean), ...rest };
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

function sorted(counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
