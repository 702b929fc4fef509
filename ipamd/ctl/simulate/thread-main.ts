/** The thread of simulations, or of one part of a simulation, one after the other (thread.ts starts it). */
import { parentPort } from 'node:worker_threads';
import { SharedExchange } from '#warm-pool/simulator/exchange.ts';
import type { Outcome } from '#warm-pool/simulator/outcome.ts';
import { Simulation } from '#warm-pool/simulator/simulation.ts';
import { POLICIES } from './policies.ts';
import type { ThreadInput, ThreadMessage } from './thread.ts';

/** Events between two looks at the clock: some 20 ms. */
const SLICE = 2000;
const REPORT_EVERY_MS = 100;

function simulate({ policy, part, ...input }: ThreadInput): void {
  const simulation = new Simulation({
    ...input,
    policy: POLICIES[policy],
    ...(part && {
      part: { ...part, open: (hear) => new SharedExchange(part.memory, part.parts.count, part.index, hear) },
    }),
  });
  for (let toldAt = performance.now(); !simulation.advance(SLICE);) {
    const now = performance.now();
    if (now - toldAt < REPORT_EVERY_MS) continue;
    toldAt = now;
    tell({ kind: 'progress', part: simulation.progress });
  }
  const outcome = simulation.outcome();
  tell({ kind: 'outcome', outcome }, buffersOf(outcome));
}

function tell(message: ThreadMessage, moved: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, moved);
}

/** What need not be copied. */
function buffersOf({ idle, assigned, interfaces, delays, perSecond }: Outcome): ArrayBuffer[] {
  const changes = [...idle, ...assigned, ...interfaces].flatMap(({ times, by }) => [times.buffer, by.buffer]);
  return [...changes, delays.buffer, perSecond.buffer].filter((buffer) => buffer instanceof ArrayBuffer);
}

parentPort?.on('message', simulate);
