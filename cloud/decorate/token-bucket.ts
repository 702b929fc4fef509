import type { Clock } from './clock.ts';

export interface Rate {
  /** Calls that may go at once after a long rest. At least 1. */
  readonly burst: number;
  readonly perSecond: number;
}

interface Waiter {
  readonly go: () => void;
}

/**
 * Lets at most `burst + perSecond * t` callers pass in any span of `t` seconds, in the order they came.
 * It keeps one number, the time at which the bucket would be full again (the generic cell rate algorithm).
 */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  readonly #waiters: Waiter[] = [];
  #fullAt = Number.NEGATIVE_INFINITY;
  #idle = new AbortController();
  #draining = false;

  constructor(clock: Clock, rate: Rate) {
    if (!(rate.burst >= 1) || !(rate.perSecond > 0)) {
      throw new RangeError(
        `a bucket of ${String(rate.burst)} filled ${String(rate.perSecond)} times a second lets nothing pass`,
      );
    }
    this.#clock = clock;
    this.#intervalMs = 1000 / rate.perSecond;
    this.#toleranceMs = (rate.burst - 1) * this.#intervalMs;
  }

  /** How many callers wait. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /** Resolves true when the caller may pass, false when `signal` fired before its turn; its place is then free. */
  take(signal?: AbortSignal): Promise<boolean> {
    if (signal?.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        // Nobody is left to wake for: the timer must not keep the process alive.
        if (this.#waiters.length === 0) this.#idle.abort();
        resolve(false);
      };
      const waiter: Waiter = {
        go: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve(true);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiters.push(waiter);
      if (!this.#draining) void this.#drain();
    });
  }

  /** Never rejects: the clock does not, and nothing else is awaited. */
  async #drain(): Promise<void> {
    this.#draining = true;
    while (this.#waiters.length > 0) {
      const now = this.#clock.now();
      const wait = this.#fullAt - this.#toleranceMs - now;
      if (wait <= 0) {
        this.#fullAt = Math.max(now, this.#fullAt) + this.#intervalMs;
        this.#waiters.shift()?.go();
      } else {
        if (this.#idle.signal.aborted) this.#idle = new AbortController();
        await this.#clock.sleep(wait, this.#idle.signal);
      }
    }
    this.#draining = false;
  }
}
