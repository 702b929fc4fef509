/** Any node and what must hold of it: for the property tests of the planner. */

import { expect } from '@jest/globals';
import * as fc from 'fast-check';
import { explain } from './explain.ts';
import { addPod, answerAll, at, freshBlocks, planOf, send, snapshotOf, type World } from './granting-cloud.ts';
import { formatIpv6Prefix, parseIpv6 } from './ipv6.ts';
import { addressesOf, assignments, emptyLedger, withExclusions, withInterface, withSubnets } from './ledger.ts';
import type {
  Action,
  AllocationMode,
  Attachment,
  Family,
  InterfacePhase,
  NetworkInterface,
  WarmTargets,
} from './model.ts';
import { YOUNG_MS } from './plan-shrink.ts';

const START = 1_000_000;

const mode = fc.constantFrom<AllocationMode>('address', 'prefix');
const optionalTarget = fc.option(fc.nat(20), { nil: undefined });
/** Any targets. */
export const targets: fc.Arbitrary<WarmTargets> = fc.record({
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
  /** /80 prefixes it has. */
  readonly ipv6: number;
}

const seed: fc.Arbitrary<Seed> = fc.record({
  kind: fc.constantFrom('ours', 'ours', 'ours', 'unmanaged'),
  phase: fc.constantFrom<InterfacePhase>('ready', 'ready', 'ready', 'ready', 'attaching', 'draining'),
  singles: fc.nat(5),
  prefixes: fc.nat(3),
  age: fc.constantFrom(0, 59_999, 60_000, 600_000),
  excluded: fc.constantFrom(false, false, false, true),
  ipv6: fc.constantFrom(0, 0, 1, 1, 2),
});
const families: readonly Family[] = ['ipv4', 'ipv6', 'dual'];

/** The attachment of a numbered pod. */
export function attachment(n: number): Attachment {
  return { networkName: 'aws-cni', containerId: `c${n}`, ifName: 'eth0' };
}

function firstWorld(setup: {
  mode: AllocationMode;
  /** Before the daemon was started anew with the other, when the first pods had come. */
  earlier: Family;
  family: Family;
  maxInterfaces: number;
  perInterface: number;
  maxPods: number;
  seeds: readonly Seed[];
  pods: number;
  available: readonly number[];
  fragmented: readonly boolean[];
  hasIpv6: readonly (boolean | undefined)[];
  refusingIpv6: readonly boolean[];
}): World {
  const limits = { maxInterfaces: setup.maxInterfaces, ipv4PerInterface: setup.perInterface, maxPods: setup.maxPods };
  const ids = setup.available.map((_, index) => `subnet-${index}`);
  const subnets = setup.available.map((availableAddresses, index) => {
    const hasIpv6 = setup.hasIpv6[index];
    const known = { cidr: `10.0.${index}.0/24`, availableAddresses, backOffUntil: 0, prefixBackOffUntil: 0 };
    return { id: `subnet-${index}`, ...known, ...(hasIpv6 === undefined ? {} : { hasIpv6 }) };
  });
  const { mode, earlier, family } = setup;
  let ledger = withSubnets(emptyLedger({ mode, family: earlier, limits, coolDownMs: 30_000 }), subnets);
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
      ipv6Prefixes: Array.from({ length: one.ipv6 }, (_, n) => `2001:db8:1:${index}:${n + 1}::/80`),
    };
    ledger = withInterface(ledger, networkInterface);
  }
  const fragmented = new Set(ids.filter((_, index) => setup.fragmented[index] === true));
  const refusingIpv6 = new Set(ids.filter((_, index) => setup.refusingIpv6[index] === true));
  let world: World = { ledger, now: START, waiting: [], fragmented, refusingIpv6, made: 10_000 };
  for (let pod = 0; pod < setup.pods; pod += 1) world = addPod(world, attachment(pod));
  const excluded = new Set(setup.seeds.flatMap((one, index) => (one.excluded ? [`eni-seed-${index}`] : [])));
  const restarted = { ...world.ledger, config: { ...world.ledger.config, family } };
  return at({ ...world, ledger: withExclusions(restarted, ({ id }) => excluded.has(id)) }, START);
}

/**
 * Any node: interfaces, pods that came while it was of another family, subnets. `rich`: no subnet refuses anything for good.
 */
