/**
 * Work that nobody waits for, kept from the way of pods that are being plugged. There is one thread: a plan that is made as soon as a pod
 * has taken an address takes half a millisecond of that pod's ADD.
 */
import type { Clock, Timer } from '#cloud/decorate/clock.ts';

/** Where pods come without end there is no lull; what waits for one must go on all the same. */
const MOST_MS = 5;

export class Lull {
  readonly #clock: Pick<Clock, 'soon' | 'after'>;
  #plugging = 0;
  #waiting: (() => void)[] = [];
  #limit: Timer | undefined;

  constructor(clock: Pick<Clock, 'soon' | 'after'>) {
    this.#clock = clock;
  }

  /** While it runs, a pod is being plugged. Settles as the work does. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#plugging += 1;
    try {
      return await work();
    } finally {
      this.#plugging -= 1;
      // Soon, not now: the answer goes out first.
      if (this.#plugging === 0 && this.#waiting.length > 0) this.#clock.soon(() => this.#end());
    }
  }

  /** Calls `work` at the end of this turn of the event loop, or where pods are being plugged then, after their answers; 5 ms later at most. */
  readonly soon = (work: () => void): void => {
    this.#clock.soon(() => {
      if (this.#plugging === 0) {
        work();
        return;
      }
      this.#waiting.push(work);
      this.#limit ??= this.#clock.after(MOST_MS, () => this.#end());
    });
  };

  #end(): void {
    this.#limit?.cancel();
    this.#limit = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const work of waiting) work();
  }
}
