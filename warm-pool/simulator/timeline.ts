/** Virtual time: what is to happen, in order of time and, at one time, in the order in which it was arranged. */

import { popEvent, pushEvent } from './event-heap.ts';

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Timeline {
  readonly #heap: Event[] = [];
  #order = 0;
  /** Milliseconds since the beginning of the run. */
  now = 0;

  /** Arranges an event; one that is late happens now. Times are whole milliseconds: fractions are rounded up. */
  at(time: number, run: () => void): void {
    this.#order += 1;
    pushEvent(this.#heap, { at: Math.max(this.now, Math.ceil(time)), order: this.#order, run });
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
  }

  /** When the next event is; Infinity where none is left. */
  get nextAt(): number {
    return this.#heap[0]?.at ?? Infinity;
  }

  /** Runs the next event, at its time. */
  step(): void {
    const event = popEvent(this.#heap);
    if (event === undefined) return;
    this.now = event.at;
    event.run();
  }
}
