/** Virtual time: what is to happen, in order of time and, at one time, in the order in which it was arranged. */

/**
 * A heap of four children a place, its keys in arrays of numbers of their own: an hour of 5,000 nodes has tens of thousands of events in
 * it, and keys behind pointers would be waited for in memory at every comparison.
 */
export class Timeline {
  /** When, and in which order arranged; in the same places what. */
  readonly #times: number[] = [];
  readonly #orders: number[] = [];
  readonly #runs: (() => void)[] = [];
  #order = 0;
  /** Milliseconds since the beginning of the run. */
  now = 0;

  /** Arranges an event; one that is late happens now. Times are whole milliseconds: fractions are rounded up. */
  at(time: number, run: () => void): void {
    this.#order += 1;
    const at = Math.max(this.now, Math.ceil(time));
    this.#runs.push(run);
    this.#times.push(at);
    this.#orders.push(this.#order);
    this.#rise(at, this.#order, run);
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
  }

  /** When the next event is; Infinity where none is left. */
  get nextAt(): number {
    return this.#times[0] ?? Infinity;
  }

  /** Runs the next event, at its time. */
  step(): void {
    const [run] = this.#runs;
    if (run === undefined) return;
    this.now = this.nextAt;
    const [last, at, order] = [this.#runs.pop(), this.#times.pop(), this.#orders.pop()];
    if (this.#runs.length > 0 && last !== undefined && at !== undefined && order !== undefined)
      this.#sink(at, order, last);
    run();
  }

  /** From the last place up to where nothing above is later. */
  #rise(at: number, order: number, run: () => void): void {
    let place = this.#runs.length - 1;
    while (place > 0) {
      const above = (place - 1) >> 2;
      // What is above was arranged before: at the same time it goes first.
      if ((this.#times[above] ?? 0) <= at) break;
      this.#move(above, place);
      place = above;
    }
    this.#put(place, at, order, run);
  }

  /** From the top down to where nothing below is earlier. */
  #sink(at: number, order: number, run: () => void): void {
    const { length } = this.#runs;
    let place = 0;
    for (let first = 1; first < length; first = 4 * place + 1) {
      const earliest = this.#earliestOf(first, Math.min(first + 4, length));
      const time = this.#times[earliest] ?? 0;
      if (at < time || (at === time && order < (this.#orders[earliest] ?? 0))) break;
      this.#move(earliest, place);
      place = earliest;
    }
    this.#put(place, at, order, run);
  }

  #earliestOf(first: number, end: number): number {
    let earliest = first;
    let time = this.#times[first] ?? 0;
    for (let place = first + 1; place < end; place += 1) {
      const at = this.#times[place] ?? 0;
      if (at > time || (at === time && (this.#orders[place] ?? 0) > (this.#orders[earliest] ?? 0))) continue;
      earliest = place;
      time = at;
    }
    return earliest;
  }

  #move(from: number, to: number): void {
    this.#put(to, this.#times[from] ?? 0, this.#orders[from] ?? 0, this.#runs[from] ?? NOTHING);
  }

  #put(place: number, at: number, order: number, run: () => void): void {
    this.#times[place] = at;
    this.#orders[place] = order;
    this.#runs[place] = run;
  }
}

const NOTHING = (): void => undefined;
