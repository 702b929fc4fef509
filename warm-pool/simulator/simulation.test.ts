import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { cidr } from '../address.ts';
import { CLOUD_CALLS, type CloudCall, type CloudPace, type Cluster, type NodeKind } from './cluster.ts';
import type { Policy } from './agent.ts';
import { peer } from './peer-node.ts';
import { randomOf } from './random.ts';
import { Simulation } from './simulation.ts';
import { SubnetSpace } from './subnet-space.ts';
import { readTrace } from './trace.ts';
import { type UrgencyOf, wellspring } from './wellspring-node.ts';
import { type Generator, inOrder, scheduleOf } from './workload.ts';

const urgencyOf: UrgencyOf = (cause, waiting) => {
  if (cause === 'pods-waiting' || waiting > 0) return 'urgent';
  return /^(above|below)-/.test(cause) ? 'patient' : 'usual';
};
const POLICIES: readonly (readonly [string, Policy])[] = [
  ['wellspring', wellspring(urgencyOf)],
  ['peer', peer],
];

function paceWith(perSecond: number): CloudPace {
  const account = Object.fromEntries(CLOUD_CALLS.map((call) => [call, { burst: 2 * perSecond, perSecond }]));
  const span = (ms: number) => ({ least: ms, most: 3 * ms });
  const rates = account as Record<CloudCall, { burst: number; perSecond: number }>;
  return { latency: span(150), latencyOf: {}, link: span(1000), detach: span(2000), account: rates };
}

function clusterOf(options: { kind?: Partial<NodeKind>; nodes?: number; range?: string; perSecond?: number }): Cluster {
  const kind: NodeKind = {
    group: 'workers',
    mode: 'address',
    limits: { maxInterfaces: 3, ipv4PerInterface: 10, maxPods: 29 },
    podCapacity: 27,
    targets: { warmEniTarget: 1, warmIpTarget: undefined, minimumIpTarget: undefined, warmPrefixTarget: 1 },
    coolDownMs: 30_000,
    looksMs: { reconcile: 3_600_000, leaks: 3_600_000, subnets: 3_600_000 },
    ...options.kind,
  };
  return {
    subnets: [{ id: 'subnet-a', range: cidr(options.range ?? '10.0.0.0/22') }],
    nodes: Array.from({ length: options.nodes ?? 5 }, () => ({ kind, subnets: [0], from: 0, until: Infinity })),
    placement: 'random',
    pace: paceWith(options.perSecond ?? 10),
    durationMs: 3_600_000,
  };
}

const WORKLOAD: readonly Generator[] = [
  { kind: 'churn', podsPerHour: 500, lifetimeSeconds: 300 },
  { kind: 'cron', everySeconds: 600, pods: 60, spreadSeconds: 1, lifetimeSeconds: 120 },
  { kind: 'batch', atSeconds: 900, pods: 80, parallelism: 40, lifetimeSeconds: 30 },
  { kind: 'rollout', pods: 20, atSeconds: [1500], surgePercent: 25, readySeconds: 10 },
];

function run(cluster: Cluster, policy: Policy, seed: number, workload = WORKLOAD) {
  const pods = scheduleOf(workload, [], cluster.durationMs, seed);
  const simulation = new Simulation({ cluster, pods, policy, seed });
  while (!simulation.advance(1000)) expect(simulation.progress).toBeLessThanOrEqual(1);
  return simulation.result();
}

const clusters = fc
  .record({
    mode: fc.constantFrom('address' as const, 'prefix' as const),
    warmIpTarget: fc.constantFrom(undefined, 2, 5),
    coolDownMs: fc.constantFrom(0, 30_000),
    range: fc.constantFrom('10.0.0.0/26', '10.0.0.0/24', '10.0.0.0/22'),
    perSecond: fc.constantFrom(1, 10),
  })
  .map(({ mode, warmIpTarget, coolDownMs, range, perSecond }) => {
    const targets = { warmEniTarget: 1, warmIpTarget, minimumIpTarget: undefined, warmPrefixTarget: 1 };
    return clusterOf({ kind: { mode, targets, coolDownMs }, range, perSecond });
  });

