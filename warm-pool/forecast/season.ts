/** Seasons as sums of waves: any shape that repeats each day or week, whatever the time zone. Pure. */

export type Season = 'none' | 'daily' | 'weekly';

const DAY = 86_400_000;
const WEEK = 7 * DAY;
/** Waves a day; more would follow noise. */
const DAILY = [1, 2, 3, 4];
/** Waves a week: the week itself, days that differ by weekday (the neighbours of each daily wave), and the day's shape. */
const WEEKLY = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 21, 28];

/** The seasons that a history of this length can show: a season that was seen less than two and a half times is a guess. */
export function visibleSeasons(spanMs: number, bucketMs: number): readonly Season[] {
  const daily: readonly Season[] = spanMs >= 2.5 * DAY && bucketMs <= DAY / 8 ? ['daily'] : [];
  const weekly: readonly Season[] = spanMs >= 2.5 * WEEK && bucketMs <= DAY / 8 ? ['weekly'] : [];
  return ['none', ...daily, ...weekly];
}

/** Sine and cosine of each wave for `count` buckets from bucket number `from`. */
export function waves(season: Season, bucketMs: number, from: number, count: number): readonly Float64Array[] {
  const [period, numbers] = season === 'daily' ? [DAY, DAILY] : [WEEK, season === 'weekly' ? WEEKLY : []];
  return numbers.flatMap((number) => {
    const turn = (2 * Math.PI * number * bucketMs) / period;
    return [Math.sin, Math.cos].map((shape) =>
      Float64Array.from({ length: count }, (_, i) => shape(turn * (from + i))),
    );
  });
}
