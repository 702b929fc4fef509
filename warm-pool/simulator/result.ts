/** What a run says. */

import { CLOUD_CALLS, type CloudCall, type Cluster } from './cluster.ts';
import type { Measures } from './measures.ts';
import { rounded, type SamplePoint } from './series.ts';
import type { SubnetSpace } from './subnet-space.ts';

export interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

export interface OverTime {
  readonly mean: number;
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
  readonly subnets: readonly {
    readonly id: string;
    readonly size: number;
    readonly free: number;
    readonly freeBlocks: number;
    readonly fragmentation: number;
  }[];
  /** At most some 240 points. */
  readonly series: readonly SamplePoint[];
}

export interface RunOutcome {
  readonly cluster: Cluster;
  readonly measures: Measures;
  readonly subnets: readonly SubnetSpace[];
  readonly series: readonly SamplePoint[];
  readonly now: number;
  readonly waitingAtEnd: number;
  readonly unschedulableAtEnd: number;
}

export function resultOf(outcome: RunOutcome): SimulationResult {
  const { cluster, measures, subnets, series, now, waitingAtEnd, unschedulableAtEnd } = outcome;
  const idle = overTime(measures.idle.summary(now));
  const counts = [...measures.calls.values()];
  return {
    podEvents: measures.podEvents,
    podsServed: measures.served,
    delayed: measures.delays.length,
    delayMs: quantiles(measures.delays),
    delayBuckets: bucketed(measures.delays),
    failed: total(measures.neverServed),
    failedByReason: sorted(measures.neverServed),
    failedAdds: total(measures.failedAdds),
    failedAddsByReason: sorted(measures.failedAdds),
    waitingAtEnd,
    unschedulableAtEnd,
    idleAddresses: idle.mean,
    idleOverTime: idle,
    assignedOverTime: overTime(measures.assigned.summary(now)),
    interfaces: overTime(measures.interfaces.summary(now)),
    calls: measures.totalCalls,
    throttledCalls: counts.reduce((sum, { throttled }) => sum + throttled, 0),
    callsPerSecond: { mean: rounded((measures.totalCalls * 1000) / Math.max(1, now)), peak: measures.peakPerSecond },
    callsByAction: callsByAction(cluster, measures, now),
    subnets: subnets.map(({ id, size, free, freeBlocks, fragmentation }) => ({
      id,
      size,
      free,
      freeBlocks,
      fragmentation: rounded(fragmentation),
    })),
    series,
  };
}

function callsByAction(cluster: Cluster, measures: Measures, now: number): SimulationResult['callsByAction'] {
  const rows = CLOUD_CALLS.flatMap((call): [CloudCall, CallCount][] => {
    const { calls, throttled } = measures.calls.get(call) ?? { calls: 0, throttled: 0 };
    const { perSecond } = cluster.pace.account[call];
    const allowed = (perSecond * Math.max(1, now)) / 1000;
    return calls === 0
      ? []
      : [[call, { calls, throttled, budgetShare: rounded(calls / allowed), budgetPerSecond: rounded(perSecond) }]];
  });
  return Object.fromEntries(rows);
}

/** Upper bounds, in ms: kubelet repeats after 10 to 15 s and gives up on an ADD after 30 s. */
const DELAY_BOUNDS = [100, 300, 1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 300_000] as const;

function bucketed(delays: readonly number[]): readonly DelayBucket[] {
  const counts = Array.from({ length: DELAY_BOUNDS.length + 1 }, () => 0);
  for (const delay of delays) {
    const found = DELAY_BOUNDS.findIndex((bound) => delay <= bound);
    const at = found < 0 ? DELAY_BOUNDS.length : found;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts.map((pods, index) => ({ atMostMs: DELAY_BOUNDS[index] ?? null, pods }));
}

function quantiles(values: readonly number[]): Quantiles {
  const order = Float64Array.from(values).sort();
  const at = (part: number): number => order[Math.max(0, Math.ceil(part * order.length) - 1)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function overTime({ mean, p50, p99, max }: OverTime): OverTime {
  return { mean: rounded(mean), p50, p99, max };
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

function sorted(counts: ReadonlyMap<string, number>): Readonly<Record<string, number>> {
  return Object.fromEntries([...counts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
