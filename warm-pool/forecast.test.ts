import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { withEffect } from './effects.ts';
import { forecast } from './forecast.ts';
import { addPod, at, answerAll, deletePod, planOf, send, snapshotOf, type World } from './granting-cloud.ts';
import { assign, emptyLedger, type Ledger, summary, withInFlight, withInterface, withSubnets } from './ledger.ts';
import { addressState } from './ledger-address.ts';
import type { AllocationMode, Attachment, NetworkInterface, WarmTargets } from './model.ts';
import { plan } from './plan.ts';

const START = 1_000_000;
const PRIMARY: NetworkInterface = {
  id: 'eni-primary',
  subnetId: 'subnet-a',
  mac: '02:00:00:00:00:00',
  primaryAddress: '172.31.0.10',
  isPrimary: true,
  deviceIndex: 0,
  networkCardIndex: 0,
  attachmentId: 'attach-0',
  phase: 'ready',
  managed: true,
  since: 0,
  blocks: [],
};

function worldOf(mode: AllocationMode, available: number): World {
  const limits = { maxInterfaces: 3, ipv4PerInterface: 10, maxPods: mode === 'prefix' ? 110 : 27 };
  const empty = withInterface(emptyLedger({ mode, limits, coolDownMs: 30_000 }), PRIMARY);
  const subnet = { id: 'subnet-a', cidr: '10.0.0.0/16', backOffUntil: 0, prefixBackOffUntil: 0 };
  const ledger = withSubnets(empty, [{ ...subnet, availableAddresses: available }]);
  return { ledger, now: START, waiting: [], fragmented: new Set(), made: 0 };
}

const attachment = (n: number): Attachment => ({ networkName: 'net', containerId: `c${n}`, ifName: 'eth0' });
const optional = fc.option(fc.nat(20), { nil: undefined });
const targetsArbitrary: fc.Arbitrary<WarmTargets> = fc.record({
  warmEniTarget: fc.nat(3),
  warmIpTarget: optional,
  minimumIpTarget: optional,
  warmPrefixTarget: fc.nat(3),
});
const step = fc.record({ kind: fc.constantFrom('add', 'delete', 'send', 'answer', 'time'), n: fc.nat(12) });

/** A pool with a past: pods that came and went, calls in flight, addresses that rest. */
const lived = fc
  .record({
    mode: fc.constantFrom<AllocationMode>('address', 'prefix'),
    available: fc.constantFrom(0, 5, 40, 4000),
    targets: targetsArbitrary,
    steps: fc.array(step, { maxLength: 25 }),
  })
  .map(({ mode, available, targets, steps }) => {
    let world = worldOf(mode, available);
    for (const { kind, n } of steps) {
      if (kind === 'add') world = addPod(world, attachment(n));
      if (kind === 'delete') world = deletePod(world, attachment(n));
      if (kind === 'send') world = send(world, planOf(world, targets).actions);
      if (kind === 'answer') world = answerAll(world);
      if (kind === 'time') world = at(world, world.now + n * 10_000);
    }
    return world;
  });

function ahead(world: World, targets: WarmTargets, ledger: Ledger = world.ledger) {
  return forecast(ledger, targets, { waiting: world.waiting.length, now: world.now, cloudBackOffUntil: 0 });
}

