/**
 * Writes to the API server that nobody waits for. Bounded, repeated with back-off while that may help, never two at a time
 * for the same key; a newer write for a key takes the place of one that has not begun. What is given up is counted.
 */
import type { Clock } from '#cloud/decorate/clock.ts';
import { ApiError, isWorthRepeating } from './api-error.ts';
import { type BackOff, delayAfter } from './back-off.ts';

export type WriteOutcome = 'done' | 'refused' | 'dropped';

export interface Write {
  /** Which thing is written: a later write of the same key replaces this one. */
  readonly key: string;
  /** Safe to repeat. */
  readonly send: (signal: AbortSignal) => Promise<void>;
}

export interface OutboxOptions {
  readonly capacity: number;
  /** Milliseconds after which a write is no longer worth sending; Infinity: always. */
  readonly maxAgeMs: number;
  readonly concurrency: number;
  /** Milliseconds between the beginnings of two writes. */
  readonly paceMs: number;
  readonly backOff: BackOff;
  readonly clock: Clock;
  readonly random: () => number;
  /** Told of every end; `error` is the refusal. */
  readonly onOutcome: (outcome: WriteOutcome, error: unknown) => void;
}

interface Entry {
  readonly write: Write;
  readonly since: number;
  /** Refusals of the server that a repetition may overcome. */
  readonly refusals: number;
}

/** A conflict or a missing permission is not waited for for ever: other writes would wait behind it. */
const MOST_REFUSALS = 5;

export class Outbox {
  readonly #options: OutboxOptions;
  readonly #stop = new AbortController();
  readonly #pending = new Map<string, Entry>();
  readonly #busy = new Set<string>();
  readonly #workers: Promise<void>[];
  #failures = 0;
  #notBefore = 0;
  readonly #idle = new Set<() => void>();

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#workers = Array.from({ length: options.concurrency }, () => this.#work());
  }

  get length(): number {
    return this.#pending.size;
  }

  /** Never waits and never throws. When it is full, the oldest write is dropped. */
  put(write: Write): void {
    const { capacity, clock, onOutcome } = this.#options;
    // A replaced one keeps its place, but is as young as its news.
    this.#pending.set(write.key, { write, since: clock.now(), refusals: 0 });
    while (this.#pending.size > capacity) {
      const [oldest] = this.#pending.keys();
      if (oldest !== undefined) this.#pending.delete(oldest);
      onOutcome('dropped', undefined);
    }
    this.#wake();
  }

  async #work(): Promise<void> {
    const { clock, maxAgeMs, onOutcome } = this.#options;
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const wait = this.#notBefore - clock.now();
      if (wait > 0) {
        await clock.sleep(wait, signal);
        continue;
      }
      const next = this.#next();
      if (next === undefined) {
        // Also when every key is busy: the end of each wakes the others.
        await new Promise<void>((resolve) => this.#idle.add(resolve));
        continue;
      }
      if (clock.now() - next.since > maxAgeMs) onOutcome('dropped', undefined);
      else await this.#send(next);
    }
  }

  #next(): Entry | undefined {
    for (const [key, entry] of this.#pending) {
      if (this.#busy.has(key)) continue;
      this.#pending.delete(key);
      return entry;
    }
    return undefined;
  }

  async #send(entry: Entry): Promise<void> {
    const { clock, random, backOff, paceMs, onOutcome } = this.#options;
    const { write } = entry;
    this.#busy.add(write.key);
    this.#notBefore = clock.now() + paceMs;
    try {
      await write.send(this.#stop.signal);
      this.#failures = 0;
      onOutcome('done', undefined);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const isRefused = error instanceof ApiError && [403, 409].includes(error.status);
      const refusals = entry.refusals + (isRefused ? 1 : 0);
      if (!isWorthRepeating(error) || refusals >= MOST_REFUSALS) {
        onOutcome('refused', error);
        return;
      }
      this.#failures += 1;
      this.#notBefore = clock.now() + delayAfter(backOff, this.#failures, random());
      // Unless something newer is there already.
      if (!this.#pending.has(write.key)) this.#pending.set(write.key, { ...entry, refusals });
    } finally {
      this.#busy.delete(write.key);
      this.#wake();
    }
  }

  #wake(): void {
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }

  /** What has not been sent is lost. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    this.#wake();
    await Promise.all(this.#workers);
  }
}
