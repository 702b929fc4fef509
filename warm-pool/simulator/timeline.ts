/** Virtual time: what is to happen, in order of time and, at one time, in the order in which it was arranged. */

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Timeline {
  readonly #heap: Event[] = [];
  #order = 0;
  /** Milliseconds since the beginning of the run. */
  now = 0;

  /** Arranges an event; one that is late happens now. Times are whole milliseconds: fractions are rounded up. */
  at(time: number, run: () => void): void {
    this.#order += 1;
    const event = { at: Math.max(this.now, Math.ceil(time)), order: this.#order, run };
    const heap = this.#heap;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = heap[(index - 1) >> 1] as Event;
      if (!isBefore(event, parent)) break;
      heap[index] = parent;
      index = (index - 1) >> 1;
    }
    heap[index] = event;
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
  }

  /** When the next event is; Infinity where none is left. */
  get nextAt(): number {
    return this.#heap[0]?.at ?? Infinity;
  }

  /** Runs the next event, at its time. */
  step(): void {
    const event = this.#pop();
    if (event === undefined) return;
    this.now = event.at;
    event.run();
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const left = heap[child];
      const right = heap[child + 1];
      if (left === undefined) break;
      if (right !== undefined && isBefore(right, left)) child += 1;
      const lower = heap[child] as Event;
      if (!isBefore(lower, last)) break;
      heap[index] = lower;
      index = child;
    }
    heap[index] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
