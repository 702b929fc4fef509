import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { attachment, settle, targets, worlds } from './any-world.ts';
import { addPod, answer, at, deletePod, planOf, send, snapshotOf, type World } from './granting-cloud.ts';
import { assignments, emptyLedger, expire, withInFlight, withInterface, withPhase, withSubnets } from './ledger.ts';
import type { AllocationMode, WarmTargets } from './model.ts';
import { plan } from './plan.ts';
import { quietUntil } from './plan-quiet.ts';

/** Times at which something may change for want of nothing but time. */
const LATER_MS = [0, 1, 6999, 15_000, 29_999, 30_000, 30_001, 45_000, 59_999, 60_000, 120_000, 3_600_000];

interface Move {
  /** So many pods go and so many come. */
  readonly leave: number;
  readonly come: number;
  /** Whether the plan of this time is sent, and whether the oldest call under way is answered. */
  readonly plans: boolean;
  readonly answers: boolean;
}

/** Pods go and come at several times, with calls under way: some addresses are held, some cool, some are free. */
function stirred(world: World, moves: readonly Move[], target: WarmTargets): World {
  return moves.reduce((before, { leave, come, plans, answers }, turn) => {
    const leaving = assignments(before.ledger).slice(0, leave);
    const fewer = leaving.reduce((next, gone) => deletePod(next, gone.attachment), before);
    const names = Array.from({ length: come }, (_, n) => attachment(1000 + 10 * turn + n));
    const more = names.reduce(addPod, fewer);
    const [oldest] = more.ledger.inFlight.keys();
    const next = answers && oldest !== undefined ? answer(more, oldest) : more;
    const sent = plans ? begun(next, target) : next;
    return { ...sent, now: sent.now + 7000 };
  }, world);
}

/** A plan is sent; an interface that is to go drains meanwhile, as in the daemon. */
function begun(world: World, target: WarmTargets): World {
  const { actions } = planOf(world, target);
  const { ledger, ...rest } = send(world, actions);
  const draining = actions.reduce(
    (next, action) => (action.kind === 'delete-interface' ? withPhase(next, action.interfaceId, 'draining') : next),
    ledger,
  );
  return { ...rest, ledger: draining };
}

/** Nodes as most are: all that they hold is theirs, and of one kind. */
const plain: fc.Arbitrary<World> = fc
  .record({
    mode: fc.constantFrom<AllocationMode>('address', 'prefix'),
    maxInterfaces: fc.integer({ min: 1, max: 5 }),
    perInterface: fc.integer({ min: 2, max: 8 }),
    maxPods: fc.integer({ min: 1, max: 60 }),
    available: fc.constantFrom(40, 10_000),
    pods: fc.nat(30),
  })
  .map(plainNode);

/** The same with room for more interfaces, which are few addresses each. */
const roomy: fc.Arbitrary<World> = fc
  .record({
    mode: fc.constantFrom<AllocationMode>('address', 'address', 'prefix'),
    perInterface: fc.integer({ min: 2, max: 5 }),
    pods: fc.nat(8),
  })
  .map((one) => plainNode({ ...one, maxInterfaces: 8, maxPods: 110, available: 10_000 }));

function plainNode({
  mode,
  maxInterfaces,
  perInterface,
  maxPods,
  available,
  pods,
}: {
  readonly mode: AllocationMode;
  readonly maxInterfaces: number;
  readonly perInterface: number;
  readonly maxPods: number;
  readonly available: number;
  readonly pods: number;
}): World {
  const limits = { maxInterfaces, ipv4PerInterface: perInterface, maxPods };
  const subnet = { id: 'subnet-0', cidr: '10.0.0.0/20', availableAddresses: available };
  const ledger = withSubnets(emptyLedger({ mode, limits, coolDownMs: 30_000 }), [
    { ...subnet, backOffUntil: 0, prefixBackOffUntil: 0 },
  ]);
  const primary = {
    id: 'eni-primary',
    subnetId: 'subnet-0',
    mac: '02:00:00:00:00:00',
    primaryAddress: '10.0.0.4',
    isPrimary: true,
    deviceIndex: 0,
    networkCardIndex: 0,
    attachmentId: 'attach-0',
    phase: 'ready' as const,
    managed: true,
    since: 0,
    blocks: [],
  };
  const nothing: ReadonlySet<string> = new Set();
  const empty: World = {
    ledger: withInterface(ledger, primary),
    now: 1_000_000,
    waiting: [],
    fragmented: nothing,
    made: 10_000,
  };
  return Array.from({ length: pods }, (_, n) => attachment(n)).reduce(addPod, empty);
}

