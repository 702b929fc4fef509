import pRetry from 'p-retry';
import { attemptPause, patientPause, type Urgency, URGENCY_LOOK_MS } from '#warm-pool/pauses.ts';
import { CloudError } from '../errors.ts';
import type { CallOptions, CloudProvider } from '../provider.ts';
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
  /** A throttled call that is `patient` pauses longer, for as long as it is. Default: `usual`. */
  readonly urgencyOf?: (options: CallOptions) => Urgency;
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
  const { attempts = 4, firstPauseMs = 200, maxPauseMs = 5000 } = options;
  const { throttledAttempts = attempts } = options;
  return decorate(provider, ({ operation, options: call }, proceed) => {
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
        const count = failures.throttled + failures.other;
        const usualMs = attemptPause(count, firstPauseMs, maxPauseMs);
        await pause(options, { usualMs, patientMs: kind === 'throttled' ? patientPause(count) : usualMs }, call);
        if (call.signal?.aborted)
          throw new CloudError('aborted', operation, `given up before a retry of: ${error.message}`, { cause: error });
        return true;
      },
    });
  });
}

/** Less is rounding of times. */
const LEAST_PAUSE_MS = 0.001;

/** At least half as long as is said. A call that is patient no more goes on when a call that never was would have. */
async function pause(
  { clock, random, urgencyOf = () => 'usual' }: RetryOptions,
  { usualMs, patientMs }: { readonly usualMs: number; readonly patientMs: number },
  call: CallOptions,
): Promise<void> {
  const part = 0.5 + random() / 2;
  const since = clock.now();
  while (call.signal?.aborted !== true) {
    const isPatient = urgencyOf(call) === 'patient';
    const leftMs = since + part * (isPatient ? patientMs : usualMs) - clock.now();
    if (leftMs < LEAST_PAUSE_MS) return;
    await clock.sleep(isPatient ? Math.min(leftMs, URGENCY_LOOK_MS) : leftMs, call.signal);
    if (!isPatient) return;
  }
}
