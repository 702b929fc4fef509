/**
 * Drift repair: news of the kernel is looked at three times a second; where it is about what is ours, the kernel is compared
 * with what it should hold, and what is missing is put back. A timer and no thread, for the reason of docs/decisions/0015.
 *
 * All of a comparison and its repairs happens without an await, and so does every other change of the datapath: an ADD or
 * DEL is either not begun or done, and is never taken for drift.
 */
import type { Drift, DriftKind, DriftRepair, DriftReport } from '../datapath.ts';
import { differenceKey, inOrderOfRepair, type Difference } from './difference.ts';
import { BackOff } from './back-off.ts';
import { findCulprits } from './culprits.ts';
import type { News } from './news.ts';

/** News is looked at so often: what is lost is back after half of it, and each look takes a sleeping process 0.3 ms. */
const PACE_MS = 300;
/** Some settings have no news (accept_ra, disable_ipv6); a comparison takes a few milliseconds. */
const SLOW_PACE_MS = 60_000;
/** With nothing to be done but to wait, news does not make us look more often than this. */
const CONTENDED_PACE_MS = 800;

/** A comparison that fails is repeated after so long. */
const FAILURE_PACE_MS = 5000;

/** What the repair works on. */
export interface DriftPorts {
  /** Empties the news. */
  takeNews(): News;
  /** Compares; `thorough` includes what has no news. */
  compare(thorough: boolean): readonly Difference[];
  /** Sets one difference right. Throws what the kernel refuses. */
  mend(difference: Difference): void;
  /** Milliseconds that never go back. */
  now(): number;
}

/** See the file's comment. */
export class Repairing implements DriftRepair {
  readonly #ports: DriftPorts;
  readonly #report: (report: DriftReport) => void;
  readonly #backOff = new BackOff();
  readonly #timer: NodeJS.Timeout;
  /** What is not as it should be and left so, with the outcome that was told. */
  #left: ReadonlyMap<string, Drift> = new Map();
  #isDue = true;
  #comparedAt = Number.NEGATIVE_INFINITY;
  #thoroughAt = Number.NEGATIVE_INFINITY;
  #retryAt = Number.POSITIVE_INFINITY;
  #doers = new Map<number, string>();
  #reports: Promise<void> = Promise.resolve();
  comparisons = 0;

  constructor(ports: DriftPorts, report: (report: DriftReport) => void) {
    this.#ports = ports;
    this.#report = report;
    this.#timer = setInterval(() => this.#turn(), PACE_MS);
    this.#timer.unref();
  }

  /** What was found wrong may not be wanted any more. */
  lookAgain(): void {
    this.#isDue ||= this.#left.size > 0;
  }

  unrepaired(): ReadonlyMap<DriftKind, number> {
    const counts = new Map<DriftKind, number>();
    for (const { kind } of this.#left.values()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#reports;
  }

  #turn(): void {
    const now = this.#ports.now();
    const { isSuspicious, isHopeful, isMoved, doers } = this.#ports.takeNews();
    for (const [pid, name] of doers) this.#doers.set(pid, name);
    const isThorough = now - this.#thoroughAt >= SLOW_PACE_MS;
    this.#isDue ||=
      isSuspicious || isMoved || isThorough || now >= this.#retryAt || (isHopeful && this.#forgiveFailures());
    const isContended = [...this.#left.values()].some(({ outcome }) => outcome !== 'missing');
    if (!this.#isDue || (isContended && now - this.#comparedAt < CONTENDED_PACE_MS)) return;
    this.#isDue = false;
    this.#comparedAt = now;
    if (isThorough) this.#thoroughAt = now;
    this.comparisons += 1;
    try {
      this.#repairAll(this.#ports.compare(isThorough), now);
    } catch (error) {
      this.#retryAt = now + FAILURE_PACE_MS;
      this.#report({ drifts: [], culprits: [], failure: textOf(error) });
    }
  }

  /** What the kernel refused may be possible now. */
  #forgiveFailures(): boolean {
    const failed = [...this.#left].filter(([, { outcome }]) => outcome === 'failed');
    for (const [key] of failed) this.#backOff.forget(key);
    return failed.length > 0;
  }

  #repairAll(differences: readonly Difference[], now: number): void {
    const left = new Map<string, Drift>();
    const told: Drift[] = [];
    let isTableMended = false;
    this.#retryAt = Number.POSITIVE_INFINITY;
    for (const difference of inOrderOfRepair(differences)) {
      const key = differenceKey(difference);
      const isDone: boolean = difference.repair.by === 'table' && isTableMended;
      const drift: Drift = isDone ? this.#noted(difference, key, now) : this.#repair(difference, key, now);
      isTableMended ||= difference.repair.by === 'table' && drift.outcome === 'repaired';
      if (drift.retryInMs !== undefined) this.#retryAt = Math.min(this.#retryAt, now + drift.retryInMs);
      if (drift.outcome !== 'repaired') left.set(key, drift);
      if (drift.outcome === 'repaired' || this.#left.get(key)?.outcome !== drift.outcome) told.push(drift);
    }
    this.#left = left;
    if (told.length > 0) this.#tell(told);
  }

  #repair(difference: Difference, key: string, now: number): Drift {
    const { kind, object, expected, found, repair } = difference;
    const drift = { kind, object, expected, found };
    if (repair.by === 'nobody') return { ...drift, outcome: 'missing' };
    const wait = this.#backOff.waitMs(key, now);
    if (wait > 0) return { ...drift, outcome: this.#left.get(key)?.outcome ?? 'held-back', retryInMs: wait };
    this.#backOff.note(key, now);
    try {
      this.#ports.mend(difference);
      return { ...drift, outcome: 'repaired' };
    } catch (error) {
      const retryInMs = Math.max(this.#backOff.waitMs(key, now), CONTENDED_PACE_MS);
      return { ...drift, outcome: 'failed', error: textOf(error), retryInMs };
    }
  }

  /** One of several differences of the table, which has just been put as a whole. */
  #noted({ kind, object, expected, found }: Difference, key: string, now: number): Drift {
    this.#backOff.note(key, now);
    return { kind, object, expected, found, outcome: 'repaired' };
  }

  /** In the order of what happened; the search for culprits is not waited for by anybody. */
  #tell(drifts: readonly Drift[]): void {
    const doers = this.#doers;
    this.#doers = new Map();
    const culprits = findCulprits(doers);
    this.#reports = this.#reports.then(async () => this.#report({ drifts, culprits: await culprits }));
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
