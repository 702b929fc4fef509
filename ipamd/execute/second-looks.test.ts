import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { ManualClock } from '#cloud/decorate/testing/manual-clock.ts';
import { quietProvider } from '#cloud/decorate/testing/quiet-provider.ts';
import { OWN_WRITE_OUTRANKS_MS } from '../store/own-writes.ts';
import type { ExecuteContext } from './context.ts';
import { SecondLooks } from './second-looks.ts';

/** When an interface is looked at, from doubts at given times and releases that end at others; the first looks fail. */
async function looksAt(doubts: readonly number[], ends: readonly number[] = [], failing = 0): Promise<number[]> {
  const clock = new ManualClock();
  const seen: number[] = [];
  await using looks = new SecondLooks();
  const context = {
    clock,
    now: () => clock.now(),
    log: pino({ enabled: false }),
    releasesEnd: () => ends.filter((end) => end > clock.now()),
    secondLooks: looks,
    identity: { instanceId: 'i-1' },
    pool: { snapshot: () => ({ interfaces: [] }), ledger: { interfaces: new Map() } },
    provider: {
      ...quietProvider,
      describeNetworkInterfaces: () => {
        seen.push(clock.now());
        return seen.length > failing ? Promise.resolve([]) : Promise.reject(new Error('no answer'));
      },
    },
  } as unknown as ExecuteContext;
  for (const at of doubts) {
    await clock.advance(at - clock.now());
    looks.at('eni-1', context);
  }
  await clock.advance(60_000);
  return seen;
}

const close = (times: readonly number[], wanted: readonly number[]): boolean =>
  times.length === wanted.length &&
  times.every((time, index) => time >= (wanted[index] ?? 0) && time < (wanted[index] ?? 0) + 1000);

it('a doubt is looked into once no read can be behind it, never at the very boundary', async () => {
  const seen = await looksAt([5000]);
  expect(close(seen, [15_000])).toBe(true);
  expect(seen.every((time) => time > 5000 + OWN_WRITE_OUTRANKS_MS)).toBe(true);
});

it('a doubt puts no earlier look off, and has one of its own', async () => {
  expect(close(await looksAt([0, 4000, 9000]), [10_000, 14_000, 19_000])).toBe(true);
});

it('a crowd of doubts is looked into once a second at most', async () => {
  const doubts = Array.from({ length: 100 }, (_, index) => index * 50);
  expect((await looksAt(doubts)).length).toBeLessThanOrEqual(6);
  expect((await looksAt(Array.from({ length: 20 }, () => 0))).length).toBe(1);
});

it('what a release hides is looked at when that ends, not ten seconds after the doubt', async () => {
  expect(close(await looksAt([1000], [2300, 10_700]), [2300, 11_000])).toBe(true);
});

it('a look that gets no answer is made again', async () => {
  expect(close(await looksAt([0], [], 2), [10_000, 20_000, 30_000])).toBe(true);
});
