import { uptime } from 'node:os';
import { performance } from 'node:perf_hooks';

/** Something that is to happen; `cancel` may be called at any time, also when it has happened. */
export interface Timer {
  cancel(): void;
}

/** The one way to time: whoever waits or asks how late it is does it here, so that tests can pass a clock of their own. */
export interface Clock {
  /** Milliseconds of a clock that never goes back; only differences mean anything. */
  now(): number;
  /** Milliseconds since the Unix epoch, as the machine believes: it may be set, forward and back. */
  wallTime(): number;
  /** Milliseconds since the machine booted: one clock for every process of a boot, and it never goes back. */
  upTime(): number;
  /** Resolves after `ms` milliseconds, or as soon as `signal` fires: it never rejects, so check the signal afterwards. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `work` after `ms` milliseconds, or after the longest delay of a timer (24 days) where that is shorter. */
  after(ms: number, work: () => void): Timer;
  /** Calls `work` when all that is running now, and the promise jobs that follow from it, has run. */
  soon(work: () => void): void;
  /** Aborts with a `TimeoutError` after `ms` milliseconds; does not keep the process alive. */
  deadline(ms: number): AbortSignal;
}

/** Longest delay of a node timer; a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

function delayOf(ms: number): number {
  return Math.min(Math.max(0, ms), MAX_DELAY_MS);
}

const UP_AT_START_MS = uptime() * 1000 - performance.now();

/** The machine's clocks and timers. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallTime: () => Date.now(),
  upTime: () => UP_AT_START_MS + performance.now(),
  after: (ms, work) => {
    const timer = setTimeout(work, delayOf(ms));
    return { cancel: () => clearTimeout(timer) };
  },
  soon: (work) => void setImmediate(work),
  // It takes whole milliseconds only.
  deadline: (ms) => AbortSignal.timeout(Math.ceil(delayOf(ms))),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, delayOf(ms));
      signal?.addEventListener('abort', done, { once: true });
    }),
};
