import type { Clock, Timer } from '../clock.ts';

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** A clock for tests: time stands still until `advance`. Sleepers wake in the order of their times. */
export class ManualClock implements Clock {
  #now = 0;
  #sleepers: Sleeper[] = [];

  now(): number {
    return this.#now;
  }

  wallTime(): number {
    return this.#now;
  }

  upTime(): number {
    return this.#now;
  }

  after(ms: number, work: () => void): Timer {
    const cancelled = new AbortController();
    void this.sleep(ms, cancelled.signal).then(() => cancelled.signal.aborted || work());
    return { cancel: () => cancelled.abort() };
  }

  soon(work: () => void): void {
    setImmediate(work);
  }

  deadline(ms: number): AbortSignal {
    const late = new AbortController();
    this.after(ms, () => late.abort(new DOMException('the deadline has passed', 'TimeoutError')));
    return late.signal;
  }

  /** How many sleeps are under way. */
  get sleeping(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const sleeper: Sleeper = { at: this.#now + Math.max(0, ms), wake };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', wake, { once: true });
    });
  }

  /** Moves time forward, letting everything that each wake-up sets off run before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const next = this.#sleepers.toSorted((a, b) => a.at - b.at)[0];
      if (next === undefined || next.at > end) break;
      this.#now = Math.max(this.#now, next.at);
      next.wake();
      await settle();
    }
    this.#now = end;
  }

  /** Advances from wake-up to wake-up until `promise`, which waits for this clock alone, settles; answers what it did. */
  async run<T>(promise: Promise<T>): Promise<T> {
    while (!(await hasSettled(promise))) {
      if (this.sleeping === 0) throw new Error('the promise waits for something that is not this clock');
      await this.#wakeNext();
    }
    return promise;
  }

  /** The same for a promise that also waits for real things, such as sockets; it must settle by itself in the end. */
  async follow<T>(promise: Promise<T>): Promise<T> {
    while (!(await hasSettled(promise))) await this.#wakeNext();
    return promise;
  }

  async #wakeNext(): Promise<void> {
    const next = Math.min(...this.#sleepers.map((sleeper) => sleeper.at));
    if (Number.isFinite(next)) await this.advance(next - this.#now);
  }
}

/** Whether the promise is settled once everything that is ready to run has run. */
function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  const done = promise.then(
    () => true,
    () => true,
  );
  return Promise.race([done, settle().then(() => false)]);
}

/** Lets every promise job that is ready, and those it sets off, run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
