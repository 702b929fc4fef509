/** One simulation in a thread of its own, so that several run side by side and the command stays able to stop them. */
import { Worker } from 'node:worker_threads';
import type { SimulationOptions } from '#warm-pool/simulator/simulation.ts';
import type { SimulationResult } from '#warm-pool/simulator/result.ts';
import type { PolicyName } from './policies.ts';

/** What a thread is started with: plain data, which is copied to it. */
export interface ThreadInput extends Pick<SimulationOptions, 'cluster' | 'pods' | 'seed'> {
  readonly policy: PolicyName;
}

export type ThreadMessage =
  { readonly kind: 'progress'; readonly part: number } | { readonly kind: 'result'; readonly result: SimulationResult };

/** A ledger is dead within a few events: a large young generation collects it before it is copied to the old one. */
const YOUNG_GENERATION_MB = 192;

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
  const worker = new Worker(new URL('./thread-main.ts', import.meta.url), {
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  return {
    run: (input, options) => runOn(worker, input, options),
    close: async () => void (await worker.terminate()),
  };
}

/** One simulation in a thread that is gone afterwards. */
export async function runInThread(input: ThreadInput, options: RunOptions): Promise<SimulationResult> {
  const thread = openThread();
  try {
    return await thread.run(input, options);
  } finally {
    await thread.close();
  }
}

async function runOn(
  worker: Worker,
  input: ThreadInput,
  { signal, onProgress }: RunOptions,
): Promise<SimulationResult> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<SimulationResult>();
  const stop = (): void => reject(signal.reason as Error);
  const onMessage = (message: ThreadMessage): void => {
    if (message.kind === 'progress') onProgress(message.part);
    else resolve(message.result);
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
