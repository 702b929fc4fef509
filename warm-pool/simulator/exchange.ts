/**
 * What the parts of one run tell each other through shared memory: which calls their nodes send, since the account's limits are one
 * for all, and which nodes become ready, since the scheduler is one for all. No part needs to know at once: a call is judged when its answer comes.
 */

/** Told by part `from`: something of `node` that happened at `at`. What it is, is the teller's own number. */
export type Hear = (from: number, at: number, node: number, what: number) => void;

export interface Exchange {
  readonly parts: number;
  /** Everything before `at` has happened here, and was told. */
  reached(at: number): void;
  tell(at: number, node: number, what: number): void;
  /** Returns when everything up to `at` has happened in all parts, and what they told of it was heard. */
  waitFor(at: number): void;
  /** Nothing more will happen here, and nothing is listened to. */
  end(): void;
}

/** Of a run in one part. */
export const ALONE: Exchange = {
  parts: 1,
  reached: () => undefined,
  tell: () => undefined,
  waitFor: () => undefined,
  end: () => undefined,
};

/** Times are told as 32-bit numbers: a longer run has one part. */
export const LONGEST_SHARED_MS = 2 ** 31 - 2;
const OVER = 2 ** 31 - 1;
/** News that wait to be heard, for each part. A power of two. */
export const CAPACITY = 2 ** 15;
const NEWS_INTS = 3;
/** Each counter has a cache line of its own. */
const LINE_INTS = 16;
/** Looks at the other's clock before it sleeps, which is for a millisecond at least: some 0.4 ms. Most waits are over sooner. */
const SPINS = 30_000;
const NAP_MS = 0.05;

/** Memory for the exchange of so many parts. */
export function exchangeMemory(parts: number): SharedArrayBuffer {
  return new SharedArrayBuffer(4 * (countersOf(parts) + parts * CAPACITY * NEWS_INTS));
}

function countersOf(parts: number): number {
  return (2 * parts + parts * parts) * LINE_INTS;
}

export class SharedExchange implements Exchange {
  readonly parts: number;
  readonly #part: number;
  readonly #others: readonly number[];
  /** The clock of each part, how many news it has told, and how many of another's it has heard. */
  readonly #counters: Int32Array;
  readonly #news: Int32Array;
  readonly #hear: Hear;
  #told = 0;
  /** So many may be told before it is looked how many were heard. */
  #roomUntil = CAPACITY;
  /** All others have passed this. */
  #passed = -1;

  constructor(memory: SharedArrayBuffer, parts: number, part: number, hear: Hear) {
    this.parts = parts;
    this.#part = part;
    this.#others = Array.from({ length: parts }, (_, other) => other).filter((other) => other !== part);
    this.#counters = new Int32Array(memory, 0, countersOf(parts));
    this.#news = new Int32Array(memory, 4 * countersOf(parts));
    this.#hear = hear;
  }

  reached(at: number): void {
    Atomics.store(this.#counters, this.#clockOf(this.#part), at);
  }

  tell(at: number, node: number, what: number): void {
    if (this.#told === this.#roomUntil) this.#makeRoom();
    const place = (this.#part * CAPACITY + (this.#told & (CAPACITY - 1))) * NEWS_INTS;
    this.#news[place] = at;
    this.#news[place + 1] = node;
    this.#news[place + 2] = what;
    this.#told += 1;
    Atomics.store(this.#counters, this.#toldOf(this.#part), this.#told);
  }

  /** The others may wait for room just as well, so they are listened to. */
  #makeRoom(): void {
    for (;;) {
      const heard = Math.min(...this.#others.map((other) => this.#heardBy(other)));
      this.#roomUntil = heard + CAPACITY;
      if (this.#told < this.#roomUntil) return;
      this.#listen();
      this.#nap(this.#toldOf(this.#part));
    }
  }

  waitFor(at: number): void {
    if (this.#passed > at) return;
    let passed = OVER;
    for (const other of this.#others) passed = Math.min(passed, this.#clockBeyond(other, at));
    this.#listen();
    this.#passed = passed;
  }

  end(): void {
    for (const other of this.#others) Atomics.store(this.#counters, this.#heardOf(other, this.#part), OVER);
    Atomics.store(this.#counters, this.#clockOf(this.#part), OVER);
  }

  /** The clock of another part, when it is past `at`. */
  #clockBeyond(other: number, at: number): number {
    const place = this.#clockOf(other);
    for (let looks = 1; ; looks += 1) {
      const clock = Atomics.load(this.#counters, place);
      if (clock > at) return clock;
      if (looks % SPINS !== 0) continue;
      // The other one may wait for room.
      this.#listen();
      this.#nap(place);
    }
  }

  #listen(): void {
    for (const other of this.#others) {
      const told = Atomics.load(this.#counters, this.#toldOf(other));
      const heardAt = this.#heardOf(other, this.#part);
      let heard = Atomics.load(this.#counters, heardAt);
      if (heard === told) continue;
      for (; heard < told; heard += 1) {
        const place = (other * CAPACITY + (heard & (CAPACITY - 1))) * NEWS_INTS;
        this.#hear(other, this.#news[place] ?? 0, this.#news[place + 1] ?? 0, this.#news[place + 2] ?? 0);
      }
      Atomics.store(this.#counters, heardAt, heard);
    }
  }

  #nap(place: number): void {
    Atomics.wait(this.#counters, place, Atomics.load(this.#counters, place), NAP_MS);
  }

  #heardBy(other: number): number {
    return Atomics.load(this.#counters, this.#heardOf(this.#part, other));
  }

  #clockOf(part: number): number {
    return part * LINE_INTS;
  }

  #toldOf(part: number): number {
    return (this.parts + part) * LINE_INTS;
  }

  #heardOf(teller: number, hearer: number): number {
    return (2 * this.parts + teller * this.parts + hearer) * LINE_INTS;
  }
}
