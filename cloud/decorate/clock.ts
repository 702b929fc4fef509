import { performance } from 'node:perf_hooks';

/** Time as the decorators see it; tests pass one that they advance themselves. */
export interface Clock {
  /** Milliseconds of a clock that never goes back; only differences mean anything. */
  now(): number;
  /** Resolves after `ms` milliseconds, or as soon as `signal` fires: it never rejects, so check the signal afterwards. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Longest delay of a node timer; a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The machine's monotonic clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
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
      const timer = setTimeout(done, Math.min(Math.max(0, ms), MAX_DELAY_MS));
      signal?.addEventListener('abort', done, { once: true });
    }),
};
