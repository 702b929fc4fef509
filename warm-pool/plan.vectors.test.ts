/**
 * What amazon-vpc-cni-k8s v1.23.1 decides, state by state, in its unit tests (pkg/ipamd) and in the tables of its
 * documentation, put to the production planner. Where ours decides otherwise on purpose, the name of the test says so.
 */
import { describe, expect, it } from '@jest/globals';
import { forecast } from './forecast.ts';
import {
  assign,
  emptyLedger,
  type Ledger,
  summary,
  unassign,
  withBlocks,
  withInterface,
  withSubnets,
} from './ledger.ts';
import type { AllocationMode, AddressBlock, WarmTargets } from './model.ts';

interface State {
  readonly mode: AllocationMode;
  /** Blocks that an interface may hold beside its primary address. */
  readonly perInterface: number;
  readonly maxInterfaces?: number;
  readonly maxPods?: number;
  /** Blocks that the primary interface holds. */
  readonly held: number;
  /** Pods with an address. */
  readonly used: number;
  readonly coolDownMs?: number;
}

function blocks(mode: AllocationMode, count: number): readonly AddressBlock[] {
  return Array.from({ length: count }, (_, n) =>
    mode === 'prefix'
      ? { kind: mode, cidr: `10.1.${n >> 4}.${(n & 15) * 16}/28` }
      : { kind: mode, cidr: `10.0.0.${n + 10}/32` },
  );
}

const attachment = (n: number) => ({ networkName: 'aws-cni', containerId: `c${n}`, ifName: 'eth0' });

function ledgerOf({
  mode,
  perInterface,
  maxInterfaces = 4,
  maxPods = 1000,
  held,
  used,
  coolDownMs = 0,
}: State): Ledger {
  const limits = { maxInterfaces, ipv4PerInterface: perInterface + 1, maxPods };
  const subnet = {
    id: 'subnet-0',
    cidr: '10.0.0.0/8',
    availableAddresses: 100_000,
    backOffUntil: 0,
    prefixBackOffUntil: 0,
  };
  const primary = {
    id: 'eni-0',
    subnetId: 'subnet-0',
    mac: '02:00:00:00:00:00',
    primaryAddress: '10.0.0.4',
    isPrimary: true,
    deviceIndex: 0,
    networkCardIndex: 0,
    attachmentId: 'attach-0',
    phase: 'ready',
    managed: true,
    since: -600_000,
    blocks: [],
  } as const;
  const empty = withInterface(withSubnets(emptyLedger({ mode, limits, coolDownMs }), [subnet]), primary);
  let ledger = withBlocks(empty, 'eni-0', blocks(mode, held));
  for (let n = 0; n < used; n += 1) {
    const result = assign(ledger, { attachment: attachment(n), pod: { namespace: 'ns', name: `p${n}`, uid: '' } }, 0);
    if (result.kind !== 'assigned') throw new Error(`the state has no address for pod ${n}`);
    ledger = result.ledger;
  }
  return ledger;
}

/** Warm ENIs are 0 where not said, so that each vector names all that counts in it. */
function targets(set: { WARM_ENI?: number; WARM_IP?: number; MIN?: number; WARM_PREFIX?: number }): WarmTargets {
  return {
    warmEniTarget: set.WARM_ENI ?? 0,
    warmIpTarget: set.WARM_IP,
    minimumIpTarget: set.MIN,
    warmPrefixTarget: set.WARM_PREFIX ?? 0,
  };
}

function decide(ledger: Ledger, wanted: WarmTargets, waiting = 0) {
  const { first } = forecast(ledger, wanted, { waiting, now: 0, cloudBackOffUntil: 0 });
  const asked = first.actions.reduce((sum, action) => sum + ('count' in action ? action.count : 0), 0);
  const over = first.actions.reduce((sum, action) => sum + ('cidrs' in action ? action.cidrs.length : 0), 0);
  return { short: asked, over };
}

/** So many pods come to a node that holds nothing: where the pool settles. */
function settled(state: Omit<State, 'held' | 'used'>, wanted: WarmTargets, pods: number) {
  const ahead = forecast(ledgerOf({ ...state, held: 0, used: 0 }), wanted, {
    waiting: pods,
    now: 0,
    cloudBackOffUntil: 0,
  });
  const { assigned, total, prefixes, interfaces } = summary(ahead.ledger, ahead.at);
  expect({ assigned, waiting: ahead.waiting, settled: ahead.settled }).toEqual({
    assigned: pods,
    waiting: 0,
    settled: true,
  });
  return { total, prefixes, interfaces };
}

describe('DatastoreTooLow, secondary addresses', () => {
  it.each([
    // per ENI, WARM_ENI, WARM_IP, held, used, max pods, too low
    [14, 1, 0, 0, 0, 1000, true],
    [14, 0, 0, 0, 0, 1000, true],
    [14, 0, 3, 0, 0, 1000, true],
    [3, 1, 1, 3, 0, 1000, false],
    [3, 1, 0, 3, 1, 1000, true],
    [3, 0, 0, 3, 1, 1000, false],
    [3, 1, 0, 3, 3, 1000, true],
    [3, 0, 0, 3, 3, 1000, true],
    [3, 0, 5, 3, 3, 3, false],
  ])(
    '%j an ENI, WARM_ENI=%j, WARM_IP=%j, %j held, %j used, max pods %j -> %j',
    (perInterface, WARM_ENI, WARM_IP, held, used, maxPods, low) => {
      const state = { mode: 'address', perInterface, held, used, maxPods } as const;
      expect(decide(ledgerOf(state), targets({ WARM_ENI, WARM_IP })).short > 0).toBe(low);
    },
  );
});

