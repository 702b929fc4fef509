/**
 * The budget of calls as a value: when the next call may go, and who goes first. Run by the daemon (cloud/decorate) and by
 * the simulator. Pure; times in milliseconds of one clock that never goes back.
 */

import { afterPassed, afterThrottled, type CallRate, fullRate, rateAt } from './call-rate.ts';
import { type Rate, refilled, type Tokens, untilNext, withoutOne } from './tokens.ts';

export interface BucketLimits {
  readonly rate: Rate;
  /** What may be sent in an instant and then in a second while no answer has come yet; no limit where absent. */
  readonly surge?: Rate;
  /** So many may be under way. No limit where absent. */
  readonly atOnce?: number;
}

export interface BucketLevel {
  readonly rate: CallRate;
  readonly tokens: Tokens;
  readonly surge: Tokens;
  readonly notBefore: number;
  readonly underWay: number;
  /** Urgent callers that went before others since somebody went in turn. */
  readonly overtaken: number;
}

/** So many urgent callers may overtake those who came before; then it is the turn of who came first. */
const MOST_OVERTAKING = 4;

/**
 * One node's share. EC2's own buckets (100 reads refilled at 20/s, 50 changes at 5/s) are the account's, for all nodes
 * together; the burst of changes lets a large node attach all its interfaces at once (three calls each).
 */
export const NODE_RATES: Readonly<Record<'read' | 'change', Rate>> = {
  read: { burst: 20, perSecond: 5 },
  change: { burst: 50, perSecond: 5 },
};
/** What goes out before the first answer is lost where the account has nothing left: no more than this at once. */
export const NODE_SURGE: Rate = { burst: 10, perSecond: 50 };
/** The largest instance has 15 interfaces on a card, made side by side. */
export const NODE_AT_ONCE = 16;

/** Nothing under way, everything saved up. Throws RangeError for rates that let nothing pass. */
export function fullBucket({ rate, surge }: BucketLimits, now: number): BucketLevel {
  for (const { burst, perSecond } of [rate, surge ?? rate]) {
    if (burst >= 1 && perSecond > 0) continue;
    throw new RangeError(`a bucket of ${String(burst)} filled ${String(perSecond)} times a second lets nothing pass`);
  }
  return {
    rate: fullRate(rate.perSecond),
    tokens: { count: rate.burst, at: now },
    surge: { count: surge?.burst ?? 0, at: now },
    notBefore: Number.NEGATIVE_INFINITY,
    underWay: 0,
    overtaken: 0,
  };
}

/** Calls a second that may pass in the long run. */
export function perSecondOf(level: BucketLevel, { rate }: BucketLimits, now: number): number {
  return rateAt(level.rate, rate.perSecond, now).perSecond;
}

/** The level at a time, with what was earned until then: look at it so before anything else is asked of it. */
export function levelAt(level: BucketLevel, limits: BucketLimits, now: number): BucketLevel {
  const tokens = refilled(level.tokens, currentRate(level, limits, now), now);
  return tokens === level.tokens ? level : { ...level, tokens };
}

/** Milliseconds until one may pass; 0 for now, Infinity for not before another one has its answer. */
export function untilNextCall(level: BucketLevel, limits: BucketLimits, now: number): number {
  const { surge, atOnce = Infinity } = limits;
  if (level.underWay >= atOnce) return Infinity;
  const sustained = untilNext(level.tokens, currentRate(level, limits, now), now);
  const surging = surge === undefined ? 0 : untilNext(level.surge, surge, now);
  return Math.max(0, sustained, surging, level.notBefore - now);
}

/** Who of those that wait goes now, an index in their order of arrival, and the level once it has gone. */
export function passOne(
  level: BucketLevel,
  limits: BucketLimits,
  now: number,
  firstUrgent: number,
): { readonly index: number; readonly level: BucketLevel } {
  const { surge } = limits;
  const isOvertaking = firstUrgent > 0 && level.overtaken < MOST_OVERTAKING;
  return {
    index: isOvertaking ? firstUrgent : 0,
    level: {
      ...level,
      tokens: withoutOne(level.tokens, currentRate(level, limits, now), now),
      surge: surge === undefined ? level.surge : withoutOne(level.surge, surge, now),
      underWay: level.underWay + 1,
      overtaken: isOvertaking ? level.overtaken + 1 : 0,
    },
  };
}

/** Somebody who passed has its answer. */
export function withAnswer(level: BucketLevel): BucketLevel {
  return { ...level, underWay: level.underWay - 1 };
}

/** A call that passed at `sentAt` was taken. */
export function withTaken(level: BucketLevel, { rate }: BucketLimits, sentAt: number, now: number): BucketLevel {
  const learnt = afterPassed(rateAt(level.rate, rate.perSecond, now), rate.perSecond, sentAt);
  return learnt === level.rate ? level : { ...level, rate: learnt };
}

/** A call that passed at `sentAt` was refused because too many came. `draw`, in [0, 1), keeps nodes from coming back together. */
export function withThrottled(
  level: BucketLevel,
  { rate }: BucketLimits,
  sentAt: number,
  now: number,
  draw: () => number,
): BucketLevel {
  const lowered = afterThrottled(rateAt(level.rate, rate.perSecond, now), rate.perSecond, sentAt, now);
  const isLower = lowered.loweredAt !== level.rate.loweredAt;
  return {
    ...level,
    rate: lowered,
    // What was saved up was saved for a limit that is not there.
    tokens: { count: 0, at: now },
    notBefore: isLower ? now + (1000 / lowered.perSecond) * (0.5 + draw()) : level.notBefore,
  };
}

/** While it is held back nothing is saved up. */
function currentRate({ rate: learnt }: BucketLevel, { rate }: BucketLimits, now: number): Rate {
  const { perSecond, loweredAt } = rateAt(learnt, rate.perSecond, now);
  return loweredAt === undefined ? rate : { burst: 1, perSecond };
}
