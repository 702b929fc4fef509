/** A history of counts as a regular series: gaps stay gaps, doubles and disorder do no harm. Pure. */

/** How many were in use at a time (milliseconds since the Unix epoch). */
export interface Sample {
  readonly at: number;
  readonly used: number;
}

export interface RegularSeries {
  readonly bucketMs: number;
  /** Oldest first; the last bucket ends now. NaN where nothing was seen. The highest of a bucket: peaks exhaust a subnet. */
  readonly values: Float64Array;
  /** Buckets with a value. */
  readonly seen: number;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/** The finest that keeps a series below `MOST_BUCKETS`. */
const BUCKETS = [MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 24 * HOUR];
const MOST_BUCKETS = 700;

/** Samples of the future, and what is no number, are left out. Undefined where no two samples are left. */
export function regularSeries(samples: readonly Sample[], now: number): RegularSeries | undefined {
  const usable = samples
    .filter(({ at, used }) => Number.isFinite(at) && Number.isFinite(used) && used >= 0 && at <= now)
    .toSorted((a, b) => a.at - b.at);
  const [first] = usable;
  if (first === undefined || usable.length < 2) return undefined;
  const span = now - first.at;
  const spacing = medianSpacing(usable);
  const bucketMs = BUCKETS.find((ms) => span / ms <= MOST_BUCKETS && spacing <= ms * 1.5) ?? 24 * HOUR;
  const count = Math.min(MOST_BUCKETS, Math.floor(span / bucketMs) + 1);
  const values = new Float64Array(count).fill(Number.NaN);
  for (const { at, used } of usable) {
    const index = count - 1 - Math.floor((now - at) / bucketMs);
    const before = values[index];
    if (before !== undefined) values[index] = Number.isNaN(before) ? used : Math.max(before, used);
  }
  const seen = values.reduce((sum, value) => sum + (Number.isNaN(value) ? 0 : 1), 0);
  return { bucketMs, values, seen };
}

function medianSpacing(samples: readonly Sample[]): number {
  const gaps = samples.slice(1).map(({ at }, index) => at - (samples[index]?.at ?? at));
  return gaps.toSorted((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0;
}
