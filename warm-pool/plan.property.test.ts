import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { explain } from './explain.ts';
import {
  addPod,
  answer,
  answerAll,
  at,
  deletePod,
  freshBlocks,
  planOf,
  send,
  snapshotOf,
  type World,
} from './granting-cloud.ts';
import { assignments, emptyLedger, summary, withExclusions, withInterface, withSubnets } from './ledger.ts';
import type { Action, AllocationMode, Attachment, InterfacePhase, NetworkInterface, WarmTargets } from './model.ts';
import { plan } from './plan.ts';
import { YOUNG_MS } from './plan-shrink.ts';

const START = 1_000_000;

const mode = fc.constantFrom<AllocationMode>('address', 'prefix');
const optionalTarget = fc.option(fc.nat(20), { nil: undefined });
const targets: fc.Arbitrary<WarmTargets> = fc.record({
  warmEniTarget: fc.nat(3),
  warmIpTarget: optionalTarget,
  minimumIpTarget: optionalTarget,
  warmPrefixTarget: fc.nat(3),
});

interface Seed {
  readonly kind: 'ours' | 'unmanaged';
  readonly phase: InterfacePhase;
  readonly singles: number;
  readonly prefixes: number;
  readonly age: number;
  /** Its subnet was excluded after the first pods had come. */
  readonly excluded: boolean;
}

const seed: fc.Arbitrary<Seed> = fc.record({
  kind: fc.constantFrom('ours', 'ours', 'ours', 'unmanaged'),
  phase: fc.constantFrom<InterfacePhase>('ready', 'ready', 'ready', 'attaching'),
  singles: fc.nat(5),
  prefixes: fc.nat(3),
  age: fc.constantFrom(0, 59_999, 60_000, 600_000),
  excluded: fc.constantFrom(false, false, false, true),
});

function attachment(n: number): Attachment {
  return { networkName: 'aws-cni', containerId: `c${n}`, ifName: 'eth0' };
}

function firstWorld(setup: {
  mode: AllocationMode;
  maxInterfaces: number;
  perInterface: number;
  maxPods: number;
  seeds: readonly Seed[];
  pods: number;
  available: readonly number[];
  fragmented: readonly boolean[];
}): World {
  const limits = { maxInterfaces: setup.maxInterfaces, ipv4PerInterface: setup.perInterface, maxPods: setup.maxPods };
  const ids = setup.available.map((_, index) => `subnet-${index}`);
  const subnets = setup.available.map((availableAddresses, index) => ({
    id: `subnet-${index}`,
    cidr: `10.0.${index}.0/24`,
    availableAddresses,
    backOffUntil: 0,
    prefixBackOffUntil: 0,
  }));
  let ledger = withSubnets(emptyLedger({ mode: setup.mode, limits, coolDownMs: 30_000 }), subnets);
  for (const [index, one] of setup.seeds.slice(0, setup.maxInterfaces).entries()) {
    const room = setup.perInterface - 1;
    const singles = freshBlocks('address', Math.min(one.singles, room), 1000 + index * 100);
    const prefixes = freshBlocks('prefix', Math.min(one.prefixes, room - singles.length), 1000 + index * 100);
    const isPrimary = index === 0;
    const networkInterface: NetworkInterface = {
      id: `eni-seed-${index}`,
      subnetId: ids[index % ids.length] ?? 'subnet-0',
      mac: '02:00:00:00:00:00',
      primaryAddress: '10.0.0.4',
      isPrimary,
      deviceIndex: isPrimary ? 0 : index * 2 - 1,
      networkCardIndex: 0,
      attachmentId: `attach-${index}`,
      phase: isPrimary ? 'ready' : one.phase,
      managed: isPrimary || one.kind === 'ours',
      since: START - one.age,
      blocks: [...singles, ...prefixes],
    };
    ledger = withInterface(ledger, networkInterface);
  }
  const fragmented = new Set(ids.filter((_, index) => setup.fragmented[index] === true));
  let world: World = { ledger, now: START, waiting: [], fragmented, made: 10_000 };
  for (let pod = 0; pod < setup.pods; pod += 1) world = addPod(world, attachment(pod));
  const excluded = new Set(setup.seeds.flatMap((one, index) => (one.excluded ? [`eni-seed-${index}`] : [])));
  return { ...world, ledger: withExclusions(world.ledger, ({ id }) => excluded.has(id)) };
}