describe('DatastoreTooLow, prefixes (16 an ENI)', () => {
  it.each([
    // WARM_PREFIX, held, used, max pods, too low
    [1, 0, 0, 1000, true],
    [0, 0, 0, 1000, true],
    [1, 1, 0, 1000, false],
    [1, 1, 1, 1000, true],
    [0, 1, 1, 1000, false],
    [1, 1, 3, 1000, true],
    [0, 1, 3, 1000, false],
    [1, 1, 3, 4, false],
  ])('WARM_PREFIX=%j, %j held, %j used, max pods %j -> %j', (WARM_PREFIX, held, used, maxPods, low) => {
    const state = { mode: 'prefix', perInterface: 16, held, used, maxPods } as const;
    expect(decide(ledgerOf(state), targets({ WARM_PREFIX })).short > 0).toBe(low);
  });
});

describe('datastoreTargetState and datastorePrefixTargetState, WARM_IP=5', () => {
  it.each([
    ['address', 0, { short: 5, over: 0 }],
    ['address', 2, { short: 3, over: 0 }],
    ['address', 5, { short: 0, over: 0 }],
    ['prefix', 0, { short: 1, over: 0 }],
    ['prefix', 1, { short: 0, over: 0 }],
    ['prefix', 2, { short: 0, over: 1 }],
  ] as const)('%s mode, %j blocks held, none used -> %j', (mode, held, expected) => {
    expect(decide(ledgerOf({ mode, perInterface: 14, held, used: 0 }), targets({ WARM_IP: 5 }))).toEqual(expected);
  });
});

describe('docs/eni-and-ip-target.md', () => {
  const small = { mode: 'address', maxInterfaces: 3, perInterface: 3 } as const;

  it.each([
    [5, 3],
    [9, 3],
  ])('t3.small, WARM_ENI=1, %j pods -> %j ENIs', (pods, interfaces) => {
    expect(settled(small, targets({ WARM_ENI: 1 }), pods)).toMatchObject({ interfaces });
  });

  it('t3.small, WARM_ENI=1, 0 pods -> 1 ENI; a text of the peer says one more, its formula does not', () => {
    expect(settled(small, targets({ WARM_ENI: 1 }), 0)).toMatchObject({ interfaces: 1, total: 3 });
  });

  it.each([
    [0, { total: 5, interfaces: 2 }],
    [5, { total: 7, interfaces: 3 }],
    [9, { total: 9, interfaces: 3 }],
  ])('t3.small, WARM_IP=2, MIN=5, %j pods -> %j', (pods, expected) => {
    expect(settled(small, targets({ WARM_IP: 2, MIN: 5 }), pods)).toMatchObject(expected);
  });

  it.each([
    [0, 10],
    [7, 12],
    [15, 20],
    [45, 50],
  ])('p3dn.24xlarge, WARM_IP=5, MIN=10, %j pods -> %j addresses', (pods, total) => {
    const large = { mode: 'address', maxInterfaces: 15, perInterface: 49 } as const;
    expect(settled(large, targets({ WARM_IP: 5, MIN: 10 }), pods)).toMatchObject({ total });
  });
});

describe('docs/prefix-and-ip-target.md', () => {
  it.each([
    [0, 1],
    [5, 2],
    [16, 2],
    [17, 3],
    [58, 5],
  ])('t3.small, WARM_PREFIX=1, %j pods -> %j prefixes', (pods, prefixes) => {
    const small = { mode: 'prefix', maxInterfaces: 3, perInterface: 3 } as const;
    expect(settled(small, targets({ WARM_PREFIX: 1 }), pods)).toMatchObject({ prefixes });
  });
});

describe('where ours decides otherwise on purpose', () => {
  /** Five addresses whose pods have just been deleted. */
  const resting = (): Ledger => {
    let ledger = ledgerOf({ mode: 'address', perInterface: 14, held: 5, used: 5, coolDownMs: 30_000 });
    for (let n = 0; n < 5; n += 1) {
      const result = unassign(ledger, attachment(n), 0);
      if (result.kind === 'released') ({ ledger } = result);
    }
    return ledger;
  };

  it('WARM_IP=5, five addresses cool down: short 5; the peer counts them as available, is short 0, and fails pods for 30 s', () => {
    expect(decide(resting(), targets({ WARM_IP: 5 }))).toEqual({ short: 5, over: 0 });
  });

  it('WARM_IP=1, five addresses cool down: over 0; the peer gives four back to EC2, for another node to use at once', () => {
    expect(decide(resting(), targets({ WARM_IP: 1 }))).toEqual({ short: 1, over: 0 });
  });

  it('MIN=10 alone, 10 used, a pod waits: short 1; the peer stops at the floor and fails it', () => {
    const full = ledgerOf({ mode: 'address', perInterface: 14, held: 10, used: 10 });
    expect(decide(full, targets({ MIN: 10 }))).toEqual({ short: 0, over: 0 });
    expect(decide(full, targets({ MIN: 10 }), 1)).toEqual({ short: 1, over: 0 });
  });

  it('WARM_PREFIX=0, one free /28: over 0; the peer gives it back, has none free, and asks for one again', () => {
    const one = ledgerOf({ mode: 'prefix', perInterface: 14, held: 1, used: 0 });
    expect(decide(one, targets({ WARM_PREFIX: 0 }))).toEqual({ short: 0, over: 0 });
  });

  it('three ENIs are needed: all at once; the peer makes one every 5 s at most', () => {
    const full = ledgerOf({ mode: 'address', perInterface: 9, held: 9, used: 9 });
    const { first } = forecast(full, targets({ WARM_IP: 1 }), { waiting: 26, now: 0, cloudBackOffUntil: 0 });
    expect(first.actions.map(({ kind }) => kind)).toEqual(['create-interface', 'create-interface', 'create-interface']);
  });
});
