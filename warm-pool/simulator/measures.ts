/** What a run is judged by, noted as it happens. */

import { CLOUD_CALLS, type CloudCall } from './cluster.ts';

/** A count over time: its mean and its quantiles, weighted by how long it had each value. */
export class TimeWeighted {
  #durations = new Float64Array(1024);
  #since = 0;
  value = 0;
  most = 0;

  change(by: number, now: number): void {
    this.#note(now);
    this.value += by;
    if (this.value > this.most) this.most = this.value;
  }

  /** Over the time until `now`. */
  summary(now: number): { readonly mean: number; readonly p50: number; readonly p99: number; readonly max: number } {
    this.#note(now);
    const total = this.#durations.reduce((sum, each) => sum + each, 0);
    const weighted = this.#durations.reduce((sum, each, value) => sum + each * value, 0);
    return {
      mean: total === 0 ? this.value : weighted / total,
      p50: this.#quantile(0.5, total),
      p99: this.#quantile(0.99, total),
      max: this.most,
    };
  }

  #quantile(part: number, total: number): number {
    let sum = 0;
    for (let value = 0; value < this.#durations.length; value += 1) {
      sum += this.#durations[value] ?? 0;
      if (sum >= total * part && sum > 0) return value;
    }
    return this.value;
  }

  #note(now: number): void {
    if (now === this.#since) return;
    if (this.value >= this.#durations.length) {
      const longer = new Float64Array(Math.max(this.value + 1, this.#durations.length * 2));
      longer.set(this.#durations);
      this.#durations = longer;
    }
    this.#durations[this.value] = (this.#durations[this.value] ?? 0) + now - this.#since;
    this.#since = now;
  }
}

export class Measures {
  /** Addresses and prefixes' addresses on interfaces that no pod has; those that cool are among them. */
  readonly idle = new TimeWeighted();
  readonly assigned = new TimeWeighted();
  readonly interfaces = new TimeWeighted();
  readonly waiting = new TimeWeighted();
  readonly delays: number[] = [];
  readonly failedAdds = new Map<string, number>();
  readonly neverServed = new Map<string, number>();
  readonly calls = new Map<CloudCall, { calls: number; throttled: number }>();
  readonly #perSecond: Int32Array;
  podEvents = 0;
  served = 0;
  adds = 0;

  constructor(durationMs: number) {
    this.#perSecond = new Int32Array(Math.ceil(durationMs / 1000) + 1);
    for (const call of CLOUD_CALLS) this.calls.set(call, { calls: 0, throttled: 0 });
  }

  called(call: CloudCall, admitted: boolean, now: number): void {
    const counts = this.calls.get(call);
    if (counts !== undefined) {
      counts.calls += 1;
      if (!admitted) counts.throttled += 1;
    }
    const second = Math.floor(now / 1000);
    this.#perSecond[second] = (this.#perSecond[second] ?? 0) + 1;
  }

  get totalCalls(): number {
    return [...this.calls.values()].reduce((sum, { calls }) => sum + calls, 0);
  }

  /** Most calls in one second of the run. */
  get peakPerSecond(): number {
    return this.#perSecond.reduce((most, each) => Math.max(most, each), 0);
  }

  count(reasons: Map<string, number>, reason: string): void {
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
}
