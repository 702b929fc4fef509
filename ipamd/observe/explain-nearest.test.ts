import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { editDistance, nearest } from './explain-nearest.ts';

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['abc', '', 3],
    ['kitten', 'sitting', 3],
    ['eni-1', 'eni-2', 1],
  ])('of %j and %j is %d', (a, b, distance) => expect(editDistance(a, b)).toBe(distance));

  it('is a metric', () => {
    const word = fc.string({ maxLength: 12 });
    fc.assert(
      fc.property(word, word, word, (a, b, c) => {
        expect(editDistance(a, b)).toBe(editDistance(b, a));
        expect(editDistance(a, b) === 0).toBe(a === b);
        expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
      }),
    );
  });
});

describe('nearest', () => {
  it('prefers what contains the text, then what is spelled alike, each once', () => {
    const names = ['default/web-1', 'kube-system/dns', 'default/wbe', 'eni-123', 'default/web-1'];
    expect(nearest('web', names, 2)).toEqual(['default/web-1', 'eni-123']);
    expect(nearest('default/web', names, 2)).toEqual(['default/web-1', 'default/wbe']);
    expect(nearest('anything', [])).toEqual([]);
  });
});
