import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { withCallBudget } from './call-budget.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { callEach, failingProvider, quietProvider } from './testing/quiet-provider.ts';
import { CloudError } from '../errors.ts';
import { RECOVERY_MS } from '#warm-pool/call-rate.ts';
import { decorate } from './decorate.ts';
import { decorateForDaemon } from './stack.ts';
import { TokenBucket } from './token-bucket.ts';
import { type Rate, type Tokens, untilNext, withoutOne } from '#warm-pool/tokens.ts';

const rate = fc.record({ burst: fc.integer({ min: 1, max: 20 }), perSecond: fc.integer({ min: 1, max: 50 }) });
/** When callers come, as pauses between one and the next. */
const arrivals = fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 60 });

describe('TokenBucket', () => {
  it('in no span of time do more pass than the burst and what flows in, and nobody waits without need', async () => {
    await fc.assert(
      fc.asyncProperty(rate, arrivals, async (limits, pauses) => {
        const clock = new ManualClock();
        const bucket = new TokenBucket(clock, { rate: limits });
        const passed: number[] = [];
        const order: number[] = [];
        const waits = [];
        for (const [i, pause] of pauses.entries()) {
          await clock.advance(pause);
          waits.push(bucket.take().then(() => (passed.push(clock.now()), order.push(i))));
        }
        await clock.run(Promise.all(waits));
        for (let from = 0; from < passed.length; from += 1) {
          for (let to = from; to < passed.length; to += 1) {
            const seconds = ((passed[to] ?? 0) - (passed[from] ?? 0)) / 1000;
            expect(to - from + 1).toBeLessThanOrEqual(limits.burst + limits.perSecond * seconds + 1e-6);
          }
        }
        expect(order).toEqual(pauses.map((_, i) => i));
        const arrival = pauses.reduce((sum, pause) => sum + pause, 0);
        const allAtOnce = (Math.max(0, pauses.length - limits.burst) / limits.perSecond) * 1000;
        expect(clock.now()).toBeLessThanOrEqual(arrival + allAtOnce + 1e-6);
        expect(clock.sleeping).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('those who give up leave their place to the next, in order, and take nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 20 }), async (givesUp) => {
        const clock = new ManualClock();
        const bucket = new TokenBucket(clock, { rate: { burst: 1, perSecond: 10 } });
        await bucket.take();
        const passed: number[] = [];
        const waits = givesUp.map(async (gone, i) => {
          const caller = new AbortController();
          const turn = bucket.take(caller.signal);
          if (gone) caller.abort();
          if (await turn) passed.push(i);
        });
        await clock.run(Promise.all(waits));
        const stayed = givesUp.flatMap((gone, i) => (gone ? [] : [i]));
        expect(passed).toEqual(stayed);
        expect(clock.now()).toBeCloseTo(stayed.length * 100);
        await clock.advance(0);
        expect(clock.sleeping).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  it('a rate that lets nothing pass is an error', () => {
    const clock = new ManualClock();
    for (const bad of [
      { burst: 0, perSecond: 1 },
      { burst: 1, perSecond: 0 },
      { burst: NaN, perSecond: 1 },
    ]) {
      expect(() => new TokenBucket(clock, { rate: bad })).toThrow(RangeError);
      const rate = { burst: 1, perSecond: 1 };
      expect(() => new TokenBucket(clock, { rate, surge: bad })).toThrow(RangeError);
    }
  });
});

describe('TokenBucket with urgent callers', () => {
  it('lets them go first, in their order, and lets nobody be overtaken more than four times in a row', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 40 }), async (urgency) => {
        const clock = new ManualClock();
        const bucket = new TokenBucket(clock, { rate: { burst: 1, perSecond: 10 } });
        await bucket.take();
        const passed: number[] = [];
        const waits = urgency.map((urgent, i) => bucket.take(undefined, () => urgent).then(() => void passed.push(i)));
        await clock.run(Promise.all(waits));
        for (const kind of [true, false]) {
          const order = passed.filter((i) => urgency[i] === kind);
          expect(order).toEqual(order.toSorted((a, b) => a - b));
        }
        const urgent = urgency.filter(Boolean).length;
        passed.forEach((i, place) => {
          if (urgency[i] === true) {
            const urgentBefore = urgency.slice(0, i).filter(Boolean).length;
            // One of those who came before for each four urgent ones.
            expect(place).toBeLessThanOrEqual(urgentBefore + Math.ceil((urgentBefore + 1) / 4));
          } else expect(place).toBeLessThanOrEqual(Math.min(i + urgent, i + 4 * (i + 1)));
        });
        expect(clock.now()).toBeCloseTo(urgency.length * 100);
      }),
      { numRuns: 100 },
    );
  });

  it('asks again whether a caller is urgent: a pod may come to wait later', async () => {
    const clock = new ManualClock();
    const bucket = new TokenBucket(clock, { rate: { burst: 1, perSecond: 10 } });
    await bucket.take();
    const passed: string[] = [];
    let waits = false;
    const all = Promise.all([
      bucket.take().then(() => passed.push('first')),
      bucket.take().then(() => passed.push('second')),
      bucket.take(undefined, () => waits).then(() => passed.push('third')),
    ]);
    await clock.advance(150);
    waits = true;
    await clock.run(all);
    expect(passed).toEqual(['first', 'third', 'second']);
  });
});

/** EC2's bucket of one account, and calls that take `latencyMs`. */
function account(clock: ManualClock, limit: Rate, latencyMs: number) {
  let tokens: Tokens = { count: limit.burst, at: 0 };
  const seen = { taken: 0, refused: 0 };
  const provider = decorate(quietProvider, async ({ operation, options }, proceed) => {
    const now = clock.now();
    const admitted = untilNext(tokens, limit, now) === 0;
    tokens = admitted ? withoutOne(tokens, limit, now) : tokens;
    await clock.sleep(latencyMs);
    seen[admitted ? 'taken' : 'refused'] += 1;
    if (!admitted) throw new CloudError('throttled', operation, 'Request limit exceeded.');
    return proceed(options);
  });
  return { provider, seen };
}

const quiet = { observer: { observe: () => undefined } };

describe('under an account limit', () => {
  it('all calls succeed, few are refused, and full speed comes back', async () => {
    const limits = fc.record({ burst: fc.integer({ min: 1, max: 20 }), perSecond: fc.integer({ min: 1, max: 4 }) });
    await fc.assert(
      fc.asyncProperty(
        limits,
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 1000 }),
        async (limit, calls, latencyMs, seed) => {
          const clock = new ManualClock();
          const { provider, seen } = account(clock, limit, latencyMs);
          let state = seed;
          const random = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
          const stack = decorateForDaemon(provider, { ...quiet, clock, random, deadlineMs: 600_000 });
          await clock.run(Promise.all(Array.from({ length: calls }, () => callEach(stack.provider).createTags())));
          expect(seen.taken).toBe(calls);
          // What went out before the first refusal came back, and then a little for finding out what the limit is.
          const unheard = Math.min(16, 10 + (50 * latencyMs) / 1000);
          expect(seen.refused).toBeLessThanOrEqual(unheard + 4 + 0.25 * calls);
          await clock.advance(2 * RECOVERY_MS);
          const [, change] = stack.budget();
          expect(change?.perSecond).toBe(change?.fullPerSecond);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('what a call cannot get in time is throttled, and says so', async () => {
    const clock = new ManualClock();
    const { provider } = account(clock, { burst: 1, perSecond: 0.001 }, 5);
    const stack = decorateForDaemon(provider, { ...quiet, clock, random: () => 0.5, deadlineMs: 30_000 });
    const calls = callEach(stack.provider);
    await clock.run(calls.createTags());
    const late = await clock.run(calls.assignPrivateIpAddresses().catch((error: unknown) => error));
    expect(late).toMatchObject({
      code: 'throttled',
      operation: 'assignPrivateIpAddresses',
      message: expect.stringMatching(
        /not done within 30 s, because of throttling: .*throttles the calls of this account/,
      ),
    });
    const [read, change] = stack.budget();
    expect(change?.perSecond).toBeLessThan(1);
    expect(read?.perSecond).toBe(read?.fullPerSecond);
  });
});

describe('TokenBucket with a bound on what is under way', () => {
  it('lets nobody pass until one is done, and then one', async () => {
    const clock = new ManualClock();
    const bucket = new TokenBucket(clock, { rate: { burst: 9, perSecond: 100 }, atOnce: 2 });
    const passed: number[] = [];
    for (let i = 0; i < 5; i += 1) void bucket.take().then(() => passed.push(i));
    await clock.advance(10_000);
    expect(passed).toEqual([0, 1]);
    bucket.done();
    await clock.advance(0);
    expect(passed).toEqual([0, 1, 2]);
    for (let i = 0; i < 3; i += 1) bucket.done();
    await clock.advance(0);
    expect(passed).toEqual([0, 1, 2, 3, 4]);
    for (let i = 0; i < 2; i += 1) bucket.done();
    expect(clock.sleeping).toBe(0);
  });
});

describe('withCallBudget', () => {
  it('reads and changes wait for different buckets; who gives up sends nothing', async () => {
    const clock = new ManualClock();
    const inner = failingProvider([]);
    const once = { burst: 1, perSecond: 1 };
    const { provider } = withCallBudget(inner.provider, { clock, rates: { read: once, change: once } });
    await provider.describeSubnets({}, { cause: 'test' });
    await provider.deleteNetworkInterface({ networkInterfaceId: 'eni-1' }, { cause: 'test' });
    const caller = new AbortController();
    const waiting = provider
      .describeSubnets({}, { cause: 'test', signal: caller.signal })
      .catch((error: unknown) => error);
    const next = provider.describeSubnets({}, { cause: 'test' });
    await clock.advance(500);
    expect(inner.calls).toHaveLength(2);
    caller.abort();
    expect(await waiting).toMatchObject({ code: 'aborted', operation: 'describeSubnets' });
    await clock.run(next);
    expect(clock.now()).toBe(1000);
    expect(inner.calls).toHaveLength(3);
  });
});
