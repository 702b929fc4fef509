import { CloudError } from '../errors.ts';
import type { CloudProvider } from '../provider.ts';
import type { Clock } from './clock.ts';
import { decorate } from './decorate.ts';

/**
 * Ends every call after `deadlineMs`, also one whose provider does not listen to its signal. What is inside (retries,
 * waiting for the budget) counts. It fails with `throttled` where that is why it took so long, else with `aborted`.
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
      // Who listens says first what it was waiting for.
      clock.soon(() => reject(tooLate));
    });
    try {
      return await Promise.race([proceed({ ...options, signal }), expiry]);
    } catch (error) {
      throw late.signal.aborted && !options.signal?.aborted ? (throttlingIn(error, tooLate) ?? tooLate) : error;
    } finally {
      answered.abort();
    }
  });
}

/** Nothing was done where the last that was heard is that EC2 throttles. */
function throttlingIn(error: unknown, { operation, message }: CloudError): CloudError | undefined {
  const cause = error instanceof CloudError ? error.cause : undefined;
  if (!(cause instanceof CloudError) || cause.code !== 'throttled') return undefined;
  const text = `${message.slice(operation.length + 2)}, because of throttling: ${cause.message}`;
  return new CloudError('throttled', operation, text, { ec2Code: cause.ec2Code, cause });
}
