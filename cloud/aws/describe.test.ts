import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { allPages, chunk, distinctBy, selectionsOf } from './describe.ts';

const values = fc.uniqueArray(fc.nat(), { maxLength: 450 }).map((numbers) => numbers.map(String));

describe('selectionsOf', () => {
  it("each within EC2's limits, together exactly what was asked for", () => {
    fc.assert(
      fc.property(fc.option(values, { nil: undefined }), values, values, (ids, a, b) => {
        const parts = selectionsOf({ ...(ids && { ids }), filters: { a, b } });
        for (const part of parts) {
          expect(part.ids?.length ?? 0).toBeLessThanOrEqual(200);
          expect(part.ids === undefined).toBe(part.maxResults !== undefined);
          for (const filter of part.filters ?? []) expect(filter.Values?.length).toBeLessThanOrEqual(200);
        }
        const sizes = parts.map((part) =>
          [part.ids?.length ?? 1, ...(part.filters ?? []).map((filter) => filter.Values?.length ?? 0)].reduce(
            (x, y) => x * y,
            1,
          ),
        );
        expect(sizes.reduce((x, y) => x + y, 0)).toBe((ids?.length ?? 1) * a.length * b.length);
      }),
    );
  });

  it('no ids is any, an empty list is none', () => {
    expect(selectionsOf({})).toEqual([{ ids: undefined, filters: undefined, maxResults: 1000 }]);
    expect(selectionsOf({ ids: [] })).toEqual([]);
    expect(selectionsOf({ filters: { 'vpc-id': [] } })).toEqual([]);
  });
});

describe('allPages', () => {
  it('follows tokens to the end, also through empty pages', async () => {
    const pages = new Map([
      [undefined, { items: [1], next: 'a' }],
      ['a', { items: [], next: 'b' }],
      ['b', { items: [2, 3], next: '' }],
    ]);
    const asked: (string | undefined)[] = [];
    const all = await allPages('X', (token) => {
      asked.push(token);
      return Promise.resolve(pages.get(token) ?? { items: [], next: undefined });
    });
    expect(all).toEqual([1, 2, 3]);
    expect(asked).toEqual([undefined, 'a', 'b']);
  });

  it('a token that comes twice is an unreadable answer, not a loop', async () => {
    const round = allPages('DescribeSubnets', () => Promise.resolve({ items: [1], next: 'same' }));
    await expect(round).rejects.toMatchObject({ code: 'unavailable', operation: 'DescribeSubnets' });
  });
});

describe('lists', () => {
  it('chunks lose nothing; of what came twice the first stays', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9)), fc.integer({ min: 1, max: 7 }), (items, size) => {
        expect(chunk(items, size).flat()).toEqual(items);
        expect(distinctBy(items, String)).toEqual([...new Set(items)]);
      }),
    );
    const first = { id: 'a', n: 1 };
    expect(distinctBy([first, { id: 'a', n: 2 }], (item) => item.id)).toEqual([first]);
  });
});
