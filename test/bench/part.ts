/** What a part of the benchmarks is given, and what it gives back. */
import type { Figure } from './figures.ts';

export interface PartOptions {
  /** The CNI binary. */
  readonly cniBinary: string;
  /** Where the part may leave files; removed afterwards. */
  readonly workDirectory: string;
  /** One line of progress. */
  readonly say: (text: string) => void;
  readonly signal: AbortSignal;
}

export interface Part {
  readonly about: string;
  readonly run: (options: PartOptions) => Promise<readonly Figure[]>;
}
