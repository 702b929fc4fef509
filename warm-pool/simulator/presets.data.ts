/** Clusters and workloads to begin with. */

import type { ClusterDescription, Preset } from './description.ts';

const HOUR = 3600;

function small(nodes: number, durationHours = 2, settings: Readonly<Record<string, string>> = {}): ClusterDescription {
  return {
    durationHours,
    settings,
    subnets: [
      { id: 'subnet-a', cidr: '10.0.0.0/21' },
      { id: 'subnet-b', cidr: '10.0.8.0/21' },
    ],
    groups: [{ name: 'workers', instanceType: 'm5.large', count: nodes, joinSeconds: 60 }],
  };
}

export const PRESETS: Readonly<Record<string, Preset>> = {
  '5000-nodes-24h': {
    summary:
      '5,000 m5.large in six /17 for a day: churn, cron, rollouts, jobs and a scale-out, over 2 million pod events',
    cluster: {
      durationHours: 24,
      settings: {},
      subnets: Array.from({ length: 6 }, (_, n) => ({
        id: `subnet-${n + 1}`,
        cidr: `10.${Math.floor(n / 2)}.${(n % 2) * 128}.0/17`,
      })),
      groups: [{ name: 'workers', instanceType: 'm5.large', count: 5000, joinSeconds: HOUR }],
    },
    workload: [
      { kind: 'churn', podsPerHour: 36_000, lifetimeSeconds: HOUR },
      { kind: 'cron', everySeconds: 900, pods: 1500, spreadSeconds: 5, lifetimeSeconds: 240, fromSeconds: HOUR },
      {
        kind: 'rollout',
        pods: 10_000,
        atSeconds: [8 * HOUR, 16 * HOUR],
        surgePercent: 2,
        readySeconds: 30,
        fromSeconds: 2 * HOUR,
      },
      { kind: 'batch', atSeconds: 4 * HOUR, pods: 40_000, parallelism: 4000, lifetimeSeconds: 120 },
      {
        kind: 'scale-out',
        atSeconds: 12 * HOUR,
        group: 'workers',
        nodes: 100,
        podsPerNode: 20,
        durationSeconds: 4 * HOUR,
      },
    ],
  },
  churn: {
    summary: '20 nodes, pods that come and go evenly for two hours',
    cluster: small(20),
    workload: [{ kind: 'churn', podsPerHour: 1200, lifetimeSeconds: 600 }],
  },
  'cron-burst': {
    summary: '20 nodes, 150 pods at once every ten minutes',
    cluster: small(20),
    workload: [
      { kind: 'churn', podsPerHour: 200, lifetimeSeconds: HOUR },
      { kind: 'cron', everySeconds: 600, pods: 150, spreadSeconds: 2, lifetimeSeconds: 120 },
    ],
  },
  rollout: {
    summary: '20 nodes, a deployment of 200 pods that is replaced twice',
    cluster: small(20),
    workload: [
      { kind: 'rollout', pods: 200, atSeconds: [1800, 4500], surgePercent: 25, readySeconds: 15, fromSeconds: 120 },
    ],
  },
  'scale-out': {
    summary: '10 nodes, 30 more with 25 pods each at once',
    cluster: small(10),
    workload: [
      { kind: 'churn', podsPerHour: 300, lifetimeSeconds: 900 },
      { kind: 'scale-out', atSeconds: 1800, group: 'workers', nodes: 30, podsPerNode: 25, durationSeconds: HOUR },
    ],
  },
  batch: {
    summary: '20 nodes, a job of 3,000 short pods, 300 at a time',
    cluster: small(20),
    workload: [{ kind: 'batch', atSeconds: 600, pods: 3000, parallelism: 300, lifetimeSeconds: 60 }],
  },
  'full-subnet': {
    summary: '20 nodes in a /24 that is too small for what they would hold',
    cluster: { ...small(20), subnets: [{ id: 'subnet-a', cidr: '10.0.0.0/24' }] },
    workload: [{ kind: 'churn', podsPerHour: 1500, lifetimeSeconds: 600 }],
  },
  'prefix-fragmented': {
    summary: '20 nodes with prefixes beside 20 with single addresses in one /22',
    cluster: {
      ...small(20, 2),
      subnets: [{ id: 'subnet-a', cidr: '10.0.0.0/22' }],
      groups: [
        { name: 'singles', instanceType: 'm5.large', count: 20, joinSeconds: 30 },
        {
          name: 'workers',
          instanceType: 'm5.large',
          count: 20,
          joinSeconds: 600,
          settings: { ENABLE_PREFIX_DELEGATION: 'true', WARM_PREFIX_TARGET: '1' },
        },
      ],
    },
    workload: [{ kind: 'churn', podsPerHour: 2400, lifetimeSeconds: 600 }],
  },
};
