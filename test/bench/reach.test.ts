import { describe, expect, it } from '@jest/globals';
import { figure } from './figures.ts';
import { atMost } from './reach.ts';

describe('atMost', () => {
  it('holds the median against the wanted figure, which is within reach itself', () => {
    expect(atMost('x', 2, figure('x', 'ratio', [1, 2, 3]))).toEqual({ id: 'x', want: 2, got: 2, ok: true });
    expect(atMost('x', 1.99, figure('x', 'ratio', [1, 2, 3]))).toMatchObject({ ok: false });
  });

  it('says a number in four digits, as figures are said', () => {
    expect(atMost('x', 4, 6.066408637196986)).toEqual({ id: 'x', want: 4, got: 6.066, ok: false });
  });

  it('what was not measured is not reached', () => {
    expect(atMost('x', 1, undefined)).toEqual({ id: 'x', want: 1, got: null, ok: false });
  });
});
