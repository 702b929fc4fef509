/** How much futures have in use at a few times ahead, as quantiles: what a picture of the forecast shows. Pure. */

/** Milliseconds from now; the levels that nine futures in ten lie between, and the middle one between them. */
export type BandRow = readonly [afterMs: number, lower: number, median: number, upper: number];

const MOST_ROWS = 60;

export interface LevelBand {
  /** `bucket` counts from 0, `path` from 0. What is not observed counts as full. */
  readonly observe: (path: number, bucket: number, used: number) => void;
  readonly rows: () => readonly BandRow[];
}

/** Collects the levels of futures at the end of some of the buckets. */
export function levelBand({
  horizon,
  paths,
  capacity,
  bucketMs,
}: {
  readonly horizon: number;
  readonly paths: number;
  readonly capacity: number;
  readonly bucketMs: number;
}): LevelBand {
  const count = Math.min(MOST_ROWS, horizon);
  const buckets = Array.from({ length: count }, (_, row) => Math.ceil(((row + 1) * horizon) / count) - 1);
  const rowOf = new Int32Array(horizon).fill(-1);
  for (const [row, bucket] of buckets.entries()) rowOf[bucket] = row;
  const levels = buckets.map(() => new Float64Array(paths).fill(capacity));
  return {
    observe: (path, bucket, used) => {
      const row = levels[rowOf[bucket] ?? -1];
      if (row !== undefined) row[path] = Math.max(0, used);
    },
    rows: () => levels.map((row, index) => [((buckets[index] ?? 0) + 1) * bucketMs, ...quantiles(row)]),
  };
}

function quantiles(levels: Float64Array): readonly [number, number, number] {
  const order = levels.toSorted();
  const at = (share: number): number => {
    const level = order[Math.min(order.length - 1, Math.floor(share * order.length))] ?? 0;
    return Math.round(level * 10) / 10;
  };
  return [at(0.05), at(0.5), at(0.95)];
}
