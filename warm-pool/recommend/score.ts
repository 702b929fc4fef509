/** What a simulated run costs, in the terms by which settings are compared. */

import type { SimulationResult } from '../simulator/result.ts';

export interface Score {
  /** Addresses that nodes hold and no pod has: the mean over time. */
  readonly idle: number;
  /** Pods that waited for an address, those included that never had one or have none at the end. */
  readonly delayed: number;
  /** Of them, those that never had one, or have none at the end. */
  readonly unserved: number;
  /** The longest wait but for one in a hundred of those that waited, ms. */
  readonly p99Ms: number;
  /** EC2 calls. */
  readonly calls: number;
}

export function scoreOf(result: SimulationResult): Score {
  const unserved = result.failed + result.waitingAtEnd + result.unschedulableAtEnd;
  return {
    idle: result.idleAddresses,
    delayed: result.delayed + unserved,
    unserved,
    p99Ms: result.delayMs.p99,
    calls: result.calls,
  };
}

/** The mean of each, over runs with the same settings and other seeds. */
export function meanScore(scores: readonly Score[]): Score {
  const mean = (of: (score: Score) => number): number =>
    Math.round((scores.reduce((sum, score) => sum + of(score), 0) / Math.max(1, scores.length)) * 1000) / 1000;
  return {
    idle: mean(({ idle }) => idle),
    delayed: mean(({ delayed }) => delayed),
    unserved: mean(({ unserved }) => unserved),
    p99Ms: mean(({ p99Ms }) => p99Ms),
    calls: mean(({ calls }) => calls),
  };
}

/** The mean, but of the delays the worst: pods that seldom wait, wait in some seeds and in others not. */
export function cautiousScore(scores: readonly Score[]): Score {
  const worst = (of: (score: Score) => number): number => Math.max(0, ...scores.map(of));
  return {
    ...meanScore(scores),
    delayed: worst(({ delayed }) => delayed),
    unserved: worst(({ unserved }) => unserved),
    p99Ms: worst(({ p99Ms }) => p99Ms),
  };
}

/** No worse in anything and better in something. */
export function dominates(one: Score, other: Score): boolean {
  const pairs = DIMENSIONS.map((of): readonly [number, number] => [of(one), of(other)]);
  return pairs.every(([a, b]) => a <= b) && pairs.some(([a, b]) => a < b);
}

/** Those that no other dominates; of equal ones the first. In order of idle addresses, then of delayed pods, then of calls. */
export function frontierOf<T extends { readonly score: Score }>(points: readonly T[]): readonly T[] {
  const isEqual = (a: Score, b: Score): boolean => DIMENSIONS.every((of) => of(a) === of(b));
  const standing = points.filter(
    ({ score }, index) =>
      !points.some((other) => dominates(other.score, score)) &&
      !points.slice(0, index).some((other) => isEqual(other.score, score)),
  );
  return standing.toSorted(
    ({ score: a }, { score: b }) => a.idle - b.idle || a.delayed - b.delayed || a.calls - b.calls,
  );
}

const DIMENSIONS: readonly ((score: Score) => number)[] = [
  ({ idle }) => idle,
  ({ delayed }) => delayed,
  ({ unserved }) => unserved,
  ({ p99Ms }) => p99Ms,
  ({ calls }) => calls,
];
