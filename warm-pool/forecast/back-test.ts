/** Generated histories, of which the future is known: how often the stated interval holds. Pure, and the same for the same seed. */
import { randomOf, type Random } from '../simulator/random.ts';
import { timeToExhaustion } from './exhaustion.ts';
import type { Sample } from './history.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Counts over the whole time, one each quarter of an hour. */
type Generator = (random: Random, count: number, perDay: number) => number[];

const normal = (random: Random): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
const from = (random: Random, least: number, most: number): number => least + random() * (most - least);
const series = (count: number, value: (t: number) => number): number[] =>
  Array.from({ length: count }, (_, t) => value(t));

/** A day's shape: quiet nights, a broad peak, at an hour of its own. */
function dayShape(random: Random): (part: number) => number {
  const [phase, second] = [random(), from(random, 0, 0.4)];
  return (part) => Math.sin(2 * Math.PI * (part + phase)) + second * Math.sin(4 * Math.PI * (part + phase * 1.7));
}

/** A random walk with a drift, at quarter hours. */
function walk(random: Random, count: number, drift: number, step: number): number[] {
  let level = 0;
  return series(count, () => (level += drift + step * normal(random)));
}

export const FAMILIES: Readonly<Record<string, Generator>> = {
  'trend with noise': (random, count, perDay) => {
    const [growth, noise] = [from(random, 5, 40) / perDay, from(random, 1, 12)];
    return series(count, (t) => 300 + growth * t + noise * normal(random));
  },
  'random walk with drift': (random, count, perDay) =>
    walk(random, count, from(random, 4, 25) / perDay, from(random, 1, 5)).map((each) => 400 + each),
  'fading noise': (random, count, perDay) => {
    const [growth, fade, noise] = [from(random, 3, 20) / perDay, from(random, 0.8, 0.995), from(random, 1, 4)];
    let m = 0;
    return series(count, (t) => 300 + growth * t + (m = fade * m + noise * normal(random)));
  },
  'daily season': (random, count, perDay) => {
    const [shape, swing] = [dayShape(random), from(random, 20, 90)];
    const drift = walk(random, count, from(random, 3, 20) / perDay, from(random, 0, 1));
    const noise = from(random, 1, 8);
    return series(count, (t) => 400 + swing * shape(t / perDay) + (drift[t] ?? 0) + noise * normal(random));
  },
  'weekly season': (random, count, perDay) => {
    const [shape, swing, weekend, start] = [
      dayShape(random),
      from(random, 20, 80),
      from(random, 0.2, 0.7),
      random() * 7,
    ];
    const drift = walk(random, count, from(random, 3, 15) / perDay, from(random, 0, 0.8));
    const noise = from(random, 1, 8);
    return series(count, (t) => {
      const isWeekend = (t / perDay + start) % 7 >= 5;
      const busy = swing * (1.5 + shape(t / perDay)) * (isWeekend ? weekend : 1);
      return 300 + busy + (drift[t] ?? 0) + noise * normal(random);
    });
  },
  steps: (random, count, perDay) => {
    const [every, size, noise] = [from(random, 3, 6) * perDay, from(random, 20, 60), from(random, 1, 6)];
    const growth = from(random, 0, 8) / perDay;
    let level = 300;
    return series(count, (t) => {
      if (random() < 1 / every) level += size * from(random, 0.6, 1.4) * (random() < 0.7 ? 1 : -1);
      return level + growth * t + noise * normal(random);
    });
  },
  bursts: (random, count, perDay) => {
    const [growth, height, every] = [from(random, 3, 15) / perDay, from(random, 20, 80), from(random, 0.2, 1) * perDay];
    const noise = from(random, 1, 5);
    let left = 0;
    return series(count, (t) => {
      if (left === 0 && random() < 1 / every) left = 1 + Math.floor(random() * 8);
      const burst = left > 0 ? height * from(random, 0.5, 1) : 0;
      left = Math.max(0, left - 1);
      return 300 + growth * t + burst + noise * normal(random);
    });
  },
  'pods that come and go': (random, count, perDay) => {
    // Arrivals by chance, at a rate that grows, and stays of a mean of some hours.
    const [arrivals, stay, growth] = [from(random, 10, 60), from(random, 8, 48), from(random, 0.01, 0.05)];
    let pods = arrivals * stay;
    return series(count, (t) => {
      const mean = arrivals * (1 + (growth * t) / perDay);
      pods +=
        mean + Math.sqrt(mean) * normal(random) - pods / stay + Math.sqrt(Math.max(0, pods) / stay) * normal(random);
      return pods;
    });
  },
};

