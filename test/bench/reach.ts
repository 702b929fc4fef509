/** Figures that are to be reached. Whether they are is said, and fails nothing. */
import type { Figure } from './figures.ts';

export interface Reach {
  readonly id: string;
  /** `got` should not be above it. */
  readonly want: number;
  /** Null where it could not be measured on this machine. */
  readonly got: number | null;
  readonly ok: boolean;
}

/** `got` is the median of a figure, or a number as it is. */
export function atMost(id: string, want: number, got: Figure | number | undefined): Reach {
  const value = typeof got === 'number' ? got : (got?.p50 ?? null);
  return { id, want, got: value, ok: value !== null && value <= want };
}
