import type { Clock } from './clock.ts';
import {
  type BucketLevel,
  type BucketLimits,
  fullBucket,
  levelAt,
  passOne,
  perSecondOf,
  untilNextCall,
  withAnswer,
  withTaken,
  withThrottled,
} from '#warm-pool/call-bucket.ts';
import type { Rate } from '#warm-pool/tokens.ts';

export type { Rate };

/** `atOnce`: who passed says by `done` when it is not under way any more. */
export interface BucketOptions extends BucketLimits {
  /** In [0, 1); keeps nodes that were throttled together from coming back together. */
  readonly random?: () => number;
}

interface Waiter {
  readonly isUrgent: () => boolean;
  readonly go: () => void;
}

const UNTIL_WOKEN_MS = 3_600_000;

/**
 * Lets at most `burst + perSecond * t` callers pass in any span of `t` seconds: urgent ones first, otherwise in the order
 * they came. Told of throttled calls it lets fewer pass, one at a time. What it decides is warm-pool/call-bucket.ts; here is the waiting.
 */
export class TokenBucket {
  readonly #clock: Clock;
  readonly #options: BucketOptions;
  readonly #waiters: Waiter[] = [];
  #level: BucketLevel;
  #wake = new AbortController();
  #draining = false;

  constructor(clock: Clock, options: BucketOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#level = fullBucket(options, clock.now());
  }

  /** How many callers wait. */
  get waiting(): number {
    return this.#waiters.length;
  }

  /** Callers that may pass in a second, in the long run. */
  get perSecond(): number {
    return perSecondOf(this.#level, this.#options, this.#clock.now());
  }

  /** Whether throttled calls hold callers back. */
  get isHeldBack(): boolean {
    return this.perSecond < this.#options.rate.perSecond;
  }

  /** A call that passed at `sentAt` was refused because too many came. */
  throttled(sentAt: number): void {
    const { random = Math.random } = this.#options;
    this.#level = withThrottled(this.#level, this.#options, sentAt, this.#clock.now(), random);
  }

  /** Somebody who passed has its answer. */
  done(): void {
    this.#level = withAnswer(this.#level);
    this.#wake.abort();
  }

  /** A call that passed at `sentAt` was taken. */
  passed(sentAt: number): void {
    this.#level = withTaken(this.#level, this.#options, sentAt, this.#clock.now());
  }

  /**
   * Resolves true when the caller may pass, false when `signal` fired before its turn; its place is then free. Who is
   * urgent is asked each time that somebody may pass: a pod may come to wait for a call that waits already.
   */
  take(signal?: AbortSignal, isUrgent: () => boolean = () => false): Promise<boolean> {
    if (signal?.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const onAbort = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        // Nobody is left to wake for: the timer must not keep the process alive.
        if (this.#waiters.length === 0) this.#wake.abort();
        resolve(false);
      };
      const waiter: Waiter = {
        isUrgent,
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
      const wait = this.#untilNext();
      if (wait <= 0) {
        this.#letOnePass();
      } else {
        if (this.#wake.signal.aborted) this.#wake = new AbortController();
        await this.#clock.sleep(wait, this.#wake.signal);
      }
    }
    this.#draining = false;
  }

  #untilNext(): number {
    const now = this.#clock.now();
    this.#level = levelAt(this.#level, this.#options, now);
    return Math.min(untilNextCall(this.#level, this.#options, now), UNTIL_WOKEN_MS);
  }

  #letOnePass(): void {
    const firstUrgent = this.#waiters.findIndex((waiter) => waiter.isUrgent());
    const { index, level } = passOne(this.#level, this.#options, this.#clock.now(), firstUrgent);
    this.#level = level;
    this.#waiters.splice(index, 1)[0]?.go();
  }
}