export function worlds({ rich, family }: { rich: boolean; family?: Family }): fc.Arbitrary<World> {
  const hasIpv6 = rich ? fc.constantFrom(true, undefined) : fc.constantFrom(true, true, undefined, false);
  return fc
    .record({
      mode,
      earlier: fc.constantFrom(...families),
      family: family === undefined ? fc.constantFrom(...families) : fc.constant(family),
      maxInterfaces: fc.integer({ min: 1, max: 6 }),
      perInterface: fc.integer({ min: 1, max: 8 }),
      maxPods: fc.integer({ min: 1, max: 60 }),
      seeds: fc.array(seed, { minLength: 1, maxLength: 5 }),
      pods: fc.nat(30),
      available: fc.array(rich ? fc.constant(10_000) : fc.nat(60), { minLength: 1, maxLength: 3 }),
      fragmented: fc.array(rich ? fc.constant(false) : fc.boolean(), { minLength: 3, maxLength: 3 }),
      hasIpv6: fc.array(hasIpv6, { minLength: 3, maxLength: 3 }),
      refusingIpv6: fc.array(rich ? fc.constant(false) : fc.constantFrom(false, false, true), {
        minLength: 3,
        maxLength: 3,
      }),
    })
    .map(firstWorld);
}

/** Plans and answers until a plan is empty, checking every plan; returns what was done. */
export function settle(start: World, target: WarmTargets): { world: World; done: readonly Action[] } {
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
export function settleForGood(start: World, target: WarmTargets): { world: World; done: readonly Action[] } {
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

/** What holds of every action of a plan. */
export function checkActions(world: World, actions: readonly Action[]): void {
  const { interfaces } = snapshotOf(world);
  for (const action of actions) {
    expect(explain(action.why)).not.toMatch(/undefined|unknown|NaN/);
    if (action.kind === 'create-interface') continue;
    const use = interfaces.find((one) => one.networkInterface.id === action.interfaceId);
    expect(use?.networkInterface.managed).toBe(true);
    if (action.kind === 'assign') expect(use?.networkInterface.excludedFromPods ?? false).toBe(false);
    if (action.kind === 'assign-ipv6-prefix') expect(use?.ipv6 ?? []).toEqual([]);
    if (use === undefined || action.kind === 'assign' || action.kind === 'assign-ipv6-prefix') continue;
    const gone = use.blocks.filter(
      ({ block }) => action.kind === 'delete-interface' || action.cidrs.includes(block.cidr),
    );
    expect(gone.reduce((sum, block) => sum + block.assigned + block.cooling, 0)).toBe(0);
    if (action.kind === 'release') {
      expect(gone).toHaveLength(action.cidrs.length);
      continue;
    }
    const isBegun = action.why.reason === 'interrupted-deletion';
    expect(use.networkInterface).toMatchObject({ isPrimary: false, phase: isBegun ? 'draining' : 'ready' });
    if (isBegun) continue;
    expect(world.now - use.networkInterface.since).toBeGreaterThanOrEqual(YOUNG_MS);
  }
}

/** What holds of a node at any time. */
export function checkLimits(world: World): void {
  const { interfaces, limits } = snapshotOf(world);
  checkFamilies(world);
  expect(interfaces.length).toBeLessThanOrEqual(limits.maxInterfaces);
  for (const { blocks } of interfaces) expect(blocks.length).toBeLessThanOrEqual(limits.ipv4PerInterface - 1);
  const indexes = interfaces.map(({ networkInterface: { deviceIndex } }) => deviceIndex);
  expect(new Set(indexes).size).toBe(indexes.length);
}

/** Nobody shares an address, and whoever has one of a /80 has it on an interface that holds the /80. */
function checkFamilies({ ledger }: World): void {
  const held = assignments(ledger);
  const addresses = held.flatMap(addressesOf);
  expect(new Set(addresses).size).toBe(addresses.length);
  for (const one of held) {
    const prefixes = ledger.interfaces.get(one.interfaceId)?.networkInterface.ipv6Prefixes ?? [];
    for (const address of addressesOf(one).filter((text) => text.includes(':'))) {
      expect(prefixes).toContain(formatIpv6Prefix({ network: parseIpv6(address)?.network ?? '' }));
      expect(parseIpv6(address)?.position).toBeGreaterThan(0);
    }
  }
}
