/** Runs of one cluster with the same settings and other seeds, in figures. Pure. */
import { cautiousScore, scoreOf } from '#warm-pool/recommend/score.ts';
import type { Quantiles } from '#warm-pool/simulator/result.ts';
import type { Outcome } from './runs.ts';

/** The whole cluster in figures: means over the seeds, of delays the worst. */
export interface Figures {
  readonly nodes: number;
  readonly idleAddresses: number;
  /** Pods that waited, those included that were never served or have no address at the end. */
  readonly delayed: number;
  readonly unserved: number;
  /** Over those that waited and were served. */
  readonly delayMs: Quantiles;
  readonly calls: number;
  readonly throttledCalls: number;
  /** Addresses that nodes hold, in use or not, and ENIs: the means over time. */
  readonly addresses: number;
  readonly interfaces: number;
}

export function figuresOf(outcomes: readonly Outcome[]): Figures {
  const mean = (of: (outcome: Outcome) => number): number =>
    Math.round((outcomes.reduce((sum, each) => sum + of(each), 0) / Math.max(1, outcomes.length)) * 1000) / 1000;
  const worst = (of: (outcome: Outcome) => number): number => Math.max(0, ...outcomes.map(of));
  const { idle, delayed, unserved, p99Ms, calls } = cautiousScore(outcomes.map(({ result }) => scoreOf(result)));
  return {
    nodes: outcomes[0]?.nodes ?? 0,
    idleAddresses: idle,
    delayed,
    unserved,
    delayMs: {
      p50: worst(({ result }) => result.delayMs.p50),
      p99: p99Ms,
      max: worst(({ result }) => result.delayMs.max),
    },
    calls,
    throttledCalls: mean(({ result }) => result.throttledCalls),
    addresses: mean(({ result }) => result.idleOverTime.mean + result.assignedOverTime.mean),
    interfaces: mean(({ result }) => result.interfaces.mean),
  };
}
