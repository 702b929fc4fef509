import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import {
  chooseMark,
  completeMarks,
  DEFAULT_MARKS,
  dyingGroup,
  interfaceTable,
  isOurGroup,
  placeOfTable,
  podGroup,
} from './marks.ts';
import { hostIfName, linkMac } from './names.ts';

const place = fc.record({
  deviceIndex: fc.integer({ min: 0, max: 31 }),
  networkCardIndex: fc.integer({ min: 0, max: 31 }),
});

describe('numbers of an ENI', () => {
  it('tell the ENI: table and group are unique, and the table can be read back', () => {
    fc.assert(
      fc.property(place, place, (a, b) => {
        const isSame = a.deviceIndex === b.deviceIndex && a.networkCardIndex === b.networkCardIndex;
        expect(interfaceTable(a) === interfaceTable(b)).toBe(isSame);
        expect(podGroup(DEFAULT_MARKS, a) === podGroup(DEFAULT_MARKS, b)).toBe(isSame);
        expect(podGroup(DEFAULT_MARKS, a)).not.toBe(dyingGroup(DEFAULT_MARKS));
        expect(isOurGroup(DEFAULT_MARKS, podGroup(DEFAULT_MARKS, a))).toBe(true);
        if (interfaceTable(a) !== 254) expect(placeOfTable(interfaceTable(a))).toEqual(a);
      }),
    );
    expect([
      interfaceTable({ deviceIndex: 3, networkCardIndex: 0 }),
      interfaceTable({ deviceIndex: 1, networkCardIndex: 2 }),
    ]).toEqual([4, 10201]);
    expect([0, 1, 0x57520000, 0x57540000].map((group) => isOurGroup(DEFAULT_MARKS, group))).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it('marks are within the mask, never 0, never given twice, for as many ENIs as the mask holds', () => {
    fc.assert(
      fc.property(fc.constantFrom(0x7f, 0x3f00000, 0x30), (eniMarkMask) => {
        const marks = completeMarks({ eniMarkMask });
        const taken = new Set<number>();
        const highest = eniMarkMask / (eniMarkMask & -eniMarkMask);
        for (let index = 1; index <= highest; index += 1) {
          const mark = chooseMark(marks, { deviceIndex: index % 15, networkCardIndex: Math.floor(index / 15) }, taken);
          expect(mark & ~eniMarkMask).toBe(0);
          expect(mark === 0 || taken.has(mark)).toBe(false);
          taken.add(mark);
        }
        expect(() => chooseMark(marks, { deviceIndex: 1, networkCardIndex: 0 }, taken)).toThrow('no value left');
      }),
    );
  });

  it.each([
    { eniMarkMask: 0x80 },
    { eniMarkMask: 0 },
    { eniMarkMask: 0x4000 },
    { connmark: 0x8000 },
    { eniMarkMask: 0b101 },
    { groupMask: 0xffffff00 },
  ])('refuses %j', (marks) => {
    expect(() => completeMarks(marks)).toThrow('ownership marks');
  });
});

describe('names of a pod link', () => {
  it('fit the kernel, are stable, and differ by sandbox and interface', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (container, other) => {
        const name = hostIfName('eni', container, 'eth0');
        expect(name).toMatch(/^eni[0-9a-f]{11}$/);
        expect(hostIfName('eni', container, 'eth0')).toBe(name);
        expect(hostIfName('eni', other, 'eth0') === name).toBe(container === other);
        expect(linkMac(container, 'eth0', 'host')).toMatch(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/);
        expect(linkMac(container, 'eth0', 'host')).not.toBe(linkMac(container, 'eth0', 'pod'));
      }),
    );
  });
});
