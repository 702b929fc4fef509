/** Simulations in threads of their own, so that several run side by side and the command stays able to stop them. */
import { Worker } from 'node:worker_threads';
import { exchangeMemory, LONGEST_SHARED_MS } from '#warm-pool/simulator/exchange.ts';
import { joined, type Outcome } from '#warm-pool/simulator/outcome.ts';
import { type Parts, partsOf } from '#warm-pool/simulator/parts.ts';
import { resultOf, type SimulationResult } from '#warm-pool/simulator/result.ts';
import type { SimulationOptions } from '#warm-pool/simulator/simulation.ts';
import type { PolicyName } from './policies.ts';

/** What a thread is started with: plain data, which is copied to it. */
export interface ThreadInput extends Pick<SimulationOptions, 'cluster' | 'pods' | 'seed'> {
  readonly policy: PolicyName;
  /** Absent: the whole run. */
  readonly part?: { readonly parts: Parts; readonly index: number; readonly memory: SharedArrayBuffer };
}

export type ThreadMessage =
  { readonly kind: 'progress'; readonly part: number } | { readonly kind: 'outcome'; readonly outcome: Outcome };

/** A ledger is dead within a few events: a large young generation collects it before it is copied to the old one. */
const YOUNG_GENERATION_MB = 384;

interface RunOptions {
  readonly signal: AbortSignal;
  /** `part` from 0 to 1. */
  readonly onProgress: (part: number) => void;
}

/** A thread that simulates, one run at a time. */
export interface SimulationThread {
  /** Runs to the end. Rejects with what the thread threw, or with the signal's reason; then only `close` is left to do. */
  run(input: ThreadInput, options: RunOptions): Promise<SimulationResult>;
  close(): Promise<void>;
}

export function openThread(): SimulationThread {
  const worker = openWorker();
  return {
    run: async (input, options) => whole(input, [await runOn(worker, input, options)]),
    close: async () => void (await worker.terminate()),
  };
}

/** One simulation in up to `most` threads, which are gone afterwards. The result is the same for any number of them. */
export async function runInThreads(input: ThreadInput, most: number, options: RunOptions): Promise<SimulationResult> {
  const parts = partsOf(input.cluster, input.cluster.durationMs > LONGEST_SHARED_MS ? 1 : most);
  const memory = exchangeMemory(parts.count);
  const progress = new Float64Array(parts.count);
  const workers = Array.from({ length: parts.count }, openWorker);
  const onProgress = (index: number) => (part: number) => {
    progress[index] = part;
    options.onProgress(Math.min(...progress));
  };
  try {
    const outcomes = workers.map((worker, index) =>
      runOn(worker, { ...input, part: { parts, index, memory } }, { ...options, onProgress: onProgress(index) }),
    );
    return whole(input, await Promise.all(outcomes));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function whole({ cluster }: ThreadInput, parts: readonly Outcome[]): SimulationResult {
  const subnetIds = cluster.subnets.map(({ id }) => id);
  return resultOf(cluster, joined(parts, subnetIds));
}

function openWorker(): Worker {
  return new Worker(new URL('./thread-main.ts', import.meta.url), {
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
}

async function runOn(worker: Worker, input: ThreadInput, { signal, onProgress }: RunOptions): Promise<Outcome> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Outcome>();
  const stop = (): void => reject(signal.reason as Error);
  const onMessage = (message: ThreadMessage): void => {
    if (message.kind === 'progress') onProgress(message.part);
    else resolve(message.outcome);
  };
  const onExit = (code: number): void => reject(new Error(`the thread of the simulation ended with code ${code}`));
  signal.addEventListener('abort', stop, { once: true });
  worker.on('message', onMessage).once('error', reject).once('exit', onExit);
  try {
    worker.postMessage(input);
    return await promise;
  } finally {
    signal.removeEventListener('abort', stop);
    worker.off('message', onMessage).off('error', reject).off('exit', onExit);
  }
}
