/** What a part of the benchmarks is given, and what it gives back. */
import type { Figure } from './figures.ts';
import type { Reach } from './reach.ts';

export interface PartOptions {
  /** The CNI binary. */
  readonly cniBinary: string;
  /** The daemon as it is released: what node is given to run it. */
  readonly daemon: readonly string[];
  /** Where the part may leave files; removed afterwards. */
  readonly workDirectory: string;
  /** One line of progress. */
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Measured {
  readonly figures: readonly Figure[];
  readonly reach: readonly Reach[];
}

export interface Part {
  readonly about: string;
  readonly run: (options: PartOptions) => Promise<Measured>;
}