describe('forecast', () => {
  it('ends where the planner has nothing left to do, now or later, and touches no argument', () => {
    fc.assert(
      fc.property(lived, targetsArbitrary, (world, targets) => {
        const before = JSON.stringify(snapshotOf(world));
        const { settled, ledger, waiting, at: end, first } = ahead(world, targets);
        expect(settled).toBe(true);
        const left = plan(
          snapshotOf({ ...world, ledger, now: end, waiting: Array.from({ length: waiting }, (_, n) => attachment(n)) }),
          targets,
          end,
        );
        expect(left).toMatchObject({ actions: [], wakeAt: undefined });
        expect(first).toEqual(planOf(world, targets));
        expect(JSON.stringify(snapshotOf(world))).toBe(before);
      }),
    );
  });

  it('from its own end leads nowhere else: the current settings keep what they made', () => {
    fc.assert(
      fc.property(lived, targetsArbitrary, (world, targets) => {
        const end = ahead(world, targets);
        const rest = { ...world, ledger: end.ledger, now: end.at, waiting: [] };
        const again = ahead(
          { ...rest, waiting: Array.from({ length: end.waiting }, (_, n) => attachment(n)) },
          targets,
        );
        expect(again.steps).toEqual([]);
        expect(summary(again.ledger, again.at)).toEqual(summary(end.ledger, end.at));
      }),
    );
  });

  it('exceeds no limit, keeps every pod and gives no address back that a pod has', () => {
    fc.assert(
      fc.property(lived, targetsArbitrary, (world, targets) => {
        const { ledger, steps } = ahead(world, targets);
        const after = summary(ledger, Infinity);
        const before = summary(world.ledger, world.now);
        expect(after.interfaces).toBeLessThanOrEqual(3);
        expect(after.assigned).toBeGreaterThanOrEqual(before.assigned);
        expect(after.orphans).toBe(before.orphans);
        for (const { blocks } of ledger.interfaces.values()) expect(blocks.length).toBeLessThanOrEqual(9);
        for (const { actions } of steps) expect(actions.length).toBeGreaterThan(0);
      }),
    );
  });

  it('counts what is in flight once, also where its interface has arrived already', () => {
    const targets: WarmTargets = {
      warmEniTarget: 2,
      warmIpTarget: undefined,
      minimumIpTarget: undefined,
      warmPrefixTarget: 1,
    };
    const world = worldOf('address', 4000);
    const direct = ahead(world, targets);
    const sent = send(world, planOf(world, targets).actions);
    expect(ahead(sent, targets).steps).toEqual([]);
    expect(summary(ahead(sent, targets).ledger, START).total).toBe(summary(direct.ledger, START).total);
    const [id, create] = [...sent.ledger.inFlight].find(([, action]) => action.kind === 'create-interface') ?? [];
    if (id === undefined || create === undefined) throw new Error('an interface is being created');
    const grant = { interfaceId: 'eni-x', primaryAddress: '10.0.0.99', blocks: [], at: START };
    const arrived = withInFlight(withEffect(sent.ledger, create, grant), id, create);
    expect(summary(ahead(sent, targets, arrived).ledger, START).interfaces).toBe(
      summary(direct.ledger, START).interfaces,
    );
  });
});

describe('addressState', () => {
  it('agrees with what the ledger gave, for every address it ever gave', () => {
    fc.assert(
      fc.property(lived, fc.nat(40_000), (world, later) => {
        const time = world.now + later;
        const counts = {
          assigned: 0,
          cooling: 0,
          free: 0,
          primary: 0,
          orphaned: 0,
          'cooling-elsewhere': 0,
          unknown: 0,
        };
        for (const { blocks } of world.ledger.interfaces.values()) {
          for (const { base, size } of blocks) {
            for (let position = 0; position < size; position += 1) {
              const value = base + position;
              const text = [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
              counts[addressState(world.ledger, text, time).kind] += 1;
            }
          }
        }
        const { assigned, cooling, free } = summary(world.ledger, time);
        expect(counts).toMatchObject({ assigned, cooling, free, unknown: 0, orphaned: 0 });
      }),
    );
  });

  it('names the own address of an interface, and what it does not know', () => {
    const { ledger } = worldOf('address', 4000);
    expect(addressState(ledger, '172.31.0.10', START)).toMatchObject({ kind: 'primary' });
    expect(addressState(ledger, '10.0.0.11', START)).toEqual({ kind: 'unknown' });
    expect(addressState(ledger, 'fd00::1', START)).toEqual({ kind: 'unknown' });
    const none = assign(ledger, { attachment: attachment(1), pod: { namespace: '', name: '', uid: '' } }, START);
    expect(none.kind).toBe('refused');
  });
});
