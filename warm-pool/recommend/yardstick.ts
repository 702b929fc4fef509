/** One result beside another in three measures: idle addresses, delayed pods (how many and how long), EC2 calls. */

import type { Score } from './score.ts';

export const MEASURES = ['idle', 'delay', 'calls'] as const;

export type Measure = (typeof MEASURES)[number];

export type Verdict = 'better' | 'same' | 'worse';

/** How large a difference must be to count, beside `TOLERATED_PART`; from the size of the run. */
export interface Tolerance {
  readonly idle: number;
  readonly delayed: number;
  readonly p99Ms: number;
  readonly calls: number;
}

/** A measure is lost where it is worse by more than this part and by more than the tolerance. */
export const TOLERATED_PART = 0.1;

/** Half an address a node, one pod in five hundred, a second, and a call a node in two hours. */
export function toleranceOf(run: { readonly nodes: number; readonly hours: number; readonly pods: number }): Tolerance {
  return {
    idle: run.nodes / 2,
    delayed: Math.max(1, run.pods / 500),
    p99Ms: 1000,
    calls: Math.max(1, (run.nodes * run.hours) / 2),
  };
}

/**
 * `same` is: not better, and not lost either. Delay is two things, how many wait and how long: it is lost where one of them is,
 * and better where one is better and none is lost.
 */
export function judge(own: Score, other: Score, tolerance: Tolerance): Readonly<Record<Measure, Verdict>> {
  const delayed = verdict(own.delayed, other.delayed, tolerance.delayed);
  const p99 = verdict(own.p99Ms, other.p99Ms, tolerance.p99Ms);
  return {
    idle: verdict(own.idle, other.idle, tolerance.idle),
    delay: delayOf(delayed, p99),
    calls: verdict(own.calls, other.calls, tolerance.calls),
  };
}

/** Ratios of the two, 1 for alike and below 1 for less, small numbers damped by the tolerance; of delays the mean of both. */
export function ratios(own: Score, other: Score, tolerance: Tolerance): Readonly<Record<Measure, number>> {
  const ratio = (a: number, b: number, damping: number): number => (a + damping) / (b + damping);
  return {
    idle: ratio(own.idle, other.idle, tolerance.idle),
    delay: Math.sqrt(
      ratio(own.delayed, other.delayed, tolerance.delayed) * ratio(own.p99Ms, other.p99Ms, tolerance.p99Ms),
    ),
    calls: ratio(own.calls, other.calls, tolerance.calls),
  };
}

function verdict(own: number, other: number, tolerance: number): Verdict {
  if (own < other) return 'better';
  return own - other > Math.max(other * TOLERATED_PART, tolerance) ? 'worse' : 'same';
}

function delayOf(delayed: Verdict, p99: Verdict): Verdict {
  if (delayed === 'worse' || p99 === 'worse') return 'worse';
  return delayed === 'better' || p99 === 'better' ? 'better' : 'same';
}
