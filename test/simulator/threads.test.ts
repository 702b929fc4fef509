/** A run in threads: the same bytes in however many parts, stopped at once when it is not wanted any more. */
import { describe, expect, it } from '@jest/globals';
import { POLICIES, type PolicyName } from '#ipamd/ctl/simulate/policies.ts';
import { resolve } from '#ipamd/ctl/simulate/resolve.ts';
import { runInThreads } from '#ipamd/ctl/simulate/thread.ts';
import type { ClusterDescription } from '#warm-pool/simulator/description.ts';
import { Simulation } from '#warm-pool/simulator/simulation.ts';
import type { Generator } from '#warm-pool/simulator/workload.ts';

const SEED = 3;

/** 300 nodes join within a minute, so that the account's limits are reached, some go again, and small subnets run out. */
const CLUSTER: ClusterDescription = {
  durationHours: 0.2,
  settings: {},
  subnets: [24, 21, 21, 22, 20].map((length, n) => ({ id: `subnet-${n}`, cidr: `10.${n}.0.0/${length}` })),
  groups: [
    { name: 'workers', instanceType: 'm5.large', count: 200, joinSeconds: 20 },
    {
      name: 'shared',
      instanceType: 'm5.large',
      count: 60,
      joinSeconds: 10,
      subnets: ['subnet-1'],
      podSubnets: ['subnet-2'],
    },
    { name: 'coming', instanceType: 'm5.large', count: 1, subnets: ['subnet-3', 'subnet-4'] },
  ],
};
const WORKLOAD: readonly Generator[] = [
  { kind: 'churn', podsPerHour: 6000, lifetimeSeconds: 300 },
  { kind: 'cron', everySeconds: 300, pods: 200, spreadSeconds: 1, lifetimeSeconds: 100 },
  { kind: 'scale-out', atSeconds: 200, group: 'coming', nodes: 40, podsPerNode: 10, durationSeconds: 200 },
];

const { cluster, pods } = resolve(CLUSTER, WORKLOAD, SEED, {});
const quiet = { signal: new AbortController().signal, onProgress: () => undefined };

function inOnePart(policy: PolicyName): string {
  const simulation = new Simulation({ cluster, pods, policy: POLICIES[policy], seed: SEED });
  while (!simulation.advance(10_000));
  return JSON.stringify(simulation.result());
}

describe('a run in threads', () => {
  it.each([
    ['wellspring', [2, 3]],
    ['peer', [2]],
  ] as const)('of %s says the same with %j of them as without', async (policy, numbers) => {
    const whole = inOnePart(policy);
    expect((JSON.parse(whole) as { throttledCalls: number }).throttledCalls).toBeGreaterThan(100);
    for (const most of numbers)
      expect(JSON.stringify(await runInThreads({ cluster, pods, policy, seed: SEED }, most, quiet))).toBe(whole);
  });

  it('tells how far the slowest is, and ends when it is interrupted', async () => {
    const shown: number[] = [];
    const abort = new AbortController();
    const onProgress = (part: number): void => {
      shown.push(part);
      abort.abort(new Error('enough'));
    };
    const long = { ...cluster, durationMs: cluster.durationMs * 1000 };
    const running = runInThreads({ cluster: long, pods, policy: 'wellspring', seed: SEED }, 2, {
      signal: abort.signal,
      onProgress,
    });
    await expect(running).rejects.toThrow('enough');
    expect(shown.every((part) => part >= 0 && part < 1)).toBe(true);
  });

  it('ends with what a part of it throws, though the others wait for that one', async () => {
    const [first, ...others] = cluster.nodes;
    const nodes = [{ ...first, kind: { ...first?.kind, targets: undefined } }, ...others];
    const broken = { ...cluster, nodes } as unknown as typeof cluster;
    await expect(runInThreads({ cluster: broken, pods, policy: 'wellspring', seed: SEED }, 2, quiet)).rejects.toThrow();
  });
});
