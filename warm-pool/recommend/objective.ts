/** What is wanted of the settings, and the point that serves it best. */

import type { Score } from './score.ts';
import { judge, type Measure, MEASURES, ratios, type Tolerance } from './yardstick.ts';

export const OBJECTIVES = ['balanced', 'idle', 'delay', 'calls'] as const;

export type Objective = (typeof OBJECTIVES)[number];

interface Aim {
  readonly weights: Readonly<Record<Measure, number>>;
  /** Measures that must not be lost against the reference, where any point keeps them. */
  readonly kept: readonly Measure[];
  readonly words: string;
}

const AIMS: Readonly<Record<Objective, Aim>> = {
  balanced: {
    weights: { idle: 1, delay: 1, calls: 1 },
    kept: MEASURES,
    words: 'idle addresses, delays and EC2 calls count alike, and none of them may be lost',
  },
  idle: {
    weights: { idle: 4, delay: 1, calls: 1 },
    kept: ['delay'],
    words: 'idle addresses count four times, and delays may not be lost',
  },
  delay: {
    weights: { idle: 1, delay: 4, calls: 1 },
    kept: ['delay'],
    words: 'delays count four times',
  },
  calls: {
    weights: { idle: 1, delay: 1, calls: 4 },
    kept: ['delay'],
    words: 'EC2 calls count four times, and delays may not be lost',
  },
};

/** The objective as a sentence has it. */
export function meaningOf(objective: Objective): string {
  return AIMS[objective].words;
}

/** Against which results are measured: what else would run, and how large a difference counts. */
export interface Reference {
  readonly score: Score;
  readonly tolerance: Tolerance;
}

/** The first of the best; undefined only where there are no points. Pods that stay without an address go before all else. */
export function bestFor<T extends { readonly score: Score }>(
  points: readonly T[],
  objective: Objective,
  reference: Reference,
): T | undefined {
  const ranked = points.map((point) => ({ point, rank: rankOf(point.score, AIMS[objective], reference) }));
  const isBefore = (a: readonly number[], b: readonly number[]): boolean => {
    const place = a.findIndex((value, index) => value !== b[index]);
    return place >= 0 && (a[place] ?? 0) < (b[place] ?? 0);
  };
  const [first, ...rest] = ranked;
  return rest.reduce((best, each) => (best !== undefined && isBefore(each.rank, best.rank) ? each : best), first)
    ?.point;
}

/** Compared from the left: pods left without an address above what the reference leaves, measures lost, nearly lost, weighed ratios. */
function rankOf(score: Score, { weights, kept }: Aim, { score: other, tolerance }: Reference): readonly number[] {
  const lostBy = (allowed: Tolerance): number => {
    const verdicts = judge(score, other, allowed);
    return kept.filter((measure) => verdicts[measure] === 'worse').length;
  };
  const parts = ratios(score, other, tolerance);
  const cost = MEASURES.reduce((sum, measure) => sum + weights[measure] * Math.log(parts[measure]), 0);
  const left = Math.max(0, score.unserved - other.unserved - tolerance.delayed);
  return [left, lostBy(tolerance), lostBy(halved(tolerance)), cost];
}

/** Pods that come are not those that were simulated: what is chosen keeps half of the tolerance for that. */
function halved({ idle, delayed, p99Ms, calls }: Tolerance): Tolerance {
  return { idle: idle / 2, delayed: delayed / 2, p99Ms: p99Ms / 2, calls: calls / 2 };
}
