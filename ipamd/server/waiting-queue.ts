/**
 * ADD requests that found the pool empty, first come first served. The queue does not know addresses: `serve` is
 * called when some may have arrived and offers each waiter in turn to `take` until one gets nothing.
 */
export class WaitingQueue<T> {
  readonly #waiters = new Set<{
    readonly take: () => T | undefined;
    readonly resolve: (value: T) => void;
    readonly reject: (error: unknown) => void;
  }>();

  get length(): number {
    return this.#waiters.size;
  }

  /** Resolves with what `take` gave; rejects with the signal's reason when it aborts first. */
  wait(take: () => T | undefined, signal: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const waiter = { take, resolve, reject };
    const giveUp = () => {
      this.#waiters.delete(waiter);
      reject(signal.reason as Error);
    };
    if (signal.aborted) {
      giveUp();
      return promise;
    }
    signal.addEventListener('abort', giveUp, { once: true });
    this.#waiters.add(waiter);
    return promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  serve(): void {
    for (const waiter of this.#waiters) {
      let value: T | undefined;
      try {
        value = waiter.take();
      } catch (error) {
        this.#waiters.delete(waiter);
        waiter.reject(error);
        continue;
      }
      if (value === undefined) return;
      this.#waiters.delete(waiter);
      waiter.resolve(value);
    }
  }

  /** Every waiter fails with this error, at once: waiting longer cannot help. */
  refuseAll(error: unknown): void {
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }
}
