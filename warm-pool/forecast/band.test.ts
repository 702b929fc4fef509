import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { randomOf } from '../simulator/random.ts';
import { levelBand } from './band.ts';
import { timeToExhaustion } from './exhaustion.ts';

const HOUR = 3_600_000;

describe('levelBand', () => {
  it('has rows up to the horizon, in order, between nothing and all, full where a future ended', () => {
    const shapes = fc.record({ horizon: fc.integer({ min: 1, max: 400 }), ends: fc.integer({ min: 0, max: 400 }) });
    fc.assert(
      fc.property(shapes, ({ horizon, ends }) => {
        const band = levelBand({ horizon, paths: 20, capacity: 100, bucketMs: 10 });
        for (let path = 0; path < 20; path += 1)
          for (let bucket = 0; bucket < Math.min(horizon, ends); bucket += 1) band.observe(path, bucket, path - 5);
        const rows = band.rows();
        expect(rows.length).toBe(Math.min(60, horizon));
        expect(rows.at(-1)?.[0]).toBe(horizon * 10);
        for (const [at, lower, median, upper] of rows)
          expect([lower, median, upper]).toEqual(at <= ends * 10 ? [0, 5, 14] : [100, 100, 100]);
        expect(rows.map(([at]) => at)).toEqual(rows.map(([at]) => at).toSorted((a, b) => a - b));
      }),
    );
  });

  it('agrees with the time to exhaustion that it is drawn beside', () => {
    const now = 1000 * HOUR;
    const random = randomOf(3, 'band');
    const samples = Array.from({ length: 200 }, (_, index) => ({
      at: now - (199 - index) * HOUR,
      used: 100 + 2 * index + Math.round(10 * random()),
    }));
    const told = timeToExhaustion({ samples, capacity: 700, now, random });
    if (told.kind !== 'forecast') throw new Error(told.kind);
    const full = (column: 1 | 2 | 3) => told.band.find((row) => row[column] >= 700)?.[0] ?? Infinity;
    const step = told.band[0]?.[0] ?? 0;
    // A level may fall below the capacity no more once it was reached: the slow futures are the lower end of the band.
    expect(Math.abs(full(2) - (told.medianMs ?? Infinity))).toBeLessThanOrEqual(step);
    expect(Math.abs(full(3) - (told.lowerMs ?? Infinity))).toBeLessThanOrEqual(step);
    expect(Math.abs(full(1) - (told.upperMs ?? Infinity))).toBeLessThanOrEqual(step);
  });
});
