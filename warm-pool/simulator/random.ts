/** Chance that is the same again for the same seed, in every process and on every machine: 32-bit integer arithmetic alone. */

/** The next number from 0 (included) to 1 (not included). */
export type Random = () => number;

/** A generator of numbers (mulberry32) for one purpose of a run: streams of one seed know nothing of one another. */
export function randomOf(seed: number, purpose: string): Random {
  let state = Math.imul(seed | 0, 0x9e3779b1) ^ (Math.floor(seed / 2 ** 32) | 0);
  for (let i = 0; i < purpose.length; i += 1) state = Math.imul(state ^ purpose.charCodeAt(i), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A whole number from `least` to `most`, both included. */
export function between(random: Random, least: number, most: number): number {
  return least + Math.floor(random() * (most - least + 1));
}

/** A span with this mean, as between events that know nothing of each other. */
export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random()) * mean;
}
