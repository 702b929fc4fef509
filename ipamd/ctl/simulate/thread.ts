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

/** Runs a simulation to its end. Rejects with what the thread threw, or with the signal's reason; then the thread is gone. */
export async function runInThread(
  input: ThreadInput,
  { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: (part: number) => void },
): Promise<SimulationResult> {
  signal.throwIfAborted();
  const worker = new Worker(new URL('./thread-main.ts', import.meta.url), {
    workerData: input,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  const { promise, resolve, reject } = Promise.withResolvers<SimulationResult>();
  const stop = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  worker.on('message', (message: ThreadMessage) => {
    if (message.kind === 'progress') onProgress(message.part);
    else resolve(message.result);
  });
  worker.once('error', reject);
  worker.once('exit', (code) => reject(new Error(`the thread of the simulation ended with code ${code}`)));
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', stop);
    await worker.terminate();
  }
}
