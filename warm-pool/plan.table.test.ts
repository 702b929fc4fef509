import { describe, expect, it } from '@jest/globals';
import { answerAll, addPod, at, deletePod, freshBlocks, planOf, send, type World } from './granting-cloud.ts';
import { assign, emptyLedger, summary, unassign, withCoolDown, withInterface, withSubnets } from './ledger.ts';
import type { AllocationMode, Attachment, NetworkInterface, WarmTargets } from './model.ts';

interface NodeShape {
  readonly mode: AllocationMode;
  readonly maxInterfaces?: number;
  /** Addresses beside the primary one. */
  readonly perInterface: number;
  readonly maxPods?: number;
  /** Blocks of each interface at first, the primary's first. */
  readonly blocks: readonly number[];
  readonly used?: number;
  readonly coolDownMs?: number;
}

function attachment(n: number): Attachment {
  return { networkName: 'aws-cni', containerId: `c${n}`, ifName: 'eth0' };
}

function interfaceAt(n: number, blocks: NetworkInterface['blocks']): NetworkInterface {
  return {
    id: `eni-${n}`,
    subnetId: 'subnet-0',
    mac: '02:00:00:00:00:00',
    primaryAddress: '10.0.0.4',
    isPrimary: n === 0,
    deviceIndex: n,
    networkCardIndex: 0,
    attachmentId: '',
    phase: 'ready',
    managed: true,
    since: -600_000,
    blocks,
  };
}

function node({
  mode,
  maxInterfaces = 15,
  perInterface,
  maxPods = 1000,
  blocks,
  used = 0,
  coolDownMs = 0,
}: NodeShape): World {
  const limits = { maxInterfaces, ipv4PerInterface: perInterface + 1, maxPods };
  const subnet = {
    id: 'subnet-0',
    cidr: '10.0.0.0/8',
    availableAddresses: 100_000,
    backOffUntil: 0,
    prefixBackOffUntil: 0,
  };
  const empty = withSubnets(emptyLedger({ mode, limits, coolDownMs }), [subnet]);
  const ledger = blocks.reduce(
    (next, count, n) => withInterface(next, interfaceAt(n, freshBlocks(mode, count, n * 100))),
    empty,
  );
  let world: World = { ledger, now: 0, waiting: [], fragmented: new Set(), made: 10_000 };
  for (let n = 0; n < used; n += 1) world = addPod(world, attachment(n));
  return world;
}

function targets(set: { eni?: number; ip?: number; min?: number; prefix?: number }): WarmTargets {
  return {
    warmEniTarget: set.eni ?? 1,
    warmIpTarget: set.ip,
    minimumIpTarget: set.min,
    warmPrefixTarget: set.prefix ?? 0,
  };
}

function settle(start: World, wanted: WarmTargets): World {
  let world = start;
  for (let step = 0; step < 10; step += 1) {
    const { actions } = planOf(world, wanted);
    if (actions.length === 0) return world;
    world = answerAll(send(world, actions));
  }
  throw new Error('does not settle');
}

describe('where the peer is left behind on purpose', () => {
  it('counts no cooling address as available: the peer would call this pool full', () => {
    const start = node({ mode: 'address', perInterface: 14, blocks: [5], used: 5, coolDownMs: 30_000 });
    const world = [0, 1, 2, 3, 4].reduce((next, n) => deletePod(next, attachment(n)), start);
    expect(planOf(world, targets({ ip: 5 })).actions).toMatchObject([{ kind: 'assign', count: 5 }]);
  });

  it('gives no cooling address back, and wakes when it has rested', () => {
    const wanted = targets({ ip: 1 });
    const start = node({ mode: 'address', perInterface: 14, blocks: [6], used: 5, coolDownMs: 30_000 });
    const world = [0, 1, 2, 3, 4].reduce((next, n) => deletePod(next, attachment(n)), start);
    const plan = planOf(world, wanted);
    expect(plan).toEqual({ actions: [], refusals: [], wakeAt: 30_000 });
    const later = planOf(at(world, 30_000), wanted);
    expect(later.actions).toMatchObject([{ kind: 'release', cidrs: { length: 5 } }]);
  });

  it('asks for every interface that is needed in one plan: the peer takes one tick each', () => {
    const start = node({ mode: 'address', maxInterfaces: 15, perInterface: 29, blocks: [29], used: 110 });
    const { actions } = planOf(start, targets({ ip: 5 }));
    expect(start.waiting).toHaveLength(81);
    expect(actions.map((one) => ('count' in one ? [one.kind, one.count] : one.kind))).toEqual([
      ['create-interface', 29],
      ['create-interface', 29],
      ['create-interface', 28],
    ]);
    const indexes = actions.map((one) => (one.kind === 'create-interface' ? one.deviceIndex : -1));
    expect(indexes).toEqual([1, 2, 3]);
  });

  it('keeps its last free address with WARM_PREFIX_TARGET=0: the peer would release the prefix and ask for it again', () => {
    const wanted = targets({ prefix: 0 });
    expect(planOf(node({ mode: 'prefix', perInterface: 9, blocks: [1] }), wanted).actions).toEqual([]);
    const two = planOf(node({ mode: 'prefix', perInterface: 9, blocks: [2] }), wanted);
    expect(two.actions).toMatchObject([{ kind: 'release', cidrs: ['10.128.0.16/28'] }]);
  });
});

