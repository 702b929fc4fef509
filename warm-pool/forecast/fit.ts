/** Trend and season of a series, for every memory at once, each with its weight. Pure. */
import type { RegularSeries } from './history.ts';
import { type Columns, leastSquares, type LeastSquares } from './least-squares.ts';
import { type Memory, MEMORIES, filtered } from './memory.ts';

export interface Fitted {
  readonly memory: Memory;
  readonly fit: LeastSquares;
  /** What is remembered at the end, of the series and of each column. */
  readonly lastOfSeries: number;
  readonly lastOfColumns: Float64Array;
  /** Share of the evidence for this memory; all shares are 1. */
  readonly weight: number;
}

export interface Fits {
  readonly fits: readonly Fitted[];
  /** Schwarz's criterion of the best of them; lower is better. */
  readonly criterion: number;
}

/** Counts are whole: their rounding alone has this variance, and no fit is better than that. */
const ROUNDING = 1 / 12;

/** Undefined where the columns cannot be told apart. */
export function fitAll(
  { values, seen: count }: RegularSeries,
  columns: Columns,
  memories: readonly Memory[] = MEMORIES,
): Fits | undefined {
  const seen = Uint8Array.from(values, (value) => (Number.isNaN(value) ? 0 : 1));
  const freedom = count - columns.length;
  if (freedom < 8) return undefined;
  const fits = memories.flatMap((memory) => {
    const series = filtered(values, seen, count, memory);
    const through = columns.map((column) => filtered(column, seen, count, memory));
    const fit = leastSquares(
      through.map(({ surprises }) => surprises),
      series.surprises,
    );
    if (fit === undefined) return [];
    const squares = fit.squares + ROUNDING * count;
    // The likelihood with the coefficients integrated out (restricted maximum likelihood, flat prior).
    const evidence =
      -0.5 * fit.logDeterminant -
      (freedom / 2) * Math.log(squares) +
      (memory.keeps < 1 ? Math.log(1 - memory.keeps ** 2) / 2 : 0);
    const lastOfColumns = Float64Array.from(through, ({ last }) => last);
    return [{ memory, fit, lastOfSeries: series.last, lastOfColumns, evidence, squares }];
  });
  if (fits.length === 0) return undefined;
  const best = Math.max(...fits.map(({ evidence }) => evidence));
  const shares = fits.map(({ evidence }) => Math.exp(evidence - best));
  const total = shares.reduce((sum, share) => sum + share, 0);
  const least = Math.min(...fits.map(({ squares }) => squares));
  return {
    fits: fits.map((fitted, index) => ({ ...fitted, weight: (shares[index] ?? 0) / total })),
    criterion: count * Math.log(least / count) + (columns.length + 1) * Math.log(count),
  };
}
