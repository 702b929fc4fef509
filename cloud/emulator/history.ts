/** What was true when: values in the order of time, kept as long as somebody may ask for them. */
export class History<T> {
  readonly #now: () => number;
  /** Milliseconds into the past that can be asked for at present. */
  readonly #reach: () => number;
  #entries: { readonly since: number; readonly value: T }[];

  constructor(first: T, now: () => number, reach: () => number) {
    this.#now = now;
    this.#reach = reach;
    this.#entries = [{ since: -Infinity, value: first }];
  }

  /** The value from now on. */
  push(value: T): void {
    const now = this.#now();
    this.#entries.push({ since: now, value });
    const needed = this.#entries.findLastIndex((entry) => entry.since <= now - this.#reach());
    if (needed > 0) this.#entries = this.#entries.slice(needed);
  }

  /** The value so many milliseconds ago; the oldest one that is still held, where that is later. */
  ago(milliseconds: number): T {
    const then = this.#now() - milliseconds;
    const entry = this.#entries.findLast(({ since }) => since <= then) ?? this.#entries[0];
    return entry!.value;
  }
}