describe('when time decides', () => {
  it('removes an unneeded interface as a whole once it is a minute old', () => {
    const wanted = targets({ ip: 2 });
    const world = node({ mode: 'address', perInterface: 5, blocks: [3] });
    const young = { ...interfaceAt(1, freshBlocks('address', 4, 100)), since: -10_000 };
    const held: World = { ...world, ledger: withInterface(world.ledger, young) };
    const plan = planOf(held, wanted);
    // The surplus address of the primary goes at once; the four of the other go with it, not one by one.
    expect(plan.actions).toMatchObject([{ kind: 'release', interfaceId: 'eni-0', cidrs: { length: 1 } }]);
    expect(plan.refusals.map(({ why }) => why.reason)).toEqual(['interface-too-young']);
    expect(plan.wakeAt).toBe(50_000);
    const later = planOf(at(answerAll(send(held, plan.actions)), 50_000), wanted);
    expect(later.actions).toMatchObject([{ kind: 'delete-interface', interfaceId: 'eni-1' }]);
  });

  it('falls back to single addresses where a subnet has no /28, and finds the way back', () => {
    const wanted = targets({ prefix: 1 });
    const start: World = {
      ...node({ mode: 'prefix', perInterface: 20, blocks: [0], used: 3 }),
      fragmented: new Set(['subnet-0']),
    };
    expect(planOf(start, wanted).actions).toMatchObject([{ kind: 'assign', mode: 'prefix', count: 2 }]);
    const refused = answerAll(send(start, planOf(start, wanted).actions));
    const fallBack = planOf(refused, wanted);
    expect(fallBack.actions).toMatchObject([{ mode: 'address', count: 19, why: { reason: 'no-free-prefix' } }]);
    expect(fallBack.wakeAt).toBe(120_000);
    const served = answerAll(send(refused, fallBack.actions));
    expect(served.waiting).toEqual([]);
    expect(planOf(served, wanted)).toMatchObject({ actions: [], wakeAt: 120_000 });
    const whole = at({ ...served, fragmented: new Set() }, 120_000);
    expect(planOf(whole, wanted).actions).toMatchObject([{ mode: 'prefix', count: 1, interfaceId: 'eni-0' }]);
    const back = settle(whole, wanted);
    const pool = summary(back.ledger, back.now);
    // Three pods keep their single addresses until they go; the sixteen that nobody uses are given back.
    expect(pool).toMatchObject({ prefixes: 1, assigned: 3, total: 19, assignable: 16 });
  });

  it('serves pods by single addresses where a subnet has fewer left than a /28 holds, without asking for one in vain', () => {
    const wanted = targets({ prefix: 1 });
    const scarce = (availableAddresses: number): World => {
      const start = node({ mode: 'prefix', perInterface: 20, blocks: [0], used: 3 });
      const subnet = {
        id: 'subnet-0',
        cidr: '10.0.0.0/27',
        availableAddresses,
        backOffUntil: 0,
        prefixBackOffUntil: 0,
      };
      return { ...start, ledger: withSubnets(start.ledger, [subnet]) };
    };
    expect(planOf(scarce(16), wanted).actions).toMatchObject([{ kind: 'assign', mode: 'prefix', count: 1 }]);
    const { actions } = planOf(scarce(15), wanted);
    expect(actions).toMatchObject([{ kind: 'assign', mode: 'address', count: 15, why: { reason: 'no-free-prefix' } }]);
    const served = answerAll(send(scarce(15), actions));
    expect(served.waiting).toEqual([]);
    expect(summary(served.ledger, served.now)).toMatchObject({ assigned: 3, assignable: 12 });
  });

  it('empties a node of the other mode: unused blocks go, those of pods stay until their pod goes', () => {
    const wanted = targets({ prefix: 1 });
    const limits = { maxInterfaces: 3, ipv4PerInterface: 4, maxPods: 100 };
    const subnet = {
      id: 'subnet-0',
      cidr: '10.0.0.0/8',
      availableAddresses: 9999,
      backOffUntil: 0,
      prefixBackOffUntil: 0,
    };
    const before = node({ mode: 'address', maxInterfaces: 1, perInterface: 3, blocks: [3], used: 1 });
    const config = { mode: 'prefix', limits: { ...limits, maxInterfaces: 1 }, coolDownMs: 0 } as const;
    const switched = withSubnets({ ...before.ledger, config }, [subnet]);
    const world: World = { ...before, ledger: switched };
    const plan = planOf(world, wanted);
    expect(plan.actions).toMatchObject([{ kind: 'release', cidrs: { length: 2 }, why: { reason: 'wrong-mode' } }]);
    const settled = settle(world, wanted);
    expect(summary(settled.ledger, 0)).toMatchObject({ prefixes: 1, assigned: 1, total: 17, assignable: 16 });
    const gone = unassign(settled.ledger, attachment(0), 0);
    if (gone.kind !== 'released') throw new Error(gone.kind);
    const emptied = settle({ ...settled, ledger: gone.ledger }, wanted);
    expect(summary(emptied.ledger, 0)).toMatchObject({ prefixes: 1, total: 16 });
    expect(
      assign(emptied.ledger, { attachment: attachment(7), pod: { namespace: '', name: '', uid: '' } }, 0).kind,
    ).toBe('assigned');
  });

  it('keeps an interface, whole, until its last address has rested', () => {
    const wanted = targets({ ip: 2 });
    const start = node({ mode: 'address', perInterface: 4, blocks: [2, 4] });
    const world: World = { ...start, ledger: withCoolDown(start.ledger, { address: '10.0.0.102', until: 30_000 }) };
    const plan = planOf(world, wanted);
    expect(plan).toMatchObject({ actions: [], refusals: [{ why: { reason: 'cooling-down' }, retryAt: 30_000 }] });
    const rested = planOf(at(world, 30_000), wanted);
    expect(rested.actions).toMatchObject([{ kind: 'delete-interface', interfaceId: 'eni-1' }]);
  });
});

