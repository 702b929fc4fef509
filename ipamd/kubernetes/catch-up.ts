/** Something that is to be done once, as soon as the API server lets it. */
import type { Clock } from '#cloud/decorate/clock.ts';
import { errorFields, type Log } from '../observe/log.ts';
import { isWorthRepeating } from './api-error.ts';
import { type BackOff, delayAfter } from './back-off.ts';

const MOST_ATTEMPTS = 200;

/** Never rejects; ends by success, by a refusal that repetition cannot overcome, or by the signal. */
export async function repeatUntilDone(
  work: () => Promise<void>,
  options: {
    readonly what: string;
    readonly backOff: BackOff;
    readonly clock: Clock;
    readonly random: () => number;
    readonly log: Log;
    /** Which failures repetition may overcome, beside those of the API server. */
    readonly isWorth?: (error: unknown) => boolean;
  },
  signal: AbortSignal,
): Promise<void> {
  const { what, backOff, clock, random, log, isWorth = () => false } = options;
  for (let failures = 1; !signal.aborted && failures <= MOST_ATTEMPTS; failures += 1) {
    try {
      await work();
      return;
    } catch (error) {
      if (signal.aborted) return;
      if ((!isWorthRepeating(error) && !isWorth(error)) || failures === MOST_ATTEMPTS) {
        log.warn({ what, ...errorFields(error) }, 'the API server refused what was to be done once');
        return;
      }
      await clock.sleep(delayAfter(backOff, failures, random()), signal);
    }
  }
}
