/** The run as a series of points: what a chart shows. */

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
    waiting: measures.waiting.value,
    calls: measures.totalCalls,
    subnets: subnets.map(({ id, free, freeBlocks, fragmentation }) => ({
      id,
      free,
      freeBlocks,
      fragmentation: rounded(fragmentation),
    })),
  };
}

/** To three decimals. */
export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
