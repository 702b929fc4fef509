import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { PersistentMap } from './persistent-map.ts';

const changes = fc.array(fc.record({ key: fc.string({ maxLength: 3 }), value: fc.option(fc.nat()) }), {
  maxLength: 200,
});

const ascending = (one: number, other: number): number => one - other;

describe('PersistentMap', () => {
  it('holds what a Map holds, and every older version stays what it was', () => {
    fc.assert(
      fc.property(changes, (list) => {
        const model = new Map<string, number>();
        const versions: { readonly map: PersistentMap<number>; readonly content: readonly number[] }[] = [];
        let map = PersistentMap.empty<number>();
        for (const { key, value } of list) {
          if (value === null) model.delete(key);
          else model.set(key, value);
          map = value === null ? map.delete(key) : map.set(key, value);
          expect([map.get(key), map.size]).toEqual([model.get(key), model.size]);
          versions.push({ map, content: [...model.values()].toSorted(ascending) });
        }
        for (const version of versions) expect(version.map.values().toSorted(ascending)).toEqual(version.content);
      }),
    );
  });
});
