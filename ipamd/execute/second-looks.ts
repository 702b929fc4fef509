/**
 * Looks again at interfaces whose description may have been behind what this daemon told the cloud, once that can no
 * longer be: an assign whose answer was lost may have given addresses that the first look did not see.
 */
import { errorFields } from '../observe/log.ts';
import { OWN_WRITE_OUTRANKS_MS } from '../store/own-writes.ts';
import type { ExecuteContext } from './context.ts';
import { refreshInterface, storeInterface } from './known-interfaces.ts';

export class SecondLooks {
  readonly #delayMs: number;
  readonly #stop = new AbortController();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #again = new Set<string>();
  readonly #running = new Set<Promise<void>>();

  constructor(delayMs = OWN_WRITE_OUTRANKS_MS) {
    this.#delayMs = delayMs;
  }

  /**
   * One look, counted from now. Where one is due already it stays in its place, so that doubt upon doubt cannot put it off
   * for ever, and another follows it.
   */
  at(interfaceId: string, context: ExecuteContext): void {
    if (this.#stop.signal.aborted) return;
    if (this.#timers.has(interfaceId)) {
      this.#again.add(interfaceId);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(interfaceId);
      const look = this.#look(interfaceId, context).finally(() => this.#running.delete(look));
      this.#running.add(look);
      if (this.#again.delete(interfaceId)) this.at(interfaceId, context);
    }, this.#delayMs);
    this.#timers.set(interfaceId, timer);
  }

  async #look(id: string, context: ExecuteContext): Promise<void> {
    try {
      await refreshInterface(id, context, { signal: this.#stop.signal, cause: 'second-look' });
      await storeInterface(id, context);
    } catch (error) {
      context.log.error({ eni: id, ...errorFields(error) }, 'what the second look found could not be stored');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    for (const timer of this.#timers.values()) clearTimeout(timer);
    await Promise.allSettled(this.#running);
  }
}
