import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { ManualClock } from '#cloud/decorate/testing/manual-clock.ts';
import { Lull } from './lull.ts';

/** Pods that are plugged, each from a time on for so long, and times at which work is asked for. */
interface Given {
  readonly pods: readonly { readonly at: number; readonly ms: number; readonly fails: boolean }[];
  readonly works: readonly number[];
}

const given: fc.Arbitrary<Given> = fc.record({
  pods: fc.array(fc.record({ at: fc.nat(40), ms: fc.nat(20), fails: fc.boolean() }), { maxLength: 8 }),
  works: fc.array(fc.nat(60), { minLength: 1, maxLength: 8 }),
});

interface Done {
  readonly askedAt: number;
  readonly at: number;
  readonly plugging: number;
}

async function played({ pods, works }: Given): Promise<readonly Done[]> {
  const clock = new ManualClock();
  const lull = new Lull(clock);
  const done: Done[] = [];
  let plugging = 0;
  const plug = async (ms: number, fails: boolean): Promise<void> => {
    plugging += 1;
    await clock.sleep(ms);
    plugging -= 1;
    if (fails) throw new Error('no link');
  };
  for (const { at, ms, fails } of pods)
    clock.after(at, () => void lull.during(() => plug(ms, fails)).catch(() => undefined));
  for (const askedAt of works)
    clock.after(askedAt, () => lull.soon(() => done.push({ askedAt, at: Math.floor(clock.now()), plugging })));
  // Halves: what follows from the events of a millisecond has happened before the next.
  for (let step = 0; step < 200; step += 1) await clock.advance(0.5);
  return done;
}

describe('work that waits for a lull', () => {
  it('is done once each: while no pod is plugged, or five milliseconds after it began to wait', () =>
    fc.assert(
      fc.asyncProperty(given, async (times) => {
        const done = await played(times);
        expect(done.map(({ askedAt }) => askedAt).toSorted((a, b) => a - b)).toEqual(
          times.works.toSorted((a, b) => a - b),
        );
        for (const { askedAt, at, plugging } of done) {
          expect(at - askedAt).toBeLessThanOrEqual(5);
          // All that waits goes with the first whose time has come.
          if (plugging > 0) expect(done.some((each) => each.at === at && at - each.askedAt === 5)).toBe(true);
        }
      }),
    ));

  it('gives what the work gives, and fails as it fails', async () => {
    const lull = new Lull(new ManualClock());
    await expect(lull.during(() => Promise.resolve(7))).resolves.toBe(7);
    await expect(lull.during(() => Promise.reject(new Error('no link')))).rejects.toThrow('no link');
  });
});