export interface BackTest {
  readonly family: string;
  readonly cases: number;
  readonly held: number;
  /** Cases of which the time was before the horizon. */
  readonly exhausted: number;
  /** Cases with an upper end within the horizon. */
  readonly bounded: number;
  /** Median over the bounded cases of (upper - lower) / upper: how much the interval leaves open. */
  readonly width: number;
  /** Of the cases that did not hold: it was sooner, or later. */
  readonly sooner: number;
  readonly later: number;
}

interface Case {
  readonly samples: readonly Sample[];
  readonly now: number;
  readonly capacity: number;
  /** Milliseconds from now; Infinity: never within what was generated. */
  readonly truth: number;
}

/** A history of 7 to 28 days, with gaps, and a capacity that is reached somewhere about the horizon; undefined where it was before. */
function caseOf(generate: Generator, random: Random): Case | undefined {
  const step = 15 * MINUTE;
  const perDay = DAY / step;
  const days = Math.round(from(random, 7, 28));
  const count = days * perDay;
  const values = generate(random, 2 * count, perDay).map((value) => Math.max(0, Math.round(value)));
  const past = values.slice(0, count);
  const highest = past.reduce((most, value) => Math.max(most, value), 0);
  const lowest = past.reduce((least, value) => Math.min(least, value), Infinity);
  // Of the past alone: a capacity that knew the future would tell of it.
  const capacity = highest + Math.max(3, Math.round((highest - lowest) * from(random, 0.02, 0.8)));
  const start = 1_790_000_000_000 + Math.floor(random() * 7) * DAY;
  const [gapAt, gap] = [Math.floor(random() * count), Math.floor(random() * perDay)];
  const samples = past
    .map((used, t) => ({ at: start + t * step, used }))
    .filter((_, t) => (t < gapAt || t > gapAt + gap || t > count - 8) && random() > 0.02);
  const now = start + (count - 1) * step;
  const hit = values.slice(count).findIndex((value) => value >= capacity);
  return past.some((value) => value >= capacity)
    ? undefined
    : { samples, now, capacity, truth: hit < 0 ? Number.POSITIVE_INFINITY : (hit + 1) * step };
}

/** One family. Throws where a case of it leaves the forecast without an answer. */
export function backTest(family: string, cases: number, seed: number, paths = 400): BackTest {
  const generate = FAMILIES[family];
  if (generate === undefined) throw new RangeError(`no family ${family}`);
  const random = randomOf(seed, family);
  const counts = { held: 0, exhausted: 0, bounded: 0, sooner: 0, later: 0 };
  const widths: number[] = [];
  for (let done = 0; done < cases;) {
    const made = caseOf(generate, random);
    if (made === undefined) continue;
    done += 1;
    // A stream of its own, so that a changed method meets the same cases.
    const said = timeToExhaustion({ ...made, paths, random: randomOf(seed + done, `${family}, forecast`) });
    if (said.kind !== 'forecast') throw new RangeError(`${family}: ${said.kind}`);
    const { lowerMs = Infinity, upperMs = Infinity, horizonMs } = said;
    const truth = made.truth > horizonMs ? Infinity : made.truth;
    const isSooner = truth < lowerMs;
    const isLater = truth > upperMs;
    counts.exhausted += truth < Infinity ? 1 : 0;
    if (upperMs < Infinity) {
      counts.bounded += 1;
      widths.push((upperMs - lowerMs) / upperMs);
    }
    counts.sooner += isSooner ? 1 : 0;
    counts.later += isLater ? 1 : 0;
    counts.held += isSooner || isLater ? 0 : 1;
  }
  return { family, cases, ...counts, width: widths.toSorted((a, b) => a - b)[Math.floor(widths.length / 2)] ?? 1 };
}
