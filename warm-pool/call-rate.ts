/**
 * How fast a node may ask, learnt from EC2's answers: halved by a throttled call, raised little by little by those that
 * pass, and all of it again after a while without a throttled one. The account's limit is shared by all nodes and told to
 * none of them; where each of them does this they share what there is. Pure.
 */

export interface CallRate {
  readonly perSecond: number;
  /** When a throttled call last lowered it, milliseconds; undefined where none ever did, or it is forgotten. */
  readonly loweredAt: number | undefined;
}

const SMALLEST_PART = 1 / 50;
const LOWERED_TO = 1 / 2;
const STEP_PART = 1 / 100;
/** So long after the last throttled call time alone begins to raise the rate, and as long again it takes. */
export const RECOVERY_MS = 60_000;

export function fullRate(base: number): CallRate {
  return { perSecond: base, loweredAt: undefined };
}

/** What the rate is at a time, where nothing more was heard. */
export function rateAt(rate: CallRate, base: number, now: number): CallRate {
  if (rate.loweredAt === undefined) return rate;
  const regained = base * ((now - rate.loweredAt - RECOVERY_MS) / RECOVERY_MS);
  if (regained <= rate.perSecond) return rate;
  return regained >= base ? fullRate(base) : { ...rate, perSecond: regained };
}

/** `sentAt`: calls that were under way when the rate was lowered tell nothing about the lower one. */
export function afterThrottled(rate: CallRate, base: number, sentAt: number, now: number): CallRate {
  if (rate.loweredAt !== undefined && sentAt <= rate.loweredAt) return rate;
  return { perSecond: Math.max(base * SMALLEST_PART, rate.perSecond * LOWERED_TO), loweredAt: now };
}

export function afterPassed(rate: CallRate, base: number, sentAt: number): CallRate {
  if (rate.loweredAt === undefined || sentAt <= rate.loweredAt) return rate;
  const perSecond = rate.perSecond + base * STEP_PART;
  return perSecond >= base ? fullRate(base) : { ...rate, perSecond };
}
