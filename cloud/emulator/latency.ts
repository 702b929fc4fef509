import { createHash } from 'node:crypto';
import type { Ec2Action } from './ec2-actions.ts';

/** Milliseconds: always the same, or evenly spread between two bounds. */
export type Delay = number | { readonly minMs: number; readonly maxMs: number };

/** How long answers are held back; `actions` goes before `default`. */
export interface Latency {
  readonly default?: Delay;
  readonly actions?: Readonly<Partial<Record<Ec2Action, Delay>>>;
}

/** The delay of one answer. `random` gives numbers from 0 (included) to 1 (not included). */
export function delayOf(latency: Latency, action: string, random: () => number): number {
  const actions: Readonly<Record<string, Delay>> = latency.actions ?? {};
  const delay = (Object.hasOwn(actions, action) ? actions[action] : undefined) ?? latency.default ?? 0;
  if (typeof delay === 'number') return delay;
  return delay.minMs + random() * (delay.maxMs - delay.minMs);
}

/** Numbers from 0 (included) to 1 (not included) that are the same again for the same seed. */
export function seededRandom(seed: number): () => number {
  let drawn = 0;
  return () => {
    drawn += 1;
    return createHash('sha256').update(`${seed}:${drawn}`).digest().readUIntBE(0, 6) / 2 ** 48;
  };
}
