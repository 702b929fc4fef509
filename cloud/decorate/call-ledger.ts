import type { CloudErrorCode } from '../errors.ts';
import type { CloudProvider } from '../provider.ts';
import type { Clock } from './clock.ts';
import type { Operation } from './decorate.ts';
import { withMetrics } from './metrics.ts';
import type { ObservedCall } from './metrics.ts';

/** One call to the cloud, as the introspection endpoint shows it. */
export interface CallRecord {
  readonly operation: Operation;
  readonly cause: string;
  /** Milliseconds since the Unix epoch. */
  readonly startedAt: number;
  readonly durationMs: number;
  readonly outcome: 'ok' | CloudErrorCode;
}

/** All calls for one cause since the start. */
export interface CauseCount {
  readonly cause: string;
  readonly calls: number;
  /** Without those that were throttled. */
  readonly failed: number;
  readonly throttled: number;
}

/** What was asked of the cloud, and why. */
export interface CallLedger {
  /** The last calls, oldest first, at most `capacity` of them. */
  recent(): readonly CallRecord[];
  /** How often each operation was called since the start, also those that `recent` no longer holds. */
  counts(): Readonly<Partial<Record<Operation, number>>>;
  /** The same by cause, most calls first. */
  byCause(): readonly CauseCount[];
}

export interface CallLedgerOptions {
  readonly clock: Clock;
  /** Milliseconds since the Unix epoch. */
  readonly wallClock: () => number;
  /** Calls that are remembered. Default 1000. */
  readonly capacity?: number;
}

/** A ledger and the provider that writes to it. */
export function withCallLedger(
  provider: CloudProvider,
  { clock, wallClock, capacity = 1000 }: CallLedgerOptions,
): { readonly provider: CloudProvider; readonly ledger: CallLedger } {
  const records: CallRecord[] = [];
  const counts = new Map<Operation, number>();
  const causes = new Map<string, CauseCount>();
  const observe = ({ operation, cause, outcome, durationMs }: ObservedCall): void => {
    records.push({ operation, cause, startedAt: wallClock() - durationMs, durationMs, outcome });
    if (records.length > capacity) records.shift();
    counts.set(operation, (counts.get(operation) ?? 0) + 1);
    const before = causes.get(cause) ?? { cause, calls: 0, failed: 0, throttled: 0 };
    causes.set(cause, {
      cause,
      calls: before.calls + 1,
      failed: before.failed + (outcome === 'ok' || outcome === 'throttled' ? 0 : 1),
      throttled: before.throttled + (outcome === 'throttled' ? 1 : 0),
    });
  };
  return {
    provider: withMetrics(provider, { clock, observer: { observe } }),
    ledger: {
      recent: () => [...records],
      counts: () => Object.fromEntries(counts),
      byCause: () => [...causes.values()].toSorted((a, b) => b.calls - a.calls || (a.cause < b.cause ? -1 : 1)),
    },
  };
}
