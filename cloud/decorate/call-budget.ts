import { NODE_AT_ONCE, NODE_RATES, NODE_SURGE } from '#warm-pool/call-bucket.ts';
import { CloudError } from '../errors.ts';
import type { CallOptions, CloudProvider } from '../provider.ts';
import type { Clock } from './clock.ts';
import { decorate } from './decorate.ts';
import type { Operation } from './decorate.ts';
import { TokenBucket } from './token-bucket.ts';
import type { Rate } from './token-bucket.ts';

/** EC2 throttles what reads and what changes apart (EC2 API, "Request throttling"). */
export type CallClass = 'read' | 'change';

export interface CallBudgetOptions {
  readonly clock: Clock;
  readonly rates?: Readonly<Partial<Record<CallClass, Rate>>>;
  /** Whether a pod waits for this call. Asked as long as the call waits. Default: no call is. */
  readonly isUrgent?: (options: CallOptions) => boolean;
  readonly random?: () => number;
}

/** What a class of calls may do now. */
export interface BudgetState {
  readonly class: CallClass;
  /** Calls a second. */
  readonly perSecond: number;
  /** What it is while EC2 throttles nothing. */
  readonly fullPerSecond: number;
  /** Calls that wait for their turn. */
  readonly waiting: number;
}

/** One node's share. */
export const DEFAULT_RATES: Readonly<Record<CallClass, Rate>> = NODE_RATES;

export function callClass(operation: Operation): CallClass {
  return operation.startsWith('describe') ? 'read' : 'change';
}

/**
 * Makes calls wait until the node's budget has room: those that pods wait for first, otherwise first come first served.
 * Throttled calls make the budget smaller. A call whose signal fires first is `aborted`, and was not sent.
 */
export function withCallBudget(
  provider: CloudProvider,
  { clock, rates, isUrgent = () => false, random = Math.random }: CallBudgetOptions,
): { readonly provider: CloudProvider; readonly state: () => readonly BudgetState[] } {
  const rateOf = (name: CallClass): Rate => rates?.[name] ?? DEFAULT_RATES[name];
  const bucketOf = (name: CallClass): TokenBucket =>
    new TokenBucket(clock, { rate: rateOf(name), surge: NODE_SURGE, atOnce: NODE_AT_ONCE, random });
  const buckets: Readonly<Record<CallClass, TokenBucket>> = { read: bucketOf('read'), change: bucketOf('change') };
  const limited = decorate(provider, async ({ operation, options }, proceed) => {
    const bucket = buckets[callClass(operation)];
    if (!(await bucket.take(options.signal, () => isUrgent(options)))) throw gaveUp(operation, options, bucket);
    const sentAt = clock.now();
    try {
      const result = await proceed(options);
      bucket.passed(sentAt);
      return result;
    } catch (error) {
      if (error instanceof CloudError && error.code === 'throttled') bucket.throttled(sentAt);
      throw error;
    } finally {
      bucket.done();
    }
  });
  const state = (): readonly BudgetState[] =>
    (['read', 'change'] as const).map((name) => ({
      class: name,
      perSecond: buckets[name].perSecond,
      fullPerSecond: rateOf(name).perSecond,
      waiting: buckets[name].waiting,
    }));
  return { provider: limited, state };
}

function gaveUp(operation: Operation, { signal }: CallOptions, { isHeldBack }: TokenBucket): CloudError {
  const message = 'given up while waiting for the call budget of this node; nothing was sent';
  const why = 'EC2 throttles the calls of this account, so few are sent';
  const cause: unknown = isHeldBack ? new CloudError('throttled', operation, why) : signal?.reason;
  return new CloudError('aborted', operation, message, { cause });
}
