/** The run as a series of points: what a chart shows. */

import { sum } from '../plan-view.ts';
import type { Measures } from './measures.ts';
import type { SubnetSpace } from './subnet-space.ts';

export interface SubnetSample {
  readonly id: string;
  readonly free: number;
  readonly freeBlocks: number;
  /** Part of the free addresses that lies in no whole /28. */
  readonly fragmentation: number;
}

export interface SamplePoint {
  readonly atSeconds: number;
  readonly assigned: number;
  readonly idle: number;
  readonly interfaces: number;
  readonly waiting: number;
  /** Since the beginning. */
  readonly calls: number;
  readonly subnets: readonly SubnetSample[];
}

export function sampleOf(at: number, measures: Measures, subnets: readonly SubnetSpace[]): SamplePoint {
  return {
    atSeconds: at / 1000,
    assigned: measures.assigned.value,
    idle: measures.idle.value,
    interfaces: measures.interfaces.value,
    waiting: measures.waiting,
    calls: measures.totalCalls,
    subnets: subnets.map(subnetSample),
  };
}

export function subnetSample({ id, free, freeBlocks, fragmentation }: SubnetSpace): SubnetSample {
  return { id, free, freeBlocks, fragmentation: rounded(fragmentation) };
}

/** One series of those of the parts of a run, whose points are at the same times. `inOrder` puts the subnets of all in their order. */
export function joinedSeries(
  all: readonly (readonly SamplePoint[])[],
  inOrder: (subnets: readonly SubnetSample[]) => readonly SubnetSample[],
): readonly SamplePoint[] {
  const [first = [], ...rest] = all;
  return first.map((point, index) => {
    const points = [point, ...rest.flatMap((series) => series[index] ?? [])];
    return {
      atSeconds: point.atSeconds,
      assigned: sum(points, ({ assigned }) => assigned),
      idle: sum(points, ({ idle }) => idle),
      interfaces: sum(points, ({ interfaces }) => interfaces),
      waiting: sum(points, ({ waiting }) => waiting),
      calls: sum(points, ({ calls }) => calls),
      subnets: inOrder(points.flatMap(({ subnets }) => subnets)),
    };
  });
}

/** To three decimals. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