/** Interfaces that were asked for are there and not ready yet, while their calls are under way. */
function attaching(world: World): World {
  return [...world.ledger.inFlight].reduce((next, [id, action]) => {
    if (action.kind !== 'create-interface') return next;
    const { ledger, ...there } = answer(next, id);
    const [made] = [...ledger.interfaces.keys()].filter((one) => !next.ledger.interfaces.has(one));
    if (made === undefined) return next;
    return { ...there, ledger: withInFlight(withPhase(ledger, made, 'attaching'), id, action) };
  }, world);
}

const moves = fc.array(fc.record({ leave: fc.nat(4), come: fc.nat(3), plans: fc.boolean(), answers: fc.boolean() }), {
  maxLength: 12,
});

/** Whole interfaces and nothing else: what nodes have by default. */
const wholes: fc.Arbitrary<WarmTargets> = fc.nat(2).map((warm) => ({
  warmEniTarget: warm,
  warmIpTarget: undefined,
  minimumIpTarget: undefined,
  warmPrefixTarget: warm,
}));
const anyCase = fc.oneof(
  fc.record({ start: plain, target: wholes, isSettled: fc.boolean(), turns: moves }),
  fc.record({ start: plain, target: targets, isSettled: fc.boolean(), turns: moves }),
  fc.record({
    start: worlds({ rich: false, family: 'ipv4' }),
    target: targets,
    isSettled: fc.boolean(),
    turns: moves,
  }),
);

/** No plan does anything before the time that was named. */
function checkUntil({ ledger, ...world }: World, target: WarmTargets, until: number): void {
  expect(until).toBeGreaterThanOrEqual(world.now);
  const times = [...LATER_MS.map((later) => world.now + later), until - 1, expire(ledger, world.now).coolUntil];
  for (const now of times.filter((time) => time >= world.now && time < until && time < Infinity)) {
    for (const one of [ledger, expire(ledger, now)])
      expect(plan(snapshotOf({ ...world, ledger: one, now }), target, now).actions).toEqual([]);
  }
}

describe('a quiet node', () => {
  it('has no plan with actions before the time that is named, and there are such nodes', () => {
    const seen = { all: 0, forever: 0, forNow: 0 };
    fc.assert(
      fc.property(anyCase, ({ start, target, isSettled, turns }) => {
        const begin = isSettled ? settle(start, target).world : start;
        const { ledger, ...world } = stirred(begin, turns, target);
        if (world.waiting.length > 0) return;
        const rested = expire(ledger, world.now);
        const until = quietUntil(rested, target, world.now);
        seen.all += 1;
        seen.forever += Number(until === Infinity);
        seen.forNow += Number(until > world.now && until < Infinity);
        checkUntil({ ...world, ledger }, target, until);
      }),
      { numRuns: 800 },
    );

    expect(seen.forever).toBeGreaterThan(seen.all / 25);
    expect(seen.forNow).toBeGreaterThan(seen.all / 100);
  });

  it('has none either while interfaces come and go and pods with them, and there are such nodes', () => {
    let busy = 0;
    const few = fc.nat(8);
    const crowd = fc.record({
      leave: few,
      come: few,
      later: fc.constantFrom(0, 30_000, 70_000),
      leaveLast: few,
      comeLast: few,
    });
    fc.assert(
      fc.property(
        roomy,
        wholes,
        crowd,
        fc.boolean(),
        (start, target, { leave, come, later, leaveLast, comeLast }, arrives) => {
          const moved = stirred(settle(start, target).world, [{ leave, come, plans: false, answers: false }], target);
          const sent = begun(at(moved, moved.now + later), target);
          const arrived = arrives ? attaching(sent) : sent;
          const world = stirred(arrived, [{ leave: leaveLast, come: comeLast, plans: false, answers: false }], target);
          if (world.waiting.length > 0 || world.ledger.inFlight.size === 0) return;
          const until = quietUntil(expire(world.ledger, world.now), target, world.now);
          busy += Number(until > world.now);
          checkUntil(world, target, until);
        },
      ),
      { numRuns: 600 },
    );
    expect(busy).toBeGreaterThan(20);
  });

  it('is looked at closely enough: where nothing is under way a plan that does nothing is mostly foretold', () => {
    let [idle, foretold] = [0, 0];
    fc.assert(
      fc.property(plain, targets, moves, (start, target, turns) => {
        const settled = settle(stirred(settle(start, target).world, turns, target), target).world;
        if (settled.waiting.length > 0 || settled.ledger.inFlight.size > 0) return;
        idle += 1;
        foretold += Number(quietUntil(expire(settled.ledger, settled.now), target, settled.now) > settled.now);
      }),
      { numRuns: 300 },
    );

    expect(foretold).toBeGreaterThan(idle / 5);
  });
});
