/** The columns of a forecast: level, drift and the waves of a season, chosen by Schwarz's criterion. Pure. */
import { type Fits, fitAll } from './fit.ts';
import type { RegularSeries } from './history.ts';
import { type Columns } from './least-squares.ts';
import { MEMORIES } from './memory.ts';
import { type Season, visibleSeasons, waves } from './season.ts';

export interface Design {
  readonly season: Season;
  /** Of the past. */
  readonly columns: Columns;
}

/** What decides between designs may be coarse. */
const COARSE = MEMORIES.filter((_, index) => [0, 3, 6, 9, 11, 13, 15].includes(index));
/** A season must be better by this much: strong evidence (Kass and Raftery, JASA 90, 1995). */
const MARGIN = 20;

/** Columns for `count` buckets from bucket number `from` of a series of `length`. */
export function columnsOf(
  season: Season,
  { bucketMs, length }: { readonly bucketMs: number; readonly length: number },
  from: number,
  count: number,
): Columns {
  return [
    new Float64Array(count).fill(1),
    // The drift counts the whole history as one, so that no column is much larger than another.
    Float64Array.from({ length: count }, (_, i) => (from + i + 1 - length) / length),
    ...waves(season, bucketMs, from, count),
  ];
}

/** Undefined where the series says too little for the simplest. */
export function chooseDesign(series: RegularSeries): { readonly design: Design; readonly fits: Fits } | undefined {
  const { bucketMs, values } = series;
  const columns = (season: Season) => columnsOf(season, sizeOf(series), 0, values.length);
  let best: { readonly season: Season; readonly criterion: number } | undefined;
  for (const season of visibleSeasons(values.length * bucketMs, bucketMs)) {
    const made = fitAll(series, columns(season), COARSE);
    if (made !== undefined && (best === undefined || made.criterion < best.criterion - MARGIN))
      best = { season, criterion: made.criterion };
  }
  if (best === undefined) return undefined;
  const design = { season: best.season, columns: columns(best.season) };
  const fits = fitAll(series, design.columns);
  return fits && { fits, design };
}

export function sizeOf({ bucketMs, values }: RegularSeries) {
  return { bucketMs, length: values.length };
}
