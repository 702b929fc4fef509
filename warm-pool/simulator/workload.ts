/** Workloads: descriptions of how pods come and go, and the schedule that follows from one and a seed. */

import type { PodSchedule } from './cluster.ts';
import { between, exponential, type Random, randomOf } from './random.ts';

/** Times in seconds from the beginning of the run. */
export type Generator =
  /** Pods come at random at a rate and live a random time about a mean, each on its own. */
  | ({ readonly kind: 'churn'; readonly podsPerHour: number; readonly lifetimeSeconds: number } & Window)
  /** So many pods at every full period, spread over some seconds, each of them for so long. */
  | ({
      readonly kind: 'cron';
      readonly everySeconds: number;
      readonly pods: number;
      readonly spreadSeconds: number;
      readonly lifetimeSeconds: number;
    } & Window)
  /** Pods of a deployment that is put up from `fromSeconds` on and replaced `atSeconds`, some at a time: new ones first. */
  | ({
      readonly kind: 'rollout';
      readonly pods: number;
      readonly atSeconds: readonly number[];
      readonly surgePercent: number;
      readonly readySeconds: number;
    } & Window)
  /** A job of many pods, so many of them at a time, each for about so long. */
  | {
      readonly kind: 'batch';
      readonly atSeconds: number;
      readonly pods: number;
      readonly parallelism: number;
      readonly lifetimeSeconds: number;
    }
  /** Nodes join, each with pods of its own at once, and go again. */
  | {
      readonly kind: 'scale-out';
      readonly atSeconds: number;
      readonly group: string;
      readonly nodes: number;
      readonly podsPerNode: number;
      readonly durationSeconds: number;
    };

export interface Window {
  readonly fromSeconds?: number;
  readonly untilSeconds?: number;
}

interface Pod {
  readonly start: number;
  readonly stop: number;
  readonly node: number;
}

/** Nodes that a workload adds: where they stand in the cluster's list is `first`. */
export interface Joining {
  readonly first: number;
  readonly generator: Extract<Generator, { kind: 'scale-out' }>;
}

/** A joining node is ready after about half a minute; its pods are bound to it then. */
const BOUND_AFTER_MS = 30_000;
const JOIN_SPREAD_MS = 30_000;

/** Every pod of a workload, in order of their start. */
export function scheduleOf(
  generators: readonly Generator[],
  joining: readonly Joining[],
  durationMs: number,
  seed: number,
): PodSchedule {
  const pods = generators.flatMap((generator, index) => {
    const random = randomOf(seed, `workload ${index}`);
    return podsOf(generator, joining.find((one) => one.generator === generator)?.first ?? 0, durationMs, random);
  });
  return inOrder(pods.filter(({ start }) => start <= durationMs));
}

/** When the nodes of a scale-out join and go, ms. */
export function joiningTimes({ atSeconds, nodes, durationSeconds }: Joining['generator']) {
  return Array.from({ length: nodes }, (_, index) => {
    const from = Math.round(atSeconds * 1000 + (index * JOIN_SPREAD_MS) / nodes);
    return { from, until: from + durationSeconds * 1000 };
  });
}

/** Pods from anywhere as a schedule. */
export function inOrder(pods: readonly Pod[]): PodSchedule {
  const sorted = pods.toSorted((a, b) => a.start - b.start);
  return {
    start: Float64Array.from(sorted, ({ start }) => Math.round(start)),
    stop: Float64Array.from(sorted, ({ start, stop }) => Math.max(Math.round(start) + 1, Math.round(stop))),
    node: Int32Array.from(sorted, ({ node }) => node),
  };
}

function podsOf(generator: Generator, first: number, durationMs: number, random: Random): readonly Pod[] {
  switch (generator.kind) {
    case 'churn':
      return churn(generator, durationMs, random);
    case 'cron':
      return cron(generator, durationMs, random);
    case 'rollout':
      return rollout(generator, durationMs, random);
    case 'batch':
      return batch(generator, random);
    case 'scale-out':
      return scaleOut(generator, first, random);
    default:
      return generator satisfies never;
  }
}

function windowOf({ fromSeconds = 0, untilSeconds }: Window, durationMs: number) {
  return { from: fromSeconds * 1000, until: Math.min(durationMs, (untilSeconds ?? Infinity) * 1000) };
}

function churn(generator: Extract<Generator, { kind: 'churn' }>, durationMs: number, random: Random): readonly Pod[] {
  const { from, until } = windowOf(generator, durationMs);
  const pods: Pod[] = [];
  const gap = 3_600_000 / generator.podsPerHour;
  for (let at = from + exponential(random, gap); at < until; at += exponential(random, gap))
    pods.push({ start: at, stop: at + 1000 + exponential(random, generator.lifetimeSeconds * 1000), node: -1 });
  return pods;
}

function cron(generator: Extract<Generator, { kind: 'cron' }>, durationMs: number, random: Random): readonly Pod[] {
  const { everySeconds, pods: count, spreadSeconds, lifetimeSeconds } = generator;
  const { from, until } = windowOf(generator, durationMs);
  const pods: Pod[] = [];
  for (let at = from + everySeconds * 1000; at < until; at += everySeconds * 1000) {
    for (let n = 0; n < count; n += 1) {
      const start = at + random() * spreadSeconds * 1000;
      pods.push({ start, stop: start + lifetimeSeconds * 1000 * (0.5 + random()), node: -1 });
    }
  }
  return pods;
}

function rollout(
  generator: Extract<Generator, { kind: 'rollout' }>,
  durationMs: number,
  random: Random,
): readonly Pod[] {
  const { pods: count, atSeconds, surgePercent, readySeconds } = generator;
  const { from, until } = windowOf(generator, durationMs);
  const step = Math.max(1, Math.round((count * surgePercent) / 100));
  const turns = [...atSeconds.map((at) => at * 1000), Infinity];
  const started = Array.from({ length: count }, () => from + random() * (100 / surgePercent) * readySeconds * 1000);
  const pods: Pod[] = [];
  for (const at of turns) {
    for (let n = 0; n < count; n += 1) {
      const replacedAt = at + Math.floor(n / step) * readySeconds * 1000 + random() * 2000;
      const stop = at === Infinity ? until : Math.min(until, replacedAt + readySeconds * 1000);
      pods.push({ start: started[n] ?? from, stop: stop >= durationMs ? Infinity : stop, node: -1 });
      started[n] = replacedAt;
    }
  }
  return pods.filter(({ start, stop }) => start < stop && start < until);
}

function batch(generator: Extract<Generator, { kind: 'batch' }>, random: Random): readonly Pod[] {
  const { atSeconds, pods: count, parallelism, lifetimeSeconds } = generator;
  const free = Array.from({ length: Math.min(parallelism, count) }, () => atSeconds * 1000 + random() * 1000);
  return Array.from({ length: count }, (_, n) => {
    const worker = n % free.length;
    const start = free[worker] ?? 0;
    const stop = start + lifetimeSeconds * 1000 * (0.5 + random());
    free[worker] = stop + between(random, 500, 2000);
    return { start, stop, node: -1 };
  });
}

function scaleOut(generator: Extract<Generator, { kind: 'scale-out' }>, first: number, random: Random): readonly Pod[] {
  return joiningTimes(generator).flatMap(({ from, until }, index) =>
    Array.from({ length: generator.podsPerNode }, () => ({
      start: from + BOUND_AFTER_MS + random() * 3000,
      stop: until,
      node: first + index,
    })),
  );
}
