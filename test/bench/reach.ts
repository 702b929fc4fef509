/** Figures that are to be reached. Whether they are is said, and fails nothing. */
import type { Figure } from './figures.ts';

export interface Reach {
  readonly id: string;
  /** The bound: an upper one, or a lower one where more is better (docs/benchmarks.md says which). */
  readonly want: number;
  /** Null where it could not be measured on this machine. */
  readonly got: number | null;
  readonly ok: boolean;
}

/** `got` is the median of a figure, or a number as it is. */
export function atMost(id: string, want: number, got: Figure | number | undefined): Reach {
  const value = valueOf(got);
  return { id, want, got: value, ok: value !== null && value <= want };
}

/** The same where more is better. */
export function atLeast(id: string, want: number, got: Figure | number | undefined): Reach {
  const value = valueOf(got);
  return { id, want, got: value, ok: value !== null && value >= want };
}

function valueOf(got: Figure | number | undefined): number | null {
  return typeof got === 'number' ? got : (got?.p50 ?? null);
}