function worlds({ rich }: { rich: boolean }): fc.Arbitrary<World> {
  return fc
    .record({
      mode,
      maxInterfaces: fc.integer({ min: 1, max: 6 }),
      perInterface: fc.integer({ min: 1, max: 8 }),
      maxPods: fc.integer({ min: 1, max: 60 }),
      seeds: fc.array(seed, { minLength: 1, maxLength: 5 }),
      pods: fc.nat(30),
      available: fc.array(rich ? fc.constant(10_000) : fc.nat(60), { minLength: 1, maxLength: 3 }),
      fragmented: fc.array(rich ? fc.constant(false) : fc.boolean(), { minLength: 3, maxLength: 3 }),
    })
    .map(firstWorld);
}

/** Plans and answers until a plan is empty, checking every plan; returns what was done. */
function settle(start: World, target: WarmTargets): { world: World; done: readonly Action[] } {
  let world = start;
  const done: Action[] = [];
  for (let step = 0; step < 12; step += 1) {
    const { actions } = planOf(world, target);
    checkActions(world, actions);
    if (actions.length === 0) return { world, done };
    done.push(...actions);
    const sent = send(world, actions);
    expect(planOf(sent, target).actions).toEqual([]);
    world = answerAll(sent);
    checkLimits(world);
  }
  throw new Error(`no empty plan after 12 steps: ${JSON.stringify(planOf(world, target))}`);
}

/** Like `settle`, then on to every time at which the plan says that it may change. */
function settleForGood(start: World, target: WarmTargets): { world: World; done: readonly Action[] } {
  let { world, done } = settle(start, target);
  for (let rounds = 0; rounds < 100; rounds += 1) {
    const { wakeAt } = planOf(world, target);
    if (wakeAt === undefined) return { world, done };
    expect(wakeAt).toBeGreaterThan(world.now);
    const next = settle(at(world, wakeAt), target);
    world = next.world;
    done = [...done, ...next.done];
  }
  throw new Error('time alone keeps changing the plan');
}

function checkActions(world: World, actions: readonly Action[]): void {
  const { interfaces } = snapshotOf(world);
  for (const action of actions) {
    expect(explain(action.why)).not.toMatch(/undefined|unknown|NaN/);
    if (action.kind === 'create-interface') continue;
    const use = interfaces.find((one) => one.networkInterface.id === action.interfaceId);
    expect(use?.networkInterface.managed).toBe(true);
    if (action.kind === 'assign') expect(use?.networkInterface.excludedFromPods ?? false).toBe(false);
    if (use === undefined || action.kind === 'assign') continue;
    const gone = use.blocks.filter(
      ({ block }) => action.kind === 'delete-interface' || action.cidrs.includes(block.cidr),
    );
    expect(gone.reduce((sum, block) => sum + block.assigned + block.cooling, 0)).toBe(0);
    if (action.kind === 'release') {
      expect(gone).toHaveLength(action.cidrs.length);
      continue;
    }
    expect(use.networkInterface).toMatchObject({ isPrimary: false, phase: 'ready' });
    expect(world.now - use.networkInterface.since).toBeGreaterThanOrEqual(YOUNG_MS);
  }
}

function checkLimits(world: World): void {
  const { interfaces, limits } = snapshotOf(world);
  expect(interfaces.length).toBeLessThanOrEqual(limits.maxInterfaces);
  for (const { blocks } of interfaces) expect(blocks.length).toBeLessThanOrEqual(limits.ipv4PerInterface - 1);
  const indexes = interfaces.map(({ networkInterface: { deviceIndex } }) => deviceIndex);
  expect(new Set(indexes).size).toBe(indexes.length);
}

/** What the targets promise, in the words of the peer's documentation; without what waits or is capped. */
function leastFree({ ledger }: World, target: WarmTargets): number {
  const [warm, minimum] = [target.warmIpTarget ?? 0, target.minimumIpTarget ?? 0];
  if (warm > 0 || minimum > 0) return warm;
  if (ledger.config.mode === 'prefix') return Math.max(1, 16 * target.warmPrefixTarget);
  return Math.max(1, target.warmEniTarget * (ledger.config.limits.ipv4PerInterface - 1));
}

const grows = ({ kind }: Pick<Action, 'kind'>): boolean => kind === 'create-interface' || kind === 'assign';
const shrinks = ({ kind, why }: Action): boolean =>
  !grows({ kind }) && !['wrong-mode', 'interface-excluded'].includes(why.reason);

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
        for (const { networkInterface, blocks } of snapshotOf(world).interfaces) {
          const { managed, excludedFromPods, isPrimary, phase } = networkInterface;
          if (excludedFromPods !== true || !managed || phase !== 'ready') continue;
          for (const block of blocks) expect(block.assigned).toBeGreaterThan(0);
          if (!isPrimary) expect(blocks.length).toBeGreaterThan(0);
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
