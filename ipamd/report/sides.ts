/** A simulation as one side of a report, and its time. Pure. */
import type { SimulationResult } from '#warm-pool/simulator/result.ts';
import type { AxisSpec } from './chart.ts';

/** A policy's name and what came of it. */
export interface Side {
  readonly name: string;
  readonly result: SimulationResult;
}

export const HOURS: AxisSpec = { name: 'Hours since the beginning' };

export function hoursOf({ atSeconds }: { readonly atSeconds: number }): number {
  return Math.round((atSeconds / 3600) * 1000) / 1000;
}

/** "1:05 h". */
export function hour(hours: number): string {
  const minutes = Math.round(hours * 60);
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, '0')} h`;
}
