import type { Urgency } from '#warm-pool/pauses.ts';
import type { CallOptions, CloudProvider } from '../provider.ts';
import { withCallBudget } from './call-budget.ts';
import type { BudgetState, CallBudgetOptions } from './call-budget.ts';
import { withCallLedger } from './call-ledger.ts';
import type { CallLedger } from './call-ledger.ts';
import type { Clock } from './clock.ts';
import { systemClock } from './clock.ts';
import { withDeadline } from './deadline.ts';
import { withMetrics } from './metrics.ts';
import type { CallObserver } from './metrics.ts';
import { withRetry } from './retry.ts';

export interface StackOptions {
  readonly observer: CallObserver;
  /** The whole of one request: retries, pauses and waiting for the budget. Default 60 s. */
  readonly deadlineMs?: number;
  readonly rates?: CallBudgetOptions['rates'];
  /** Asked as long as a call waits or pauses. Default: `usual`. */
  readonly urgencyOf?: (options: CallOptions) => Urgency;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly wallClock?: () => number;
}

/**
 * The daemon's provider: each request has a deadline; what may be retried is; each attempt waits for the budget; and the
 * observer and the ledger see each attempt that was sent, with the time that EC2 took for it.
 */
export function decorateForDaemon(
  provider: CloudProvider,
  {
    observer,
    deadlineMs = 60_000,
    rates,
    urgencyOf = () => 'usual',
    clock = systemClock,
    random = Math.random,
    wallClock = Date.now,
  }: StackOptions,
): {
  readonly provider: CloudProvider;
  readonly ledger: CallLedger;
  readonly budget: () => readonly BudgetState[];
} {
  const recorded = withCallLedger(withMetrics(provider, { clock, observer }), { clock, wallClock });
  const paced = withCallBudget(recorded.provider, {
    clock,
    random,
    ...(rates && { rates }),
    isUrgent: (options) => urgencyOf(options) === 'urgent',
  });
  // Throttled calls are repeated until the deadline: the budget sees to it that they are few.
  const retried = withRetry(paced.provider, { clock, random, urgencyOf, throttledAttempts: Number.POSITIVE_INFINITY });
  return { provider: withDeadline(retried, { clock, deadlineMs }), ledger: recorded.ledger, budget: paced.state };
}
