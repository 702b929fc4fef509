/** When to try again after the n-th failure in a row. */

export interface BackOff {
  readonly baseMs: number;
  readonly maxMs: number;
}

/**
 * Doubles from `baseMs` to `maxMs`; between half and all of it, so that the nodes of a cluster do not come back at once.
 * `failures` counts from 1; `random` is in [0, 1).
 */
export function delayAfter({ baseMs, maxMs }: BackOff, failures: number, random: number): number {
  const whole = Math.min(maxMs, baseMs * 2 ** Math.min(failures - 1, 30));
  return whole * (0.5 + random / 2);
}
