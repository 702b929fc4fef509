/** The thread of simulations, one after the other (thread.ts starts it). */
import { parentPort } from 'node:worker_threads';
import { Simulation } from '#warm-pool/simulator/simulation.ts';
import { POLICIES } from './policies.ts';
import type { ThreadInput, ThreadMessage } from './thread.ts';

/** Events between two looks at the clock: some 20 ms. */
const SLICE = 2000;
const REPORT_EVERY_MS = 100;

const tell = (message: ThreadMessage): void => parentPort?.postMessage(message);

function simulate({ policy, ...input }: ThreadInput): void {
  const simulation = new Simulation({ ...input, policy: POLICIES[policy] });
  for (let toldAt = performance.now(); !simulation.advance(SLICE);) {
    const now = performance.now();
    if (now - toldAt < REPORT_EVERY_MS) continue;
    toldAt = now;
    tell({ kind: 'progress', part: simulation.progress });
  }
  tell({ kind: 'result', result: simulation.result() });
}

parentPort?.on('message', simulate);
