import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { relative, span, withRelativeTimes } from './words.ts';

const NOW = Date.parse('2026-05-01T12:00:00.000Z');

describe('span', () => {
  it.each([
    [0, '0s'],
    [-5000, '0s'],
    [499, '0s'],
    [12_000, '12s'],
    [192_000, '3m 12s'],
    [180_000, '3m'],
    [7_200_000, '2h'],
    [7_205_000, '2h'],
    [86_400_000 * 5 + 3 * 3_600_000 + 59_000, '5d 3h'],
  ])('%d ms is %s', (ms, text) => expect(span(ms)).toBe(text));

  it('is never off by more than the second of its units', () => {
    const seconds = { d: 86_400, h: 3600, m: 60, s: 1 };
    fc.assert(
      fc.property(fc.nat(10 ** 10), (ms) => {
        const parts = [...span(ms).matchAll(/(\d+)([dhms])/g)];
        const said = parts.reduce((sum, part) => sum + Number(part[1]) * seconds[part[2] as 'd'], 0);
        const unit = { d: 3600, h: 60, m: 1, s: 1 }[parts[0]?.[2] as 'd'];
        expect(parts.length).toBeLessThanOrEqual(2);
        expect(Math.round(ms / 1000) - said).toBeGreaterThanOrEqual(0);
        expect(Math.round(ms / 1000) - said).toBeLessThan(unit);
      }),
    );
  });
});

describe('times in texts', () => {
  it('are relative to now', () => {
    expect(relative('2026-05-01T11:59:48.000Z', NOW)).toBe('12s ago');
    expect(relative('2026-05-01T12:01:00.000Z', NOW)).toBe('in 1m');
    expect(relative('2026-05-01T12:00:00.400Z', NOW)).toBe('now');
    expect(relative('never', NOW)).toBe('never');
    expect(withRelativeTimes('held back until 2026-05-01T12:00:30.000Z, because', NOW)).toBe(
      'held back until 12:00:30Z (in 30s), because',
    );
  });
});