describe('a simulation', () => {
  it.each(POLICIES)(
    'of %s says the same for the same seed, whatever the slices, and another for another',
    (_, policy) => {
      const first = JSON.stringify(run(clusterOf({}), policy, 7));
      expect(JSON.stringify(run(clusterOf({}), policy, 7))).toBe(first);
      expect(JSON.stringify(run(clusterOf({}), policy, 8))).not.toBe(first);
    },
  );

  it.each(POLICIES)('of %s accounts for every pod and every address', (_, policy) => {
    fc.assert(
      fc.property(clusters, fc.nat(1000), (cluster, seed) => {
        const result = run(cluster, policy, seed);
        const pods = scheduleOf(WORKLOAD, [], cluster.durationMs, seed).start.length;
        const { podsServed, failed, waitingAtEnd, unschedulableAtEnd } = result;
        expect(podsServed + failed + waitingAtEnd + unschedulableAtEnd).toBe(pods);
        for (const { assigned, idle, interfaces, subnets } of result.series) {
          expect(idle).toBeGreaterThanOrEqual(0);
          const [subnet] = subnets;
          const size = result.subnets[0]?.size ?? 0;
          expect(size - 5 - (subnet?.free ?? 0)).toBe(assigned + idle + interfaces);
        }
      }),
      { numRuns: 5 },
    );
  });

  it('comes to the same where plans known to be in vain are made all the same', () => {
    fc.assert(
      fc.property(clusters, fc.nat(1000), (cluster, seed) => {
        const skipping = run(cluster, wellspring(urgencyOf), seed);
        expect(run(cluster, wellspring(urgencyOf, true), seed)).toEqual(skipping);
      }),
      { numRuns: 4 },
    );
  });

  it('serves a cold burst by one plan, where the peer goes step by step', () => {
    const pods = inOrder(Array.from({ length: 27 }, () => ({ start: 30_000, stop: Infinity, node: 0 })));
    const results = POLICIES.map(([, policy]) => {
      const simulation = new Simulation({ cluster: clusterOf({ nodes: 1 }), pods, policy, seed: 1 });
      while (!simulation.advance(1000));
      return simulation.result();
    });
    const [ours, theirs] = results;
    expect(ours?.podsServed).toBe(27);
    expect(ours?.failedAdds).toBe(0);
    expect(ours?.delayMs.max).toBeLessThan(5000);
    expect(theirs?.failedAdds).toBeGreaterThan(0);
    expect(theirs?.delayMs.max).toBeGreaterThan(10_000);
  });
});

describe('a subnet', () => {
  it('gives nothing twice, and counts what is free and which /28 are whole', () => {
    const moves = fc.array(fc.record({ what: fc.constantFrom('one', 'block', 'back'), pick: fc.nat(1000) }));
    fc.assert(
      fc.property(moves, fc.constantFrom('lowest' as const, 'random' as const), (list, placement) => {
        const space = new SubnetSpace('s', cidr('10.0.0.0/24'), placement, randomOf(1, 'test'));
        const held = new Map<number, number>();
        for (const { what, pick } of list) {
          const [size, taken] = what === 'block' ? [16, space.takePrefixes(1)] : [1, space.takeAddresses(1)];
          for (const address of taken ?? []) {
            for (let n = 0; n < size; n += 1) expect(held.has(address + n)).toBe(false);
            for (let n = 0; n < size; n += 1) held.set(address + n, size);
          }
          const back = [...held.keys()].filter((address) => held.get(address) === 1);
          const chosen = back[pick % Math.max(1, back.length)];
          if (what !== 'back' || chosen === undefined) continue;
          space.give(chosen, 1);
          held.delete(chosen);
        }
        expect(space.free).toBe(256 - 5 - held.size);
        const base = cidr('10.0.0.0/24').base;
        const reserved = new Set([0, 1, 2, 3, 255]);
        const isFree = (offset: number) => !reserved.has(offset) && !held.has(base + offset);
        const whole = Array.from({ length: 16 }, (_, n) => n).filter((n) =>
          Array.from({ length: 16 }, (_each, m) => isFree(n * 16 + m)).every(Boolean),
        );
        expect(space.freeBlocks).toBe(whole.length);
      }),
      { numRuns: 100 },
    );
  });
});

describe('a trace', () => {
  it('is read from CSV and from JSON Lines alike, and put in order', () => {
    const csv = readTrace('node,start,stop\n1,20,30\n,5.5,\n');
    const lines = readTrace('{"start":20,"stop":30,"node":1}\n{"start":5.5}\n');
    expect(csv).toEqual(lines);
    expect(csv).toMatchObject({ kind: 'schedule' });
    if (csv.kind === 'schedule')
      expect([[...csv.pods.start], [...csv.pods.node]]).toEqual([
        [5500, 20_000],
        [-1, 1],
      ]);
  });

  it.each([
    'start,stop\n5,4\n',
    'start\nx\n',
    'begin\n1\n',
    '{"start":-1}\n',
    '{"start":1,"node":1.5}\n',
    '{"start":1\n',
  ])('is refused with its line where it is wrong: %j', (text) => {
    expect(readTrace(text)).toMatchObject({ kind: 'wrong', problem: expect.stringMatching(/^line \d+ /) });
  });
});
