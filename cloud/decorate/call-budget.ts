import { CloudError } from '../errors.ts';
import type { CloudProvider } from '../provider.ts';
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
}

/**
 * One node's share. EC2's own buckets (100 reads refilled at 20/s, 50 changes at 5/s) are the account's, for all nodes
 * together; the burst of changes lets a large node attach all its interfaces at once (three calls each).
 */
export const DEFAULT_RATES: Readonly<Record<CallClass, Rate>> = {
  read: { burst: 20, perSecond: 5 },
  change: { burst: 50, perSecond: 5 },
};

export function callClass(operation: Operation): CallClass {
  return operation.startsWith('describe') ? 'read' : 'change';
}

/** Makes calls wait, first come first served, until the node's budget has room; `aborted` where the signal fires first. */
export function withCallBudget(provider: CloudProvider, { clock, rates }: CallBudgetOptions): CloudProvider {
  const buckets: Readonly<Record<CallClass, TokenBucket>> = {
    read: new TokenBucket(clock, rates?.read ?? DEFAULT_RATES.read),
    change: new TokenBucket(clock, rates?.change ?? DEFAULT_RATES.change),
  };
  return decorate(provider, async ({ operation, options }, proceed) => {
    const passed = await buckets[callClass(operation)].take(options.signal);
    if (!passed) {
      const message = 'given up while waiting for the call budget of this node; nothing was sent';
      throw new CloudError('aborted', operation, message, { cause: options.signal?.reason });
    }
    return proceed(options);
  });
}
