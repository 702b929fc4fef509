/**
 * How often the same object is repaired. Somebody who takes it away for ever must not keep us busy: the first repairs
 * come at once, then each waits twice as long as the one before. Pure but for its memory; times in milliseconds.
 */

/** So many repairs of one object are made at once. */
const AT_ONCE = 5;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
/** After so long without a repair an object counts as quiet. */
const QUIET_MS = 5 * 60_000;

interface Repeated {
  readonly repairs: number;
  readonly last: number;
}

/** See the file's comment; objects are known by their keys. */
export class BackOff {
  readonly #repeated = new Map<string, Repeated>();

  /** How long the next repair has to wait; 0: it may be made now. */
  waitMs(key: string, now: number): number {
    const { repairs, last } = this.#of(key, now);
    if (repairs < AT_ONCE) return 0;
    const wait = Math.min(FIRST_WAIT_MS * 2 ** (repairs - AT_ONCE), LONGEST_WAIT_MS);
    return Math.max(0, last + wait - now);
  }

  /** Notes a repair that was made, or tried. */
  note(key: string, now: number): void {
    this.#repeated.set(key, { repairs: this.#of(key, now).repairs + 1, last: now });
    for (const [other, { last }] of this.#repeated) if (now - last > QUIET_MS) this.#repeated.delete(other);
  }

  /** What an object was repaired for before is of no account any more. */
  forget(key: string): void {
    this.#repeated.delete(key);
  }

  #of(key: string, now: number): Repeated {
    const known = this.#repeated.get(key);
    return known === undefined || now - known.last > QUIET_MS ? { repairs: 0, last: now } : known;
  }
}
