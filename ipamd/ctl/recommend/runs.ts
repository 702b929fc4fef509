/** Many simulations of one cluster, side by side in threads, and each only once. */
import { availableParallelism } from 'node:os';
import type { SimulationResult } from '#warm-pool/simulator/result.ts';
import type { PolicyName } from '../simulate/policies.ts';
import { resolve } from '../simulate/resolve.ts';
import { openThread, type SimulationThread } from '../simulate/thread.ts';
import type { Subject } from './groups.ts';

/** A run holds all nodes of the cluster: more threads than this would ask for too much memory. */
const MOST_THREADS = 4;

export interface Wanted {
  readonly subject: Subject;
  readonly policy: PolicyName;
  readonly seed: number;
}

export interface Outcome {
  readonly result: SimulationResult;
  readonly nodes: number;
  readonly hours: number;
  readonly pods: number;
}

export class Runs {
  readonly #signal: AbortSignal;
  readonly #onProgress: (done: number) => void;
  readonly #free: SimulationThread[] = [];
  readonly #threads: SimulationThread[] = [];
  /** Runs done, those under way by their parts. */
  #parts = new Map<number, number>();
  #count = 0;

  /** `onProgress` is told how many runs are done, with the parts of those under way. */
  constructor(signal: AbortSignal, onProgress: (done: number) => void) {
    this.#signal = signal;
    this.#onProgress = onProgress;
  }

  get count(): number {
    return this.#count;
  }

  /** All of them, in their order. Rejects with the first that fails, when none is under way any more. */
  async all(wanted: readonly Wanted[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = [];
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let index = next; index < wanted.length && !this.#signal.aborted; index = next) {
        next += 1;
        const one = wanted[index];
        if (one !== undefined) outcomes[index] = await this.#one(one);
      }
    };
    const width = Math.min(MOST_THREADS, availableParallelism(), wanted.length);
    const lanes = await Promise.allSettled(Array.from({ length: width }, lane));
    const failed = lanes.find((each) => each.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    this.#signal.throwIfAborted();
    return outcomes;
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.close()));
  }

  async #one({ subject, policy, seed }: Wanted): Promise<Outcome> {
    const { cluster, pods } = resolve(subject.cluster, subject.workload, seed, {});
    const thread = this.#free.pop() ?? this.#open();
    const place = this.#count;
    this.#count += 1;
    const onProgress = (part: number): void => {
      this.#parts.set(place, part);
      this.#onProgress([...this.#parts.values()].reduce((sum, each) => sum + each, 0));
    };
    const result = await thread.run({ cluster, pods, policy, seed }, { signal: this.#signal, onProgress });
    onProgress(1);
    this.#free.push(thread);
    return { result, nodes: cluster.nodes.length, hours: cluster.durationMs / 3_600_000, pods: pods.start.length };
  }

  #open(): SimulationThread {
    const thread = openThread();
    this.#threads.push(thread);
    return thread;
  }
}
