import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { withCallBudget } from './call-budget.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { failingProvider } from './testing/quiet-provider.ts';
import { TokenBucket } from './token-bucket.ts';

const rate = fc.record({ burst: fc.integer({ min: 1, max: 20 }), perSecond: fc.integer({ min: 1, max: 50 }) });
/** When callers come, as pauses between one and the next. */
const arrivals = fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 60 });

describe('TokenBucket', () => {
  it('in no span of time do more pass than the burst and what flows in, and nobody waits without need', async () => {
    await fc.assert(
      fc.asyncProperty(rate, arrivals, async (limits, pauses) => {
        const clock = new ManualClock();
        const bucket = new TokenBucket(clock, limits);
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
        const bucket = new TokenBucket(clock, { burst: 1, perSecond: 10 });
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
      expect(() => new TokenBucket(clock, bad)).toThrow(RangeError);
    }
  });
});

describe('withCallBudget', () => {
  it('reads and changes wait for different buckets; who gives up sends nothing', async () => {
    const clock = new ManualClock();
    const inner = failingProvider([]);
    const once = { burst: 1, perSecond: 1 };
    const provider = withCallBudget(inner.provider, { clock, rates: { read: once, change: once } });
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
