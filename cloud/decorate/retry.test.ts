import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { CloudErrorCode } from '../errors.ts';
import { systemClock } from './clock.ts';
import { URGENCY_LOOK_MS, type Urgency } from '#warm-pool/pauses.ts';
import { decorate, type Operation } from './decorate.ts';
import { mayRetry, withRetry } from './retry.ts';
import { CloudError } from '../errors.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { callEach, failingProvider, quietProvider } from './testing/quiet-provider.ts';

const OPERATIONS = Object.keys(quietProvider) as Operation[];
const CODES: readonly CloudErrorCode[] = [
  'subnet-exhausted',
  'no-free-prefix',
  'interface-limit',
  'address-limit',
  'throttled',
  'denied',
  'not-found',
  'in-use',
  'invalid',
  'unavailable',
  'aborted',
];
const ASSIGNS: readonly Operation[] = ['assignPrivateIpAddresses', 'assignIpv6Addresses'];

function setUp(codes: readonly CloudErrorCode[], random = () => 0) {
  const clock = new ManualClock();
  const inner = failingProvider(codes);
  return { clock, calls: inner.calls, provider: withRetry(inner.provider, { clock, random, attempts: 4 }) };
}

describe('withRetry', () => {
  it('an assign is sent once, whatever the answer; only a throttled one did nothing and is repeated', async () => {
    for (const operation of ASSIGNS) {
      const throttled = setUp(['throttled', 'throttled']);
      await throttled.clock.run(callEach(throttled.provider)[operation]());
      expect(throttled.calls).toHaveLength(3);
      for (const code of CODES.filter((each) => each !== 'throttled')) {
        const { clock, calls, provider } = setUp([code]);
        await expect(clock.run(callEach(provider)[operation]())).rejects.toMatchObject({ code });
        expect(calls).toHaveLength(1);
      }
    }
  });

  it('an attach without an answer is left to the caller, a throttled one is repeated', async () => {
    const lost = setUp(['unavailable']);
    await expect(lost.clock.run(callEach(lost.provider).attachNetworkInterface())).rejects.toMatchObject({
      code: 'unavailable',
    });
    const throttled = setUp(['throttled', 'throttled']);
    await throttled.clock.run(callEach(throttled.provider).attachNetworkInterface());
    expect([lost.calls.length, throttled.calls.length]).toEqual([1, 3]);
  });

  it('sends at most as often as it may, and stops at the first failure that repeating cannot cure', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...OPERATIONS),
        fc.array(fc.constantFrom(...CODES), { maxLength: 6 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        async (operation, codes, jitter) => {
          const { clock, calls, provider } = setUp(codes, () => jitter);
          const repeatable = codes.findIndex((code) => !mayRetry(operation, new CloudError(code, operation, '')));
          const failures = repeatable === -1 ? codes.length : repeatable + 1;
          const call = callEach(provider)[operation];
          const outcome = await clock.run(
            call().then(
              () => 'ok',
              (error: unknown) => (error as CloudError).code,
            ),
          );
          const expectedCalls = Math.min(4, repeatable === -1 ? failures + 1 : failures);
          expect(calls).toHaveLength(expectedCalls);
          expect(outcome).toBe(codes[expectedCalls - 1] ?? 'ok');
          expect(clock.sleeping).toBe(0);
        },
      ),
    );
  });

  it('the pauses grow from 100-200 ms, by two, to no more than 5 s', async () => {
    for (const [random, least] of [
      [() => 0, 100],
      [() => 0.999, 199],
    ] as const) {
      const clock = new ManualClock();
      const inner = failingProvider(Array.from({ length: 9 }, () => 'unavailable' as const));
      const times: number[] = [];
      const provider = withRetry(inner.provider, {
        clock: { ...systemClock, now: () => clock.now(), sleep: (ms, s) => (times.push(ms), clock.sleep(ms, s)) },
        random,
        attempts: 10,
      });
      await clock.run(provider.describeSubnets({}, { cause: 'test' }));
      expect(times[0]).toBeGreaterThanOrEqual(least);
      expect(Math.max(...times)).toBeLessThanOrEqual(5000);
      times.slice(1, 5).forEach((ms, i) => expect(ms).toBeCloseTo(2 * (times[i] ?? 0)));
    }
  });

  it('throttled calls have attempts of their own', async () => {
    const codes = [
      'throttled',
      'unavailable',
      'throttled',
      'unavailable',
      'throttled',
      'unavailable',
      'unavailable',
    ] as const;
    const clock = new ManualClock();
    const inner = failingProvider(codes);
    const provider = withRetry(inner.provider, { clock, random: () => 0, attempts: 3, throttledAttempts: Infinity });
    await expect(clock.run(callEach(provider).describeSubnets())).rejects.toMatchObject({ code: 'unavailable' });
    expect(inner.calls).toHaveLength(6);
  });

  it('a signal ends a pause at once, and the error says what had failed', async () => {
    const { clock, calls, provider } = setUp(['throttled', 'throttled']);
    const caller = new AbortController();
    const call = provider.describeSubnets({}, { cause: 'test', signal: caller.signal });
    const outcome = call.catch((error: unknown) => error);
    await clock.advance(0);
    expect(clock.sleeping).toBe(1);
    caller.abort();
    expect(await outcome).toMatchObject({ code: 'aborted', cause: { code: 'throttled' } });
    expect(clock.now()).toBe(0);
    expect(calls).toHaveLength(1);
  });

  it('passes on a success that came just before the signal', async () => {
    const caller = new AbortController();
    const { provider } = setUp([]);
    const call = provider.assignPrivateIpAddresses(
      { networkInterfaceId: 'eni-1', addressCount: 1 },
      { cause: 'test', signal: caller.signal },
    );
    queueMicrotask(() => caller.abort());
    expect(await call).toEqual({ addresses: ['10.0.0.6'], prefixes: [] });
  });

  it('a throttled call that nobody waits for leaves the limit to others, until a pod waits for it', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 0, max: 120_000 }),
        async (jitter, throttled, waitsFrom) => {
          const clock = new ManualClock();
          const urgencyOf = (): Urgency => (clock.now() >= waitsFrom ? 'urgent' : 'patient');
          const sentAt: number[] = [];
          const inner = failingProvider(Array.from({ length: throttled }, () => 'throttled' as const));
          const noted = decorate(
            inner.provider,
            ({ options }, proceed) => (sentAt.push(clock.now()), proceed(options)),
          );
          const provider = withRetry(noted, { clock, random: () => jitter, throttledAttempts: Infinity, urgencyOf });
          await clock.run(provider.createTags({ resourceIds: [], tags: {} }, { cause: 'below-warm-ip-target' }));
          const part = 0.5 + jitter / 2;
          for (const [index, at] of sentAt.slice(1).entries()) {
            const before = sentAt[index] ?? 0;
            const usualAt = before + part * Math.min(5000, 200 * 2 ** index);
            const patientAt = before + part * Math.min(30_000, 10_000 * 2 ** index);
            const latest = Math.min(patientAt, Math.max(usualAt, waitsFrom + URGENCY_LOOK_MS));
            expect(at).toBeGreaterThan(Math.min(patientAt, Math.max(usualAt, waitsFrom)) - 1);
            expect(at).toBeLessThan(latest + 1);
          }
          expect(sentAt).toHaveLength(throttled + 1);
        },
      ),
    );
  });

  it('a patient call without an answer pauses no longer than others', async () => {
    const clock = new ManualClock();
    const inner = failingProvider(['unavailable']);
    const provider = withRetry(inner.provider, { clock, random: () => 0, urgencyOf: () => 'patient' });
    await clock.run(callEach(provider).describeSubnets());
    expect(clock.now()).toBe(100);
  });
});