describe('what a surplus is', () => {
  it('keeps a whole prefix free where WARM_PREFIX_TARGET=1, though parts of others would do', () => {
    const full = node({ mode: 'prefix', perInterface: 9, blocks: [2], used: 32 });
    const halves = [
      ...Array(8).keys(),
      ...Array(8)
        .keys()
        .map((n) => n + 16),
    ];
    const parted = halves.reduce((next, n) => deletePod(next, attachment(n)), full);
    const spare = withInterface(parted.ledger, interfaceAt(0, freshBlocks('prefix', 3, 0)));
    const world: World = { ...parted, ledger: spare };
    expect(summary(world.ledger, 0)).toMatchObject({ free: 32, prefixes: 3 });
    expect(planOf(world, targets({ prefix: 1 })).actions).toEqual([]);
  });

  it('makes room at once where growth finds too little beside blocks of the other mode', () => {
    const before = node({ mode: 'address', maxInterfaces: 1, perInterface: 3, blocks: [2] });
    const config = { ...before.ledger.config, mode: 'prefix' } as const;
    const world: World = { ...before, ledger: { ...before.ledger, config } };
    const { actions, refusals } = planOf(world, targets({ prefix: 3 }));
    expect(actions).toMatchObject([
      { kind: 'assign', mode: 'prefix', count: 1 },
      { kind: 'release', cidrs: { length: 2 }, why: { reason: 'wrong-mode' } },
    ]);
    expect(refusals).toMatchObject([{ why: { reason: 'interface-limit', inputs: { missing: 2 } } }]);
  });
});
