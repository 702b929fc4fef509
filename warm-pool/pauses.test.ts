import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { detachPause, type DetachPace, withDetachment } from './pauses.ts';

/** Attempts that a deletion needs where the detachment takes so long, and the pace after it. */
function deletion(pace: DetachPace, detachMs: number): { readonly attempts: number; readonly pace: DetachPace } {
  let now = detachPause(pace, 0);
  let refusals = 0;
  for (; now < detachMs; now += detachPause(pace, refusals)) refusals += 1;
  return { attempts: refusals + 1, pace: withDetachment(pace, now, refusals) };
}

describe('the pace of deletions', () => {
  it('asks few times in vain once it has seen some detachments', () => {
    const span = fc.integer({ min: 100, max: 12_000 });
    fc.assert(
      fc.property(span, fc.array(fc.double({ min: 1, max: 1.5, noNaN: true }), { minLength: 60 }), (least, factors) => {
        let pace: DetachPace = { waitMs: 0 };
        const attempts = factors.map((factor) => {
          const done = deletion(pace, least * factor);
          pace = done.pace;
          return done.attempts;
        });
        const later = attempts.slice(20);
        expect(later.reduce((sum, each) => sum + each, 0) / later.length).toBeLessThan(4);
      }),
    );
  });

  it('comes back to no wait at all where detachments are instant', () => {
    let pace: DetachPace = { waitMs: 6000 };
    for (let i = 0; i < 60; i += 1) pace = deletion(pace, 0).pace;
    expect(pace).toEqual({ waitMs: 0 });
  });

  it('pauses are never longer than five seconds after the first attempt, and the first never than 20 s', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 600_000 })), fc.integer({ min: 1, max: 40 }), (took, refusals) => {
        const pace = took.reduce<DetachPace>((last, each) => withDetachment(last, each, 3), { waitMs: 0 });
        expect(detachPause(pace, 0)).toBeLessThanOrEqual(20_000);
        expect(detachPause(pace, refusals)).toBeLessThanOrEqual(5000);
        expect(detachPause(pace, refusals)).toBeGreaterThanOrEqual(100);
      }),
    );
  });
});
