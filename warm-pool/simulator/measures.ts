/** What a run is judged by, noted as it happens. */

import { CLOUD_CALLS, type CloudCall } from './cluster.ts';

/** How a count changed: times in ms, ascending, none twice, and by how much. */
export interface Changes {
  readonly times: Float64Array;
  readonly by: Int32Array;
}

export interface OverTime {
  readonly mean: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** A count and its changes. */
export class CountOverTime {
  #times = new Float64Array(1024);
  #by = new Int32Array(1024);
  #length = 0;
  value = 0;

  change(by: number, now: number): void {
    this.value += by;
    const last = this.#length - 1;
    if (this.#times[last] === now) {
      this.#by[last] = (this.#by[last] ?? 0) + by;
      return;
    }
    if (this.#length === this.#times.length) {
      this.#times = grown(this.#times, new Float64Array(this.#length * 2));
      this.#by = grown(this.#by, new Int32Array(this.#length * 2));
    }
    this.#times[this.#length] = now;
    this.#by[this.#length] = by;
    this.#length += 1;
  }

  get changes(): Changes {
    return { times: this.#times.slice(0, this.#length), by: this.#by.slice(0, this.#length) };
  }
}

function grown<T extends Float64Array | Int32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Of the sum of these counts until `now`: its mean and its quantiles, weighted by how long it had each value. */
export function overTime(counts: readonly Changes[], now: number): OverTime {
  let durations = new Float64Array(1024);
  let [last, since, max] = [0, 0, 0];
  const note = (at: number, value: number): void => {
    durations[last] = (durations[last] ?? 0) + at - since;
    [last, since, max] = [value, at, Math.max(max, value)];
    if (max >= durations.length) durations = grown(durations, new Float64Array(2 * max));
  };
  goThrough(counts, now, note);
  note(now, last);
  const total = durations.reduce((sum, each) => sum + each, 0);
  const quantile = (part: number): number => {
    let passed = 0;
    const found = durations.findIndex((duration) => (passed += duration) > 0 && passed >= total * part);
    return found < 0 ? last : found;
  };
  const sum = durations.reduce((all, each, value) => all + each * value, 0);
  return { mean: total === 0 ? last : sum / total, p50: quantile(0.5), p99: quantile(0.99), max };
}

/** Tells of each time until `now` at which one changes, and of their sum after all that happens then. */
function goThrough(counts: readonly Changes[], now: number, note: (at: number, value: number) => void): void {
  const places = new Int32Array(counts.length);
  for (let value = 0; ;) {
    let at = Infinity;
    for (let index = 0; index < places.length; index += 1) {
      const next = counts[index]?.times[places[index] ?? 0] ?? Infinity;
      if (next < at) at = next;
    }
    if (at > now) return;
    for (let index = 0; index < places.length; index += 1) {
      const place = places[index] ?? 0;
      if (counts[index]?.times[place] !== at) continue;
      value += counts[index]?.by[place] ?? 0;
      places[index] = place + 1;
    }
    note(at, value);
  }
}

export interface CallTotals {
  readonly calls: number;
  readonly throttled: number;
}

export class Measures {
  /** Addresses and prefixes' addresses on interfaces that no pod has; those that cool are among them. */
  readonly idle = new CountOverTime();
  readonly assigned = new CountOverTime();
  readonly interfaces = new CountOverTime();
  waiting = 0;
  readonly delays: number[] = [];
  readonly failedAdds = new Map<string, number>();
  readonly neverServed = new Map<string, number>();
  readonly calls = new Map<CloudCall, { calls: number; throttled: number }>();
  /** Calls in each second of the run. */
  readonly perSecond: Int32Array;
  podEvents = 0;
  served = 0;

  constructor(durationMs: number) {
    this.perSecond = new Int32Array(Math.ceil(durationMs / 1000) + 1);
    for (const call of CLOUD_CALLS) this.calls.set(call, { calls: 0, throttled: 0 });
  }

  /** A call is sent. */
  called(call: CloudCall, now: number): void {
    const counts = this.calls.get(call);
    if (counts !== undefined) counts.calls += 1;
    const second = Math.floor(now / 1000);
    this.perSecond[second] = (this.perSecond[second] ?? 0) + 1;
  }

  /** Its answer is that the account's limit is reached. */
  throttled(call: CloudCall): void {
    const counts = this.calls.get(call);
    if (counts !== undefined) counts.throttled += 1;
  }

  get totalCalls(): number {
    let total = 0;
    for (const { calls } of this.calls.values()) total += calls;
    return total;
  }

  count(reasons: Map<string, number>, reason: string): void {
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
}
