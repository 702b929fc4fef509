/**
 * When a subnet runs dry: from the history of what is in use to the time until all of it is, with an interval that holds nine times
 * in ten (docs/forecast.md has the method and its back-test). Pure; chance is passed in.
 */
import type { Random } from '../simulator/random.ts';
import { chooseDesign } from './design.ts';
import { regularSeries, type Sample } from './history.ts';
import { type BandRow, levelBand } from './band.ts';
import { firstPassages } from './paths.ts';
import type { Season } from './season.ts';

export type Exhaustion =
  /** Nothing is said. `missing` says what is needed, as a clause. */
  | { readonly kind: 'not-enough-history'; readonly missing: string }
  /** Everything is in use now. */
  | { readonly kind: 'exhausted' }
  | Forecast;

export interface Forecast {
  readonly kind: 'forecast';
  /** Milliseconds from now. The time lies between `lower` and `upper` nine times in ten; undefined is beyond the horizon. */
  readonly lowerMs: number | undefined;
  readonly medianMs: number | undefined;
  readonly upperMs: number | undefined;
  /** Nothing is said of what is further ahead: as far as the history reaches back, 30 days at most. */
  readonly horizonMs: number;
  /** Shares of the futures that were drawn. */
  readonly within: { readonly hour: number; readonly day: number; readonly horizon: number };
  readonly season: Season;
  /** How much more is in use each day, season left out. */
  readonly growthPerDay: number;
  readonly bucketMs: number;
  /** How much is in use, for a picture; a future that has reached the capacity stays there. At most 60 rows. */
  readonly band: readonly BandRow[];
}

export interface ExhaustionOptions {
  readonly samples: readonly Sample[];
  /** How many can be in use. */
  readonly capacity: number;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
  readonly random: Random;
  /** Futures that are drawn. Default 400. */
  readonly paths?: number;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Fewer say nothing of their own spread. */
const LEAST_BUCKETS = 24;
const LONGEST_HORIZON = 30 * DAY;
/** A history that ended is not a history of now. */
const STALE_BUCKETS = 6;

/** Never throws; the same input and the same chance give the same answer. */
export function timeToExhaustion(options: ExhaustionOptions): Exhaustion {
  const { samples, capacity, now, random, paths = 400 } = options;
  const series = regularSeries(samples, now);
  const { values = new Float64Array(0), seen = samples.length, bucketMs = 0 } = series ?? {};
  const last = values.findLast((value) => !Number.isNaN(value));
  const quiet = values.length - 1 - values.findLastIndex((value) => !Number.isNaN(value));
  if (series === undefined || last === undefined || seen < LEAST_BUCKETS)
    return {
      kind: 'not-enough-history',
      missing: `${LEAST_BUCKETS} looks at different times are needed, there are ${seen}`,
    };
  if (quiet > STALE_BUCKETS)
    return { kind: 'not-enough-history', missing: 'the last look is too long ago to speak of now' };
  if (last >= capacity) return { kind: 'exhausted' };
  const chosen = chooseDesign(series);
  if (chosen === undefined) return { kind: 'not-enough-history', missing: 'the looks are too few for a trend' };
  const horizon = Math.max(1, Math.min(values.length, Math.floor(LONGEST_HORIZON / bucketMs)));
  const band = levelBand({ horizon, paths, capacity, bucketMs });
  const { observe } = band;
  const passages = firstPassages({ series, ...chosen, capacity, horizon, paths, random, observe });
  const at = (share: number) => finite(passages[Math.min(passages.length - 1, Math.floor(share * passages.length))]);
  const shareWithin = (ms: number) => passages.filter((each) => each * bucketMs <= ms).length / passages.length;
  const ms = (buckets: number | undefined) => (buckets === undefined ? undefined : Math.round(buckets * bucketMs));
  return {
    kind: 'forecast',
    lowerMs: ms(at(0.05)),
    medianMs: ms(at(0.5)),
    upperMs: ms(at(0.95)),
    horizonMs: horizon * bucketMs,
    within: { hour: shareWithin(HOUR), day: shareWithin(DAY), horizon: shareWithin(horizon * bucketMs) },
    season: chosen.design.season,
    growthPerDay: growth(chosen.fits.fits, values.length * bucketMs),
    bucketMs,
    band: band.rows(),
  };
}

/** The drift column counts the whole history as one. */
function growth(fits: readonly { weight: number; fit: { coefficients: Float64Array } }[], spanMs: number): number {
  const each = fits.map(({ weight, fit }) => weight * (fit.coefficients[1] ?? 0));
  return (each.reduce((sum, part) => sum + part, 0) / spanMs) * DAY;
}

function finite(value: number | undefined): number | undefined {
  return value === undefined || !Number.isFinite(value) ? undefined : value;
}
