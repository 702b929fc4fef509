import { CloudError } from '../errors.ts';
import type { CloudErrorCode } from '../errors.ts';
import type { CloudProvider } from '../provider.ts';
import type { Clock } from './clock.ts';
import { decorate } from './decorate.ts';
import type { Operation } from './decorate.ts';

/** A call that has ended. */
export interface ObservedCall {
  readonly operation: Operation;
  readonly cause: string;
  readonly outcome: 'ok' | CloudErrorCode;
  readonly durationMs: number;
}

export interface CallObserver {
  /** Must not throw. */
  observe(call: ObservedCall): void;
}

/** Tells `observer` of every call as it ends, and changes nothing about it. */
export function withMetrics(
  provider: CloudProvider,
  options: { readonly clock: Clock; readonly observer: CallObserver },
): CloudProvider {
  const { clock, observer } = options;
  return decorate(provider, async ({ operation, options: call }, proceed) => {
    const start = clock.now();
    const ended = (outcome: ObservedCall['outcome']): void => {
      observer.observe({ operation, cause: call.cause, outcome, durationMs: clock.now() - start });
    };
    try {
      const result = await proceed(call);
      ended('ok');
      return result;
    } catch (error) {
      ended(outcomeOf(error));
      throw error;
    }
  });
}

/** Providers throw nothing but a `CloudError`; should one be broken, its call counts as one without a readable answer. */
export function outcomeOf(error: unknown): CloudErrorCode {
  return error instanceof CloudError ? error.code : 'unavailable';
}
