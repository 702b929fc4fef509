/**
 * The search itself, without the runs: it says which settings are to be tried next and is told how they did. The same answers
 * lead to the same questions.
 */

import { type Candidate, keyOf } from './candidate.ts';
import { gridOf, neighboursOf, type NodeBounds } from './grid.ts';
import { bestFor, type Objective, type Reference } from './objective.ts';
import type { Score } from './score.ts';

export interface Point {
  readonly candidate: Candidate;
  readonly score: Score;
}

export interface SearchSpace {
  /** What the nodes have now; tried first. */
  readonly current: Candidate;
  readonly types: readonly NodeBounds[];
  readonly objective: Objective;
  readonly reference: Reference;
  /** No more points than this, the current settings included. */
  readonly most: number;
}

/** Steps of MINIMUM_IP_TARGET about the best point, ever finer. */
const STEPS = [3, 1] as const;

/** Yields what is to be tried, takes the points, and returns all of them in the order in which they were tried. */
export function* searchFor(space: SearchSpace): Generator<readonly Candidate[], readonly Point[], readonly Point[]> {
  const points: Point[] = [];
  const known = new Set<string>();
  const fresh = (candidates: readonly Candidate[]): readonly Candidate[] =>
    candidates.filter((candidate) => {
      const key = keyOf(candidate);
      if (known.size >= space.most || known.has(key)) return false;
      known.add(key);
      return true;
    });
  points.push(...(yield fresh([space.current, ...space.types.flatMap(gridOf)])));
  for (const step of STEPS) {
    for (let isBetter = true; isBetter && known.size < space.most;) {
      const best = bestFor(points, space.objective, space.reference);
      if (best === undefined) return points;
      const next = fresh(neighboursOf(best.candidate, step));
      if (next.length > 0) points.push(...(yield next));
      isBetter = bestFor(points, space.objective, space.reference) !== best;
    }
  }
  return points;
}
