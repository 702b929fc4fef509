import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { figure, ratios } from './figures.ts';

describe('figure', () => {
  it('takes the nearest rank', () => {
    const samples = Array.from({ length: 100 }, (_, index) => 100 - index);
    expect(figure('x', 'ms', samples)).toEqual({ id: 'x', unit: 'ms', n: 100, p10: 10, p50: 50, p99: 99 });
  });

  it('says nothing of no samples', () => {
    expect(figure('x', 'ms', [])).toBeUndefined();
  });

  it('orders its percentiles, and each is one of the samples', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 9999 }), { minLength: 1 }), (samples) => {
        const { p10 = -1, p50 = -1, p99 = -1 } = figure('x', 'ms', samples) ?? {};
        expect(p10).toBeLessThanOrEqual(p50);
        expect(p50).toBeLessThanOrEqual(p99);
        for (const value of [p10, p50, p99]) expect(samples).toContain(value);
      }),
    );
  });
});

describe('ratios', () => {
  it('pairs the samples and leaves out what has no partner', () => {
    expect(ratios('x', [2, 6, 9], [1, 2])).toMatchObject({ n: 2, p10: 2, p99: 3 });
  });
});
