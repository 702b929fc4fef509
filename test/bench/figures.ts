/** Figures of the benchmarks: samples in, percentiles out. */

/** What was measured. Percentiles by nearest rank, so that each is a value that occurred. */
export interface Figure {
  readonly id: string;
  readonly unit: 'us' | 'ms' | 'ms/min' | 'MB' | 'MB/s' | 's' | 'per s' | 'ratio' | 'count';
  readonly n: number;
  readonly p10: number;
  readonly p50: number;
  readonly p99: number;
}

/** The figure of some samples; undefined without any. */
export function figure(id: string, unit: Figure['unit'], samples: readonly number[]): Figure | undefined {
  const sorted = [...samples].sort((one, two) => one - two);
  const at = (share: number): number => round(sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN);
  return sorted.length === 0 ? undefined : { id, unit, n: sorted.length, p10: at(0.1), p50: at(0.5), p99: at(0.99) };
}

/** Sample by sample: both were measured right after each other, so what else the machine does weighs on both. */
export function ratios(id: string, numerators: readonly number[], denominators: readonly number[]): Figure | undefined {
  const pairs = numerators.flatMap((value, index) => {
    const other = denominators[index];
    return other === undefined || other === 0 ? [] : [value / other];
  });
  return figure(id, 'ratio', pairs);
}

/** Samples by the name of what was measured. */
export class Samples {
  readonly #samples = new Map<string, number[]>();

  add(id: string, value: number): void {
    const samples = this.#samples.get(id);
    if (samples === undefined) this.#samples.set(id, [value]);
    else samples.push(value);
  }

  of(id: string): readonly number[] {
    return this.#samples.get(id) ?? [];
  }

  /** All of one unit, or each of that which its name has. */
  figures(unit: Figure['unit'] | ((id: string) => Figure['unit'])): readonly Figure[] {
    const unitOf = typeof unit === 'string' ? () => unit : unit;
    return [...this.#samples].flatMap(([id, samples]) => figure(id, unitOf(id), samples) ?? []);
  }
}

/** Four significant digits: more is noise. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}
