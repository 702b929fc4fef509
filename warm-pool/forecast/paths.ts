/** Futures of a series: each draws its memory, its trend and season, and then surprise after surprise. Pure. */
import type { Random } from '../simulator/random.ts';
import { columnsOf, type Design, sizeOf } from './design.ts';
import type { Fits, Fitted } from './fit.ts';
import type { RegularSeries } from './history.ts';
import { addTimes, product, solveUpper } from './least-squares.ts';

export interface PathOptions {
  readonly series: RegularSeries;
  readonly design: Design;
  readonly fits: Fits;
  readonly capacity: number;
  /** Buckets ahead. */
  readonly horizon: number;
  readonly paths: number;
  readonly random: Random;
  /** Is told how much is in use at the end of bucket `h` of a future; no more after it has reached the capacity. */
  readonly observe?: (path: number, h: number, used: number) => void;
}

/** For each future the number of buckets, with a fraction, until `capacity` is reached; Infinity beyond the horizon. Sorted. */
export function firstPassages(options: PathOptions): Float64Array {
  const { series, design, fits, horizon, paths } = options;
  const { values } = series;
  const ahead = columnsOf(design.season, sizeOf(series), values.length, horizon);
  const passages: number[] = [];
  let owed = 0;
  for (const fitted of fits.fits) {
    owed += fitted.weight * paths;
    const base = new Float64Array(horizon);
    const surprises = spread(fitted, design.columns.length);
    for (; passages.length < Math.round(owed);) {
      base.fill(0);
      passages.push(passage(options, fitted, { ahead, base, surprises, path: passages.length }));
    }
  }
  return Float64Array.from(passages).toSorted();
}

/** Residuals are smaller than surprises by the freedom that the fit took. */
function spread({ fit: { residuals } }: Fitted, columns: number): Float64Array {
  const widen = Math.sqrt(residuals.length / (residuals.length - columns));
  return residuals.map((each) => each * widen);
}

interface Scratch {
  readonly ahead: readonly Float64Array[];
  readonly base: Float64Array;
  readonly surprises: Float64Array;
  readonly path: number;
}

function passage(options: PathOptions, fitted: Fitted, { ahead, base, surprises, path }: Scratch): number {
  const { capacity, horizon, random, observe } = options;
  const { memory, lastOfSeries, lastOfColumns } = fitted;
  const { coefficients, scale } = drawn(fitted, random);
  for (const [index, column] of ahead.entries()) addTimes(base, column, coefficients[index] as number);
  // Surprises that come together in the past come together in the future.
  const block = Math.max(1, Math.round(Math.cbrt(surprises.length)));
  // How often a rare surprise comes is itself known only as well as it was seen: each future has a past drawn from the past (three times its
  // length: decision 26).
  const pool = new Uint32Array(Math.ceil((3 * surprises.length) / block));
  for (let i = 0; i < pool.length; i += 1) pool[i] = random() * surprises.length;
  let m = lastOfSeries - product(coefficients, lastOfColumns);
  let [from, left] = [0, 0];
  for (let h = 0; h < horizon; h += 1) {
    if (left === 0) {
      from = pool[Math.floor(random() * pool.length)] ?? 0;
      left = block;
    }
    const surprise = (surprises[from % surprises.length] as number) * scale;
    from += 1;
    left -= 1;
    const used = (base[h] as number) + m + surprise;
    if (used >= capacity) return h + random();
    observe?.(path, h, used);
    m = memory.keeps * m + memory.takes * surprise;
  }
  return Number.POSITIVE_INFINITY;
}

/** Coefficients and the width of surprises as uncertain as the series leaves them. */
function drawn({ fit }: Fitted, random: Random): { readonly coefficients: Float64Array; readonly scale: number } {
  const { residuals, squares, factor } = fit;
  const freedom = residuals.length - factor.length;
  const scale = Math.sqrt(freedom / chiSquared(freedom, random));
  const sigma = Math.sqrt(squares / freedom + 1 / 12) * scale;
  const coefficients = Float64Array.from(fit.coefficients);
  const normals = Float64Array.from(factor, () => normal(random));
  addTimes(coefficients, solveUpper(factor, normals), sigma);
  return { coefficients, scale };
}

/** Box and Muller. */
function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Wilson and Hilferty's approximation; good to a percent above ten degrees of freedom. */
function chiSquared(freedom: number, random: Random): number {
  const ninth = 2 / (9 * freedom);
  return freedom * Math.max(0.1, 1 - ninth + normal(random) * Math.sqrt(ninth)) ** 3;
}
