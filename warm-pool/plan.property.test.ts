import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { attachment, checkActions, checkLimits, settle, settleForGood, targets, worlds } from './any-world.ts';
import { explain } from './explain.ts';
import { addPod, answer, answerAll, at, deletePod, planOf, send, snapshotOf, type World } from './granting-cloud.ts';
import { assignments, summary } from './ledger.ts';
import type { Action, WarmTargets } from './model.ts';
import { plan } from './plan.ts';

/** What the targets promise, in the words of the peer's documentation; without what waits or is capped. */
function leastFree({ ledger }: World, target: WarmTargets): number {
  const [warm, minimum] = [target.warmIpTarget ?? 0, target.minimumIpTarget ?? 0];
  if (ledger.config.family === 'ipv6') return 1;
  if (warm > 0 || minimum > 0) return warm;
  if (ledger.config.mode === 'prefix') return Math.max(1, 16 * target.warmPrefixTarget);
  return Math.max(1, target.warmEniTarget * (ledger.config.limits.ipv4PerInterface - 1));
}

const grows = ({ kind }: Pick<Action, 'kind'>): boolean =>
  kind === 'create-interface' || kind === 'assign' || kind === 'assign-ipv6-prefix';
const shrinks = ({ kind, why }: Action): boolean =>
  !grows({ kind }) &&
  !['wrong-mode', 'interface-excluded', 'no-ipv6-cidr', 'interrupted-deletion'].includes(why.reason);

describe('the planner, for any node and any targets', () => {
  it('converges, within limits, and never asks twice', () => {
    fc.assert(
      fc.property(worlds({ rich: true }), targets, (world, target) => {
        settleForGood(world, target);
      }),
      { numRuns: 400 },
    );
  });

  it('converges where subnets run out of addresses or of /28 blocks', () => {
    fc.assert(
      fc.property(worlds({ rich: false }), targets, (world, target) => {
        settle(world, target);
      }),
      { numRuns: 400 },
    );
  });

  it('does not grow after it released something, as long as demand stays', () => {
    fc.assert(
      fc.property(worlds({ rich: true }), targets, (world, target) => {
        const { done } = settleForGood(world, target);
        const firstShrink = done.findIndex(shrinks);
        const later = firstShrink < 0 ? [] : done.slice(firstShrink).filter(grows);
        expect(later).toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  it('leaves a pod waiting only with a reason', () => {
    fc.assert(
      fc.property(worlds({ rich: false }), targets, (world, target) => {
        const settled = settle(world, target).world;
        const { refusals } = planOf(settled, target);
        for (const { why } of refusals) expect(explain(why)).not.toMatch(/undefined|unknown|NaN/);
        const attaching = snapshotOf(settled).interfaces.some((one) => one.networkInterface.phase === 'attaching');
        if (settled.waiting.length > 0 && !attaching) expect(refusals).not.toEqual([]);
      }),
      { numRuns: 400 },
    );
  });

  it('meets the targets wherever nothing was refused', () => {
    fc.assert(
      fc.property(worlds({ rich: true }), targets, (world, target) => {
        const settled = settleForGood(world, target).world;
        const { refusals } = planOf(settled, target);
        const attaching = snapshotOf(settled).interfaces.some((one) => one.networkInterface.phase === 'attaching');
        if (refusals.length > 0 || attaching) return;
        const pool = summary(settled.ledger, settled.now);
        if (pool.total >= settled.ledger.config.limits.maxPods) return;
        expect(pool.assignable).toBeGreaterThanOrEqual(leastFree(settled, target));
      }),
      { numRuns: 400 },
    );
  });

  it('keeps its promises while pods come and go and calls are answered in any order', () => {
    const event = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), pod: fc.nat(40) }),
      fc.record({ kind: fc.constant('delete' as const), pod: fc.nat(40) }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 1000, 30_000, 60_000) }),
      fc.record({ kind: fc.constant('answer' as const), which: fc.nat(5) }),
      fc.constant({ kind: 'plan' as const }),
    );
    fc.assert(
      fc.property(
        worlds({ rich: false }),
        targets,
        fc.array(event, { maxLength: 60, size: 'max' }),
        (start, target, events) => {
          let world = start;
          for (const one of events) {
            if (one.kind === 'add') world = addPod(world, attachment(one.pod));
            if (one.kind === 'delete') world = deletePod(world, attachment(one.pod));
            if (one.kind === 'wait') world = at(world, world.now + one.ms);
            if (one.kind === 'answer') world = answer(world, [...world.ledger.inFlight.keys()][one.which] ?? '');
            if (one.kind === 'plan') {
              const { actions } = planOf(world, target);
              checkActions(world, actions);
              world = send(world, actions);
              expect(planOf(world, target).actions).toEqual([]);
            }
            checkLimits(world);
            expect(world.ledger.orphans.size).toBe(0);
          }
          settle(answerAll(world), target);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('empties excluded interfaces: in the end each holds only what pods have, and without pods it is gone', () => {
    fc.assert(
      fc.property(worlds({ rich: true }), targets, (start, target) => {
        const world = settleForGood(start, target).world;
        for (const { networkInterface, blocks, ipv6 = [] } of snapshotOf(world).interfaces) {
          const { managed, excludedFromPods, isPrimary, phase } = networkInterface;
          if (excludedFromPods !== true || !managed || phase !== 'ready') continue;
          for (const block of blocks) expect(block.assigned).toBeGreaterThan(0);
          if (!isPrimary) expect([...blocks, ...ipv6].some(({ assigned }) => assigned > 0)).toBe(true);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('gives no pod an address of an excluded interface, and takes none from the pods that are there', () => {
    fc.assert(
      fc.property(worlds({ rich: false }), targets, fc.integer({ min: 1, max: 40 }), (start, target, pods) => {
        const excluded = new Set(
          snapshotOf(start).interfaces.flatMap(({ networkInterface: { id, excludedFromPods } }) =>
            excludedFromPods === true ? [id] : [],
          ),
        );
        const held = (world: World) => assignments(world.ledger).filter((one) => excluded.has(one.interfaceId));
        let world = start;
        for (let pod = 0; pod < pods; pod += 1) world = addPod(world, attachment(100 + pod));
        expect(held(settle(world, target).world)).toEqual(held(start));
      }),
      { numRuns: 400 },
    );
  });

  it('is a function of its arguments, whatever the order of what it is given', () => {
    fc.assert(
      fc.property(worlds({ rich: false }), targets, (world, target) => {
        const reversed: World = {
          ...world,
          ledger: { ...world.ledger, subnets: new Map([...world.ledger.subnets].toReversed()) },
        };
        expect(planOf(reversed, target)).toEqual(planOf(world, target));
      }),
    );
  });

  it('does nothing while the cloud is left alone, and says until when', () => {
    fc.assert(
      fc.property(worlds({ rich: true }), targets, (world, target) => {
        const wanted = planOf(world, target);
        fc.pre(wanted.actions.length > 0);
        const cloudBackOffUntil = world.now + 5000;
        const held = plan({ ...snapshotOf(world), cloudBackOffUntil }, target, world.now);
        expect(held.actions).toEqual([]);
        expect(held.refusals.map(({ why }) => why.reason)).toContain('cloud-back-off');
        expect(held.wakeAt).toBeLessThanOrEqual(cloudBackOffUntil);
      }),
    );
  });
});
