import { describe, expect, it } from '@jest/globals';
import type { CloudErrorCode } from '../errors.ts';
import { decorate } from './decorate.ts';
import { decorateForDaemon } from './stack.ts';
import { withCallLedger } from './call-ledger.ts';
import { withDeadline } from './deadline.ts';
import { withMetrics } from './metrics.ts';
import type { ObservedCall } from './metrics.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { callEach, failingProvider, quietProvider } from './testing/quiet-provider.ts';
import type { Operation } from './decorate.ts';
import type { Clock } from './clock.ts';

const slow = (clock: Clock, ms: number) =>
  decorate(quietProvider, async ({ options }, proceed) => {
    await clock.sleep(ms);
    return proceed(options);
  });

describe('decorate', () => {
  it('passes each of the methods on under its own name, with its request and its result', async () => {
    const seen: Operation[] = [];
    const decorated = decorate(quietProvider, (call, proceed) => (seen.push(call.operation), proceed(call.options)));
    const names = Object.keys(quietProvider) as Operation[];
    for (const name of names) {
      expect(await callEach(decorated)[name]()).toEqual(await callEach(quietProvider)[name]());
    }
    expect(seen).toEqual(names);
  });
});

describe('withMetrics', () => {
  it('tells operation, cause, outcome and duration of successes and failures', async () => {
    const clock = new ManualClock();
    const seen: ObservedCall[] = [];
    const observer = { observe: (call: ObservedCall) => void seen.push(call) };
    await clock.run(withMetrics(slow(clock, 70), { clock, observer }).describeSubnets({}, { cause: 'start' }));
    const denied = withMetrics(failingProvider(['denied']).provider, { clock, observer });
    await expect(denied.createTags({ resourceIds: [], tags: {} }, { cause: 'tags' })).rejects.toMatchObject({
      code: 'denied',
    });
    expect(seen).toEqual([
      { operation: 'describeSubnets', cause: 'start', outcome: 'ok', durationMs: 70 },
      { operation: 'createTags', cause: 'tags', outcome: 'denied', durationMs: 0 },
    ]);
  });
});

describe('withCallLedger', () => {
  it('remembers the last calls and counts all', async () => {
    const clock = new ManualClock();
    const { provider, ledger } = withCallLedger(slow(clock, 10), {
      clock,
      wallClock: () => 5000 + clock.now(),
      capacity: 2,
    });
    for (const cause of ['a', 'b', 'c']) await clock.run(provider.describeSubnets({}, { cause }));
    expect(ledger.counts()).toEqual({ describeSubnets: 3 });
    expect(ledger.recent()).toEqual([
      { operation: 'describeSubnets', cause: 'b', startedAt: 5010, durationMs: 10, outcome: 'ok' },
      { operation: 'describeSubnets', cause: 'c', startedAt: 5020, durationMs: 10, outcome: 'ok' },
    ]);
  });

  it('counts by cause what failed and what was throttled', async () => {
    const clock = new ManualClock();
    const inner = failingProvider(['throttled', 'denied']).provider;
    const { provider, ledger } = withCallLedger(inner, { clock, wallClock: () => clock.now() });
    for (const cause of ['b', 'b', 'a', 'c', 'b'])
      await callEach(provider, undefined, cause)
        .createTags()
        .catch(() => undefined);
    expect(ledger.byCause()).toEqual([
      { cause: 'b', calls: 3, failed: 1, throttled: 1 },
      { cause: 'a', calls: 1, failed: 0, throttled: 0 },
      { cause: 'c', calls: 1, failed: 0, throttled: 0 },
    ]);
  });
});

describe('withDeadline', () => {
  it('ends a call that does not listen, at its time and not before, and leaves no timer behind', async () => {
    const clock = new ManualClock();
    const provider = withDeadline(slow(clock, 1500), { clock, deadlineMs: 1000 });
    const late = provider.describeSubnets({}, { cause: 'test' }).catch((error: unknown) => error);
    await clock.advance(999);
    expect(await Promise.race([late, Promise.resolve('pending')])).toBe('pending');
    await clock.advance(1);
    expect(await late).toMatchObject({ code: 'aborted', operation: 'describeSubnets' });

    const prompt = withDeadline(slow(clock, 10), { clock, deadlineMs: 1000 });
    await clock.run(prompt.describeSubnets({}, { cause: 'test' }));
    await clock.advance(0);
    expect(clock.sleeping).toBe(1); // the first call's own, which nothing can end
  });

  it("passes the caller's own signal on", async () => {
    const clock = new ManualClock();
    const signals: (AbortSignal | undefined)[] = [];
    const listening = decorate(
      quietProvider,
      ({ options }, proceed) => (signals.push(options.signal), proceed(options)),
    );
    const caller = new AbortController();
    await withDeadline(listening, { clock, deadlineMs: 5 }).describeSubnets(
      {},
      { cause: 'test', signal: caller.signal },
    );
    caller.abort();
    expect(signals[0]?.aborted).toBe(true);
  });
});

describe('decorateForDaemon', () => {
  it('observes and records every attempt, and ends what keeps failing at the deadline', async () => {
    const clock = new ManualClock();
    const seen: ObservedCall[] = [];
    const codes: CloudErrorCode[] = ['throttled', 'unavailable'];
    const { provider, ledger } = decorateForDaemon(failingProvider(codes).provider, {
      observer: { observe: (call) => void seen.push(call) },
      clock,
      random: () => 0,
      wallClock: () => clock.now(),
      deadlineMs: 10_000,
    });
    await clock.run(provider.describeSubnets({}, { cause: 'start' }));
    expect(seen.map((call) => call.outcome)).toEqual(['throttled', 'unavailable', 'ok']);
    expect(ledger.recent().map((call) => call.startedAt)).toEqual([0, 400, 800]);

    const never = decorateForDaemon(slow(clock, 60_000), {
      observer: { observe: () => undefined },
      clock,
      deadlineMs: 10_000,
    });
    const start = clock.now();
    const call = never.provider.describeSubnets({}, { cause: 'start' }).catch((error: unknown) => error);
    expect(await clock.run(call)).toMatchObject({ code: 'aborted' });
    expect(clock.now() - start).toBe(10_000);
  });
});
