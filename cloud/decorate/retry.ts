import pRetry from 'p-retry';
import { attemptPause } from '#warm-pool/pauses.ts';
import { CloudError } from '../errors.ts';
import type { CloudProvider } from '../provider.ts';
import type { Clock } from './clock.ts';
import { decorate } from './decorate.ts';
import type { Operation } from './decorate.ts';

export interface RetryOptions {
  readonly clock: Clock;
  /** In [0, 1); spreads the pauses so that nodes do not come back in step. */
  readonly random: () => number;
  /** Calls made for one request, the first included. Default 4. */
  readonly attempts?: number;
  /** The same where each of them was throttled: EC2 did nothing, and the budget sees to the pace. Default `attempts`. */
  readonly throttledAttempts?: number;
  /** The longest first pause; each further one is twice as long, up to `maxPauseMs`. Default 200. */
  readonly firstPauseMs?: number;
  /** Default 5000. */
  readonly maxPauseMs?: number;
}

/**
 * - `any`: the second call finds what the first one did, or does it: safe also where no answer came.
 * - `refused`: only where EC2 says that it did nothing, because it throttled the call. A second attach after a lost answer
 *   is told `in-use`, and a second assign takes more addresses; the caller must look.
 */
const REPEATABLE: Readonly<Record<Operation, 'any' | 'refused'>> = {
  describeNetworkInterfaces: 'any',
  describeSubnets: 'any',
  describeInstanceTypes: 'any',
  createNetworkInterface: 'any',
  attachNetworkInterface: 'refused',
  modifyNetworkInterfaceAttribute: 'any',
  detachNetworkInterface: 'any',
  deleteNetworkInterface: 'any',
  assignPrivateIpAddresses: 'refused',
  unassignPrivateIpAddresses: 'any',
  assignIpv6Addresses: 'refused',
  unassignIpv6Addresses: 'any',
  createTags: 'any',
};

/** Whether the same request may be sent again after this failure. */
export function mayRetry(operation: Operation, error: unknown): boolean {
  if (!(error instanceof CloudError)) return false;
  const repeatable = REPEATABLE[operation];
  if (error.code === 'throttled') return true;
  return error.retry === 'now' && repeatable === 'any';
}

/**
 * Sends again what may be sent again, after a pause that grows and is jittered, until it succeeds, `attempts` are used
 * up, or the signal fires (then `aborted`, with the last failure as its cause). The last failure is passed on as it is.
 */
export function withRetry(provider: CloudProvider, options: RetryOptions): CloudProvider {
  const { clock, random, attempts = 4, firstPauseMs = 200, maxPauseMs = 5000 } = options;
  const { throttledAttempts = attempts } = options;
  return decorate(provider, ({ operation, options: { signal }, options: call }, proceed) => {
    const failures = { throttled: 0, other: 0 };
    return pRetry(() => proceed(call), {
      retries: Number.POSITIVE_INFINITY,
      // The pause is ours, on the injected clock.
      minTimeout: 0,
      shouldRetry: async ({ error }) => {
        if (!mayRetry(operation, error)) return false;
        const kind = error instanceof CloudError && error.code === 'throttled' ? 'throttled' : 'other';
        failures[kind] += 1;
        const isLast =
          failures.other >= attempts || failures.throttled + failures.other >= Math.max(attempts, throttledAttempts);
        if (isLast) return false;
        const longest = attemptPause(failures.throttled + failures.other, firstPauseMs, maxPauseMs);
        await clock.sleep(longest * (0.5 + random() / 2), signal);
        if (signal?.aborted)
          throw new CloudError('aborted', operation, `given up before a retry of: ${error.message}`, { cause: error });
        return true;
      },
    });
  });
}
