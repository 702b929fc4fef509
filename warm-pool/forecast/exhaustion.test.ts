import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { randomOf } from '../simulator/random.ts';
import { backTest, FAMILIES } from './back-test.ts';
import { type Exhaustion, type Forecast, timeToExhaustion } from './exhaustion.ts';
import type { Sample } from './history.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = 1_800_000_000_000;

/** One sample each quarter of an hour, the last one now. */
const history = (days: number, used: (day: number) => number): Sample[] =>
  Array.from({ length: days * 96 }, (_, i) => {
    const at = NOW - (days * 96 - 1 - i) * (DAY / 96);
    return { at, used: used((at - NOW) / DAY + days) };
  });
const ask = (samples: readonly Sample[], capacity: number, paths = 200): Exhaustion =>
  timeToExhaustion({ samples, capacity, now: NOW, random: randomOf(1, 'test'), paths });
const forecastOf = (samples: readonly Sample[], capacity: number): Forecast => {
  const said = ask(samples, capacity);
  if (said.kind !== 'forecast') throw new Error(JSON.stringify(said));
  return said;
};

describe('back-test', () => {
  // `node tools/backtest-forecast.ts` has more cases; here the whole is judged, and each family with the play of fewer.
  const results = Object.keys(FAMILIES).map((family) => backTest(family, 12, 3, 200));

  it('the 90 % interval holds in 85 to 95 % of all generated histories', () => {
    const share = results.reduce((sum, { held }) => sum + held, 0) / results.reduce((sum, { cases }) => sum + cases, 0);
    expect(share).toBeGreaterThanOrEqual(0.85);
    expect(share).toBeLessThanOrEqual(0.95);
  });

  it.each(results)('$family: three in four hold at least, and most cases have an end', ({ held, cases, exhausted }) => {
    expect(held / cases).toBeGreaterThanOrEqual(0.75);
    expect(exhausted / cases).toBeGreaterThan(0.4);
  });

  it('a smooth trend is told closely', () => {
    expect(results.find(({ family }) => family === 'trend with noise')?.width).toBeLessThan(0.3);
  });
});

describe('time to exhaustion', () => {
  it('of a straight line is where the line says', () => {
    const {
      lowerMs = 0,
      medianMs = 0,
      upperMs = 0,
      growthPerDay,
    } = forecastOf(
      history(10, (day) => 100 + Math.round(20 * day)),
      400,
    );
    expect(growthPerDay).toBeCloseTo(20, 0);
    expect(lowerMs).toBeLessThanOrEqual(medianMs);
    expect(medianMs).toBeLessThanOrEqual(upperMs);
    expect(medianMs / DAY).toBeCloseTo(5, 0);
  });

  it.each([
    ['constant', () => 100],
    ['zero', () => 0],
    ['falling', (day: number) => 300 - 10 * day],
  ])('a %s history does not run out', (_name, used) => {
    const said = forecastOf(history(14, used), 400);
    expect([said.lowerMs, said.medianMs, said.upperMs]).toEqual([undefined, undefined, undefined]);
    expect(said.within).toEqual({ hour: 0, day: 0, horizon: 0 });
  });

  it('finds the daily and the weekly season, and none where there is none', () => {
    const random = randomOf(4, 'noise');
    const noise = () => Math.round(8 * random());
    const day = (at: number) => Math.round(40 * Math.sin(2 * Math.PI * at));
    const week = (at: number) => (at % 7 >= 5 ? 0 : 60);
    expect(
      forecastOf(
        history(8, (at) => 100 + day(at) + noise()),
        400,
      ).season,
    ).toBe('daily');
    expect(
      forecastOf(
        history(24, (at) => 100 + day(at) + week(at) + noise()),
        400,
      ).season,
    ).toBe('weekly');
    expect(
      forecastOf(
        history(24, () => 100 + noise()),
        400,
      ).season,
    ).toBe('none');
    // Twice is not a season yet.
    expect(
      forecastOf(
        history(2, (at) => 100 + day(at) + noise()),
        400,
      ).season,
    ).toBe('none');
  });

  it('a daily peak that has room each day is no reason to expect the end', () => {
    const swing = history(14, (at) => 200 + Math.round(80 * Math.sin(2 * Math.PI * at)));
    expect(forecastOf(swing, 300).within.day).toBeLessThan(0.05);
  });

  it('says that it is exhausted, or that it does not know', () => {
    expect(
      ask(
        history(5, () => 50),
        50,
      ),
    ).toEqual({ kind: 'exhausted' });
    expect(ask([], 50).kind).toBe('not-enough-history');
    expect(ask(history(5, () => 50).slice(-20), 60)).toMatchObject({ missing: expect.stringContaining('24 looks') });
    const old = history(5, (day) => 50 + day).map(({ at, used }) => ({ at: at - DAY, used }));
    expect(ask(old, 100)).toMatchObject({ missing: expect.stringContaining('too long ago') });
  });

  it('goes through gaps and a reset', () => {
    const whole = history(14, (day) => 100 + Math.round(10 * day));
    const holed = whole.filter((_, i) => i < 300 || i > 700);
    expect((forecastOf(holed, 300).medianMs ?? 0) / DAY).toBeCloseTo((forecastOf(whole, 300).medianMs ?? 0) / DAY, 0);
    const reset = history(14, (day) => (day < 10 ? 250 : 60));
    expect(forecastOf(reset, 300).within.day).toBeLessThan(0.2);
  });

  it('any history has an answer whose ends are in order, the same each time', () => {
    const sample = fc.record({
      at: fc.oneof(fc.integer({ min: NOW - 3 * DAY, max: NOW + HOUR }), fc.constant(Number.NaN)),
      used: fc.oneof(fc.nat(300), fc.constantFrom(-1, Number.NaN, Infinity)),
    });
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 120 }), fc.nat(400), (samples, capacity) => {
        const said = ask(samples, capacity, 20);
        expect(ask(samples.toReversed(), capacity, 20)).toEqual(said);
        if (said.kind !== 'forecast') return;
        const [lower, median, upper] = [said.lowerMs, said.medianMs, said.upperMs].map((ms) => ms ?? Infinity);
        expect((lower ?? 0) >= 0 && (lower ?? 0) <= (median ?? 0) && (median ?? 0) <= (upper ?? 0)).toBe(true);
        expect(said.within.hour <= said.within.day && said.within.day <= said.within.horizon).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it('more room is never exhausted sooner', () => {
    const samples = history(10, (day) => 100 + Math.round(15 * day));
    const medians = [260, 300, 340].map((capacity) => forecastOf(samples, capacity).medianMs ?? Infinity);
    expect(medians.toSorted((a, b) => a - b)).toEqual(medians);
  });
});
