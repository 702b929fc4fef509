/**
 * Looks again at interfaces whose description may have been behind what this daemon told the cloud, once that can no
 * longer be: an assign whose answer was lost may have given addresses that the first look did not see.
 */
import type { Timer } from '#cloud/decorate/clock.ts';
import { errorFields } from '../observe/log.ts';
import { OWN_WRITE_OUTRANKS_MS } from '../store/own-writes.ts';
import type { ExecuteContext } from './context.ts';
import { refreshInterface, storeInterface } from './known-interfaces.ts';

/** A look that is due so much later than it could be serves as well as one more. */
const SPACING_MS = 1000;
/** Timers and times are whole milliseconds, rounded each in its own way. */
const ROUNDING_MS = 20;

interface Due {
  /** By the clock of the timers, milliseconds. */
  readonly at: number;
  readonly timer: Timer;
}

export class SecondLooks {
  readonly #delayMs: number;
  readonly #stop = new AbortController();
  readonly #due = new Map<string, readonly Due[]>();
  readonly #running = new Set<Promise<void>>();

  constructor(delayMs = OWN_WRITE_OUTRANKS_MS) {
    this.#delayMs = delayMs;
  }

  /**
   * A look when no read can be behind what is doubted now, and one whenever a release of before stops hiding what the
   * cloud lists: an assign without an answer may have given the same addresses again, and pods may wait for them. Doubt
   * upon doubt puts no look off, and leads to one a second at most.
   */
  at(interfaceId: string, context: ExecuteContext): void {
    const now = context.now();
    const ends = context.releasesEnd(interfaceId).map((end) => end - now);
    for (const delayMs of [this.#delayMs, ...ends].toSorted((a, b) => b - a))
      this.#in(delayMs + ROUNDING_MS, interfaceId, context);
  }

  #in(delayMs: number, id: string, context: ExecuteContext): void {
    if (this.#stop.signal.aborted) return;
    const due = this.#due.get(id) ?? [];
    const now = context.clock.now();
    const wanted = now + delayMs;
    if (due.some((other) => other.at >= wanted && other.at < wanted + SPACING_MS)) return;
    const before = due.find((other) => other.at < wanted && other.at > wanted - SPACING_MS);
    const at = before === undefined ? wanted : before.at + SPACING_MS;
    const timer = context.clock.after(at - now, () => {
      this.#due.set(
        id,
        (this.#due.get(id) ?? []).filter((other) => other.at !== at),
      );
      const look = this.#look(id, context).finally(() => this.#running.delete(look));
      this.#running.add(look);
    });
    this.#due.set(id, [...due, { at, timer }]);
  }

  async #look(id: string, context: ExecuteContext): Promise<void> {
    try {
      const isSeen = await refreshInterface(id, context, { signal: this.#stop.signal, cause: 'second-look' });
      // What nobody has seen yet nobody else will look for.
      if (!isSeen) this.#in(this.#delayMs, id, context);
      await storeInterface(id, context);
    } catch (error) {
      context.log.error({ eni: id, ...errorFields(error) }, 'what the second look found could not be stored');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    for (const { timer } of [...this.#due.values()].flat()) timer.cancel();
    await Promise.allSettled(this.#running);
  }
}
