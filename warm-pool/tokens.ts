/** A count of tokens that fills by time: how many calls may go now, and when the next one may. Pure. */

export interface Rate {
  /** Calls that may go at once after a long rest. At least 1. */
  readonly burst: number;
  readonly perSecond: number;
}

export interface Tokens {
  readonly count: number;
  /** When it was counted, milliseconds. */
  readonly at: number;
}

/** Rounding must not make a caller wait for the last billionth of a token. */
const ENOUGH = 1 - 1e-9;

export function refilled(tokens: Tokens, { burst, perSecond }: Rate, now: number): Tokens {
  if (now <= tokens.at && tokens.count <= burst) return tokens;
  const earned = (Math.max(0, now - tokens.at) / 1000) * perSecond;
  return { count: Math.min(burst, tokens.count + earned), at: Math.max(now, tokens.at) };
}

/** Milliseconds until there is a whole token; 0 where there is one. */
export function untilNext(tokens: Tokens, rate: Rate, now: number): number {
  const { count } = refilled(tokens, rate, now);
  return count >= ENOUGH ? 0 : ((1 - count) / rate.perSecond) * 1000;
}

export function withoutOne(tokens: Tokens, rate: Rate, now: number): Tokens {
  const { count, at } = refilled(tokens, rate, now);
  return { count: Math.max(0, count - 1), at };
}
