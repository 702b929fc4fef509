import { CloudError } from '../errors.ts';
import type { CloudProvider } from '../provider.ts';
import type { Clock } from './clock.ts';
import { decorate } from './decorate.ts';

/**
 * Ends every call after `deadlineMs` with `aborted`, also one whose provider does not listen to its signal. What is
 * inside (retries, waiting for the budget) counts.
 */
export function withDeadline(
  provider: CloudProvider,
  { clock, deadlineMs }: { readonly clock: Clock; readonly deadlineMs: number },
): CloudProvider {
  return decorate(provider, async ({ operation, options }, proceed) => {
    const late = new AbortController();
    const answered = new AbortController();
    const signal = options.signal === undefined ? late.signal : AbortSignal.any([options.signal, late.signal]);
    const tooLate = new CloudError('aborted', operation, `not done within ${String(deadlineMs / 1000)} s`);
    const { promise: expiry, reject } = Promise.withResolvers<never>();
    void clock.sleep(deadlineMs, answered.signal).then(() => {
      if (answered.signal.aborted) return;
      late.abort(tooLate);
      reject(tooLate);
    });
    try {
      return await Promise.race([proceed({ ...options, signal }), expiry]);
    } catch (error) {
      throw late.signal.aborted && !options.signal?.aborted ? tooLate : error;
    } finally {
      answered.abort();
    }
  });
}
