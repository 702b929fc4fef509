import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { attachment, settle, settleForGood, targets, worlds } from './any-world.ts';
import { addPod, planOf, snapshotOf } from './granting-cloud.ts';
import { assignments } from './ledger.ts';
import type { Action } from './model.ts';

describe('the planner, for IPv6 and dual-stack nodes', () => {
  it('serves every pod of an IPv6 node from one /80, makes one interface for it at most, and keeps none that is of no use', () => {
    fc.assert(
      fc.property(
        worlds({ rich: true, family: 'ipv6' }),
        targets,
        fc.integer({ min: 1, max: 60 }),
        (start, target, pods) => {
          const asks = ({ kind }: Action) => kind === 'assign-ipv6-prefix' || kind === 'create-interface';
          const first = settle(start, target);
          let { world } = first;
          for (let pod = 0; pod < pods; pod += 1) world = addPod(world, attachment(100 + pod));
          const { world: last, done } = settleForGood(world, target);
          expect([...first.done, ...done].filter(asks).length).toBeLessThanOrEqual(1);
          expect([...first.done, ...done].filter(({ kind }) => kind === 'assign')).toEqual([]);
          const attaching = snapshotOf(last).interfaces.some((one) => one.networkInterface.phase === 'attaching');
          if (planOf(last, target).refusals.length > 0 || attaching) return;
          expect(last.waiting).toEqual([]);
          const fresh = assignments(last.ledger).filter((one) => Number(one.attachment.containerId.slice(1)) >= 100);
          for (const one of fresh) expect(one.address).toContain(':');
          expect(new Set(fresh.map(({ cidr }) => cidr)).size).toBeLessThanOrEqual(1);
          const useless = snapshotOf(last).interfaces.filter(
            ({ networkInterface: { isPrimary, managed, id }, blocks, ipv6 = [] }) =>
              managed &&
              !isPrimary &&
              [...blocks, ...ipv6].every(({ assigned }) => assigned === 0) &&
              fresh.every(({ interfaceId }) => interfaceId !== id),
          );
          // The interface of the /80 itself is of use before the first pod comes.
          expect(useless.length).toBeLessThanOrEqual(fresh.length > 0 ? 0 : 1);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('gives each pod of a dual-stack node one address of each family, and asks for each /80 once', () => {
    fc.assert(
      fc.property(worlds({ rich: true, family: 'dual' }), targets, (start, target) => {
        const before = new Set(assignments(start.ledger).map(({ attachment: { containerId } }) => containerId));
        const { world, done } = settleForGood(start, target);
        const asked = done.flatMap((one) => (one.kind === 'assign-ipv6-prefix' ? [one.interfaceId] : []));
        expect(new Set(asked).size).toBe(asked.length);
        for (const action of done) if (action.kind === 'create-interface') expect(action.ipv6PrefixCount).toBe(1);
        for (const one of assignments(world.ledger)) {
          if (before.has(one.attachment.containerId)) continue;
          expect([one.address.includes('.'), one.ipv6Address?.includes(':')]).toEqual([true, true]);
        }
      }),
      { numRuns: 200 },
    );
  });
});
