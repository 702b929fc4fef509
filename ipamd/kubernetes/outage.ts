/**
 * Says once that the API server is away, or refuses one resource, and once that it is back: attempts in between are
 * counted, not logged.
 */
import { errorFields, type Log } from '../observe/log.ts';
import { ApiError } from './api-error.ts';

/** Failures in a row before it is an outage: a watch that the server closed is not one. */
const PATIENCE = 2;

interface Failing {
  count: number;
  readonly since: number;
  /** What was said of it. */
  told: 'nothing' | 'refused' | 'away';
}

export class Outage {
  readonly #log: Log;
  readonly #now: () => number;
  /** Resource -> failures in a row, and since when. */
  readonly #failing = new Map<string, Failing>();
  #awaySince: number | undefined;

  constructor(log: Log, now: () => number) {
    this.#log = log;
    this.#now = now;
  }

  /** Whether the API server is known to be out of reach. */
  get isAway(): boolean {
    return this.#awaySince !== undefined;
  }

  failed(resource: string, error: unknown): void {
    const now = this.#now();
    const failing: Failing = this.#failing.get(resource) ?? { count: 0, since: now, told: 'nothing' };
    failing.count += 1;
    this.#failing.set(resource, failing);
    const isRefused = error instanceof ApiError && error.kind === 'refused';
    const what = isRefused ? 'refused' : 'away';
    if (failing.count < PATIENCE || failing.told === what) return;
    failing.told = what;
    if (isRefused) {
      this.#log.warn(
        { resource, ...errorFields(error) },
        'the API server refuses a watch; look at RBAC and credentials',
      );
      return;
    }
    if (this.#awaySince !== undefined) return;
    this.#awaySince = failing.since;
    this.#log.warn({ resource, ...errorFields(error) }, 'the API server is away; serving with what was known of it');
  }

  worked(resource: string): void {
    const failing = this.#failing.get(resource);
    if (failing === undefined) return;
    this.#failing.delete(resource);
    if (failing.told === 'refused' && this.#awaySince === undefined)
      this.#log.info({ resource }, 'the API server answers again');
    if (this.#awaySince === undefined) return;
    const awaySeconds = Math.round((this.#now() - this.#awaySince) / 1000);
    this.#awaySince = undefined;
    this.#log.info({ awaySeconds }, 'the API server is back');
  }
}
