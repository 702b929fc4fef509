/** However often an object is damaged, its repairs become rare, and it is never given up. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { BackOff } from './back-off.ts';

const HOUR = 3_600_000;

/** Repairs as soon as it may, with an adversary that damages again after so long; returns the times of the repairs. */
function repairs(pauses: readonly number[], until: number): readonly number[] {
  const backOff = new BackOff();
  const times: number[] = [];
  let [now, at] = [0, 0];
  while (now < until) {
    const wait = backOff.waitMs('rule', now);
    now += wait;
    expect(backOff.waitMs('rule', now)).toBe(0);
    backOff.note('rule', now);
    times.push(now);
    now += pauses[at % pauses.length] ?? 1;
    at += 1;
  }
  return times;
}

describe('the back-off of repairs', () => {
  it('makes five repairs at once, then waits twice as long each time, a minute at most', () => {
    const times = repairs([1], 200_000);
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    expect(gaps.slice(0, 4)).toEqual([1, 1, 1, 1]);
    expect(gaps.slice(4, 11)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000]);
  });

  it('bounds the repairs of an hour whatever the adversary does, and never gives up', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 59_000 }), { minLength: 1, maxLength: 20 }), (pauses) => {
        const times = repairs(pauses, HOUR);
        expect(times.length).toBeLessThanOrEqual(5 + 6 + 61);
        const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
        expect(Math.max(...gaps)).toBeLessThanOrEqual(60_000);
      }),
    );
  });

  it('holds nothing against an object that was quiet for five minutes, nor against another one', () => {
    const backOff = new BackOff();
    for (let count = 0; count < 20; count += 1) backOff.note('rule', 0);
    expect(backOff.waitMs('rule', 1)).toBeGreaterThan(0);
    expect(backOff.waitMs('route', 1)).toBe(0);
    expect(backOff.waitMs('rule', 5 * 60_000 + 1)).toBe(0);
    backOff.note('rule', 1);
    backOff.forget('rule');
    expect(backOff.waitMs('rule', 2)).toBe(0);
  });
});
