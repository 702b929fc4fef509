import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { chooseAddresses, choosePrefixes, claim, emptySpace, isFree, release } from './address-space.ts';

const SIZE = 256;
const ranges = fc
  .uniqueArray(fc.nat(SIZE - 1), { maxLength: 200 })
  .map((offsets) => offsets.map((offset) => ({ offset, size: 1 })));
const avoid = fc.array(
  fc.nat(15).map((block) => ({ offset: block * 16, size: 16 })),
  { maxLength: 6 },
);
const start = fc.nat(SIZE - 1);

describe('an address space', () => {
  it('is free where it is not claimed, and whole again when all is released', () => {
    fc.assert(
      fc.property(ranges, (held) => {
        const space = claim(emptySpace(SIZE), held);
        expect(space.free).toBe(SIZE - held.length);
        for (let offset = 0; offset < SIZE; offset += 1) {
          expect(isFree(space, { offset, size: 1 })).toBe(!held.some((range) => range.offset === offset));
        }
        expect(release(space, held)).toEqual(emptySpace(SIZE));
      }),
    );
  });

  it('finds addresses exactly where there are enough', () => {
    fc.assert(
      fc.property(ranges, avoid, start, fc.integer({ min: 1, max: 60 }), (held, banned, from, count) => {
        const space = claim(emptySpace(SIZE), held);
        const usable = Array.from({ length: SIZE }, (_, offset) => offset).filter(
          (offset) =>
            isFree(space, { offset, size: 1 }) &&
            !banned.some((range) => offset >= range.offset && offset < range.offset + range.size),
        );
        const found = chooseAddresses(space, count, banned, () => from)?.map((range) => range.offset);
        expect(found !== undefined).toBe(usable.length >= count);
        if (found === undefined) return;
        expect(new Set(found).size).toBe(count);
        for (const offset of found) expect(usable).toContain(offset);
        expect(chooseAddresses(space, count, banned, () => 0)?.map((range) => range.offset)).toEqual(
          usable.slice(0, count),
        );
      }),
    );
  });

  it('finds prefixes exactly where there are enough, preferred ones first', () => {
    const few = fc
      .uniqueArray(fc.nat(SIZE - 1), { maxLength: 12 })
      .map((list) => list.map((offset) => ({ offset, size: 1 })));
    fc.assert(
      fc.property(few, avoid, avoid, start, fc.integer({ min: 1, max: 8 }), (held, prefer, banned, from, count) => {
        const space = claim(emptySpace(SIZE), held);
        const blocks = Array.from({ length: SIZE / 16 }, (_, n) => ({ offset: n * 16, size: 16 })).filter((b) =>
          isFree(space, b),
        );
        const isIn = (list: readonly { readonly offset: number }[], block: { readonly offset: number }): boolean =>
          list.some((range) => range.offset === block.offset);
        const preferred = blocks.filter((block) => isIn(prefer, block));
        const usable = blocks.filter((block) => isIn(prefer, block) || !isIn(banned, block));
        const found = choosePrefixes(space, count, prefer, banned, () => from);
        expect(found !== undefined).toBe(usable.length >= count);
        if (found === undefined) return;
        for (const block of found) expect(usable).toContainEqual(block);
        expect(new Set(found.map((block) => block.offset)).size).toBe(count);
        expect(found.filter((block) => isIn(prefer, block))).toHaveLength(Math.min(count, preferred.length));
      }),
    );
  });

  it('refuses to claim twice or to release what is free', () => {
    const space = claim(emptySpace(SIZE), [{ offset: 8, size: 4 }]);
    expect(() => claim(space, [{ offset: 11, size: 2 }])).toThrow(RangeError);
    expect(() => release(space, [{ offset: 12, size: 1 }])).toThrow(RangeError);
  });
});
