/**
 * The calls of one node as the daemon's decorators send them: each waits for the node's budget (warm-pool/call-bucket.ts),
 * urgent ones first; throttled ones are sent again after a pause, until the deadline of the request.
 */

import {
  type BucketLevel,
  type BucketLimits,
  fullBucket,
  levelAt,
  NODE_AT_ONCE,
  NODE_RATES,
  NODE_SURGE,
  passOne,
  untilNextCall,
  withAnswer,
  withTaken,
  withThrottled,
} from '../call-bucket.ts';
import { attemptPause, patientPause, type Urgency, URGENCY_LOOK_MS } from '../pauses.ts';
import type { Account, Outcome } from './account.ts';
import type { CloudCall } from './cluster.ts';
import type { Timeline } from './timeline.ts';

/** `aborted`: the deadline of the request passed while it was throttled. */
export type Answer<T> = Outcome<T> | { readonly kind: 'refused'; readonly code: 'aborted' };

/** The daemon's deadline for one request (cloud/decorate/stack.ts). */
const REQUEST_DEADLINE_MS = 60_000;

interface Waiter {
  readonly cause: string;
  readonly go: () => void;
}

/** A throttled call that pauses. */
interface Rest {
  readonly cause: string;
  readonly since: number;
  /** When it would go on if it were not patient. */
  readonly usualAt: number;
  readonly go: () => void;
}

interface Lane {
  readonly limits: BucketLimits;
  readonly waiters: Waiter[];
  level: BucketLevel;
  wakesAt: number;
}

export class CallGate {
  readonly #account: Account;
  readonly #timeline: Timeline;
  readonly #urgencyOf: (cause: string) => Urgency;
  readonly #lanes: Partial<Record<'read' | 'change', Lane>> = {};
  readonly #resting = new Set<Rest>();
  /** When a call was throttled last. */
  throttledAt = -Infinity;
  isClosed = false;

  constructor(account: Account, timeline: Timeline, urgencyOf: (cause: string) => Urgency) {
    this.#account = account;
    this.#timeline = timeline;
    this.#urgencyOf = urgencyOf;
  }

  /** Sends a request; `effect` is what the cloud does when it takes it. Nothing is answered once the gate is closed. */
  request<T>(call: CloudCall, cause: string, effect: () => Outcome<T>, done: (answer: Answer<T>) => void): void {
    const deadlineAt = this.#timeline.now + REQUEST_DEADLINE_MS;
    this.#attempt(call, cause, effect, done, { deadlineAt, failures: 0 });
  }

  #attempt<T>(
    call: CloudCall,
    cause: string,
    effect: () => Outcome<T>,
    done: (answer: Answer<T>) => void,
    { deadlineAt, failures }: { readonly deadlineAt: number; readonly failures: number },
  ): void {
    const name = call.startsWith('Describe') ? 'read' : 'change';
    let isOver = false;
    const go = (): void => {
      isOver = true;
      const sentAt = this.#timeline.now;
      this.#account.send(
        call,
        () => (this.isClosed ? { kind: 'refused', code: 'in-use' } : effect()),
        (outcome) => {
          if (this.isClosed) return;
          this.#answered(name, outcome, sentAt);
          if (outcome.kind === 'ok' || outcome.code !== 'throttled') {
            done(outcome);
            return;
          }
          this.#pause(cause, failures + 1, deadlineAt, () => {
            if (this.#timeline.now >= deadlineAt) done({ kind: 'refused', code: 'aborted' });
            else this.#attempt(call, cause, effect, done, { deadlineAt, failures: failures + 1 });
          });
        },
      );
    };
    const lane = this.#laneOf(name);
    const waiter = { cause, go };
    lane.waiters.push(waiter);
    this.#drain(lane);
    if (isOver) return;
    this.#timeline.at(deadlineAt, () => {
      if (isOver || this.isClosed) return;
      lane.waiters.splice(lane.waiters.indexOf(waiter), 1);
      done({ kind: 'refused', code: 'aborted' });
    });
  }

  /** A throttled call pauses; a patient one for longer, until it is so no more. */
  #pause(cause: string, failures: number, deadlineAt: number, next: () => void): void {
    const { now } = this.#timeline;
    const part = 0.5 + this.#account.chance() / 2;
    const usualAt = Math.min(now + part * attemptPause(failures), deadlineAt);
    const go = (): void => {
      if (this.#resting.delete(rest) && !this.isClosed) next();
    };
    const rest: Rest = { cause, since: now, usualAt, go };
    this.#resting.add(rest);
    const isPatient = this.#urgencyOf(cause) === 'patient';
    this.#timeline.at(isPatient ? Math.min(now + part * patientPause(failures), deadlineAt) : usualAt, go);
  }

  /** Pods begin to wait: calls that pause and were patient look again, when they do so. */
  hurry(): void {
    const { now } = this.#timeline;
    for (const rest of this.#resting) {
      if (this.#urgencyOf(rest.cause) === 'patient') continue;
      const looks = Math.ceil((now - rest.since) / URGENCY_LOOK_MS);
      this.#timeline.at(Math.max(rest.usualAt, rest.since + looks * URGENCY_LOOK_MS), rest.go);
    }
  }

  #answered(name: 'read' | 'change', outcome: Outcome<unknown>, sentAt: number): void {
    const lane = this.#laneOf(name);
    const { now } = this.#timeline;
    if (outcome.kind === 'ok') lane.level = withTaken(lane.level, lane.limits, sentAt, now);
    else if (outcome.code === 'throttled') {
      this.throttledAt = now;
      lane.level = withThrottled(lane.level, lane.limits, sentAt, now, () => this.#account.chance());
    }
    lane.level = withAnswer(lane.level);
    this.#drain(lane);
  }

  #drain(lane: Lane): void {
    const { now } = this.#timeline;
    while (lane.waiters.length > 0 && !this.isClosed) {
      lane.level = levelAt(lane.level, lane.limits, now);
      const wait = untilNextCall(lane.level, lane.limits, now);
      if (wait > 0) {
        this.#wake(lane, now + wait);
        return;
      }
      const { index, level } = passOne(
        lane.level,
        lane.limits,
        now,
        lane.waiters.findIndex(({ cause }) => this.#urgencyOf(cause) === 'urgent'),
      );
      lane.level = level;
      lane.waiters.splice(index, 1)[0]?.go();
    }
  }

  #wake(lane: Lane, at: number): void {
    if (at === Infinity || (lane.wakesAt > this.#timeline.now && lane.wakesAt <= at)) return;
    lane.wakesAt = at;
    this.#timeline.at(at, () => this.#drain(lane));
  }

  #laneOf(name: 'read' | 'change'): Lane {
    const known = this.#lanes[name];
    if (known !== undefined) return known;
    const limits = { rate: NODE_RATES[name], surge: NODE_SURGE, atOnce: NODE_AT_ONCE };
    const lane = { limits, waiters: [], level: fullBucket(limits, this.#timeline.now), wakesAt: -1 };
    this.#lanes[name] = lane;
    return lane;
  }
}
