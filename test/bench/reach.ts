/** Figures that are to be reached. Whether they are is said, and fails nothing. */
import { type Figure, round } from './figures.ts';

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

/** Where more is better: in the document of a run only the id tells which way a bound goes. */
const LOWER_BOUNDS: ReadonlySet<string> = new Set([
  'add.8-at-a-time-vs-ptp',
  'traffic.stream-vs-plain',
  'traffic.stream-vs-tracked',
]);

export function isLowerBound(id: string): boolean {
  return LOWER_BOUNDS.has(id);
}

/** The same where more is better. Throws where the id is not known for that. */
export function atLeast(id: string, want: number, got: Figure | number | undefined): Reach {
  if (!isLowerBound(id)) throw new Error(`${id} is not in LOWER_BOUNDS`);
  const value = valueOf(got);
  return { id, want, got: value, ok: value !== null && value >= want };
}

function valueOf(got: Figure | number | undefined): number | null {
  return typeof got === 'number' ? round(got) : (got?.p50 ?? null);
}
