/**
 * Virtual time. Everything that happens is an event at a time; between two events every promise job has run, so that a
 * run depends on nothing but its seed. A process is a life: when it is over, none of its events happens any more.
 */
import type { Clock, Timer } from '#cloud/decorate/clock.ts';
import { popEvent, pushEvent } from './event-heap.ts';

/** The wall clock when virtual time begins: 2026-01-01. */
const EPOCH_MS = 1_767_225_600_000;

export interface Life {
  isOver: boolean;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  readonly life: Life | undefined;
  cancelled: boolean;
}

export class Scheduler {
  #now = 0;
  #order = 0;
  readonly #heap: Event[] = [];
  /** When the machine last booted. */
  bootedAt = 0;
  /** How far the wall clock was set from where it should be. */
  wallOffset = 0;

  /** Milliseconds of virtual time. */
  get now(): number {
    return this.#now;
  }

  get wallTime(): number {
    return Math.floor(EPOCH_MS + this.#now + this.wallOffset);
  }

  after(delayMs: number, run: () => void, life?: Life): Timer {
    const event = { at: this.#now + Math.max(0, delayMs), order: (this.#order += 1), run, life, cancelled: false };
    pushEvent(this.#heap, event);
    return { cancel: () => void (event.cancelled = true) };
  }

  /** When the next event is; Infinity where none is left. */
  get nextAt(): number {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (!first.cancelled && first.life?.isOver !== true) return first.at;
      popEvent(this.#heap);
    }
    return Infinity;
  }

  /** Runs the next event and all that follows from it at once. False where there was none up to `until`. */
  async step(until: number): Promise<boolean> {
    if (this.nextAt > until) return false;
    const event = popEvent(this.#heap);
    if (event === undefined) return false;
    this.#now = event.at;
    event.run();
    await settle();
    return true;
  }

  /** Moves time on where nothing is left to happen before. */
  jump(to: number): void {
    this.#now = Math.max(this.#now, Math.min(to, this.nextAt));
  }

  /** The clock as a process sees it. */
  clockOf(life: Life): Clock {
    const after = (ms: number, work: () => void) => this.after(ms, work, life);
    return {
      now: () => this.#now,
      wallTime: () => this.wallTime,
      upTime: () => this.#now - this.bootedAt,
      after,
      soon: (work) => void after(0, work),
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted === true) {
            resolve();
            return;
          }
          const done = () => {
            timer.cancel();
            signal?.removeEventListener('abort', done);
            resolve();
          };
          const timer = after(ms, done);
          signal?.addEventListener('abort', done, { once: true });
        }),
      deadline: (ms) => {
        const late = new AbortController();
        after(ms, () => late.abort(new DOMException('the deadline has passed', 'TimeoutError')));
        return late.signal;
      },
    };
  }
}

/** Resolves when every promise job that is ready, and those that follow from it, have run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
