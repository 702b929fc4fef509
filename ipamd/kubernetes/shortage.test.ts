import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CniError } from '#cni/spec/errors.ts';
import { shortageOf } from './shortage.ts';

const FULL = new CniError('subnet-exhausted', 'full');
const DENIED = new CniError('cloud-denied', 'denied');
const wait = (since: number) => ({ since, why: () => FULL });

describe('shortageOf', () => {
  it('a wait is one after three seconds, and says when', () => {
    expect(shortageOf({ waits: [wait(100)], refused: undefined }, 3000)).toEqual({
      error: undefined,
      lookAgainAt: 3100,
    });
    expect(shortageOf({ waits: [wait(2000), wait(100)], refused: undefined }, 3100).error).toBe(FULL);
  });

  it('a refusal is one for longer than kubelet takes to try again', () => {
    const refused = { at: 1000, error: DENIED };
    expect(shortageOf({ waits: [], refused }, 1000)).toEqual({ error: DENIED, lookAgainAt: 46_000 });
    expect(shortageOf({ waits: [], refused }, 45_999).error).toBe(DENIED);
    expect(shortageOf({ waits: [], refused }, 46_000)).toEqual({ error: undefined, lookAgainAt: undefined });
  });

  it('whoever looks again when told misses no change', () => {
    const input = fc.record({
      waits: fc.array(fc.integer({ min: 0, max: 50_000 }).map(wait), { maxLength: 3 }),
      refused: fc.option(fc.record({ at: fc.integer({ min: 0, max: 50_000 }), error: fc.constant(DENIED) }), {
        nil: undefined,
      }),
    });
    fc.assert(
      fc.property(
        input,
        fc.integer({ min: 50_000, max: 60_000 }),
        fc.integer({ min: 0, max: 100_000 }),
        (given, now, later) => {
          const { error, lookAgainAt } = shortageOf(given, now);
          const until = lookAgainAt ?? Infinity;
          expect(until).toBeGreaterThan(now);
          if (now + later < until) expect(shortageOf(given, now + later).error).toBe(error);
        },
      ),
    );
  });
});
