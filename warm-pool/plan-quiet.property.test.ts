import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { attachment, settle, targets, worlds } from './any-world.ts';
import { addPod, deletePod, snapshotOf, type World } from './granting-cloud.ts';
import { assignments, expire } from './ledger.ts';
import { plan } from './plan.ts';
import { isQuiet } from './plan-quiet.ts';

/** Times at which something may change for want of nothing but time. */
const LATER_MS = [0, 1, 15_000, 29_999, 30_000, 30_001, 45_000, 60_000, 120_000, 3_600_000];

/** Some pods go and some come, at several times, so that some addresses are held, some cool and some are free. */
function stirred(world: World, moves: readonly { readonly leave: number; readonly come: number }[]): World {
  return moves.reduce((next, { leave, come }, turn) => {
    const held = assignments(next.ledger);
    const gone = held[leave % Math.max(1, held.length)];
    const fewer = gone === undefined ? next : deletePod(next, gone.attachment);
    const more = come === 0 ? fewer : addPod(fewer, attachment(1000 + turn));
    return { ...more, now: more.now + 7000 };
  }, world);
}

const moves = fc.array(fc.record({ leave: fc.nat(40), come: fc.nat(1) }), { maxLength: 12 });

describe('a quiet node', () => {
  it('has no plan with actions, now or at any later time, and there are such nodes', () => {
    let [quiet, all] = [0, 0];
    fc.assert(
      fc.property(worlds({ rich: false, family: 'ipv4' }), targets, moves, (start, target, turns) => {
        const world = stirred(settle(start, target).world, turns);
        if (world.waiting.length > 0) return;
        all += 1;
        if (!isQuiet(world.ledger, target)) return;
        quiet += 1;
        for (const later of LATER_MS) {
          const now = world.now + later;
          for (const ledger of [world.ledger, expire(world.ledger, now)])
            expect(plan(snapshotOf({ ...world, ledger, now }), target, now).actions).toEqual([]);
        }
      }),
      { numRuns: 600 },
    );
    expect(quiet).toBeGreaterThan(all / 25);
  });
});
