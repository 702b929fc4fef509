/** A binary heap of events: the earliest first, and at one time the one that was arranged first. */

export interface Ordered {
  /** Virtual milliseconds. */
  readonly at: number;
  /** Counts up with every event that is arranged. */
  readonly order: number;
}

/** Adds an event, in logarithmic time. */
export function pushEvent<T extends Ordered>(heap: T[], event: T): void {
  let index = heap.length;
  heap.push(event);
  while (index > 0) {
    const above = (index - 1) >> 1;
    const parent = heap[above];
    if (parent === undefined || !isBefore(event, parent)) break;
    heap[index] = parent;
    index = above;
  }
  heap[index] = event;
}

/** Takes the next event away, in logarithmic time; undefined where none is left. */
export function popEvent<T extends Ordered>(heap: T[]): T | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let index = 0;
  for (;;) {
    let child = 2 * index + 1;
    const left = heap[child];
    const right = heap[child + 1];
    if (left === undefined) break;
    let lower = left;
    if (right !== undefined && isBefore(right, left)) {
      child += 1;
      lower = right;
    }
    if (!isBefore(lower, last)) break;
    heap[index] = lower;
    index = child;
  }
  heap[index] = last;
  return first;
}

function isBefore(a: Ordered, b: Ordered): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
