/** Shared memory between the parts of a run: nothing is lost or heard twice, however far the teller is ahead. */
import { expect, it } from '@jest/globals';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { CAPACITY, exchangeMemory, SharedExchange } from '#warm-pool/simulator/exchange.ts';
import { until } from '#test/support/until.ts';

const NEWS = 3 * CAPACITY;

it('keeps a part waiting that tells more than there is room for, until it is heard', async () => {
  const memory = exchangeMemory(2);
  const heard: (readonly [from: number, at: number, node: number, what: number])[] = [];
  const exchange = new SharedExchange(memory, 2, 0, (...news) => heard.push(news));
  const teller = new Worker(new URL('./exchange.program.ts', import.meta.url), { workerData: { memory, news: NEWS } });
  try {
    const ended = once(teller, 'exit');
    // Its clock stops at the first for which there is no room.
    const counters = new Int32Array(memory, 0, 64);
    await until('the teller waits', 60_000, () => counters.includes(CAPACITY));
    exchange.waitFor(NEWS / 2);
    expect(heard.length).toBeGreaterThan(NEWS / 2);
    exchange.waitFor(NEWS);
    expect(await ended).toEqual([0]);
    expect(heard.length).toBe(NEWS);
    expect(
      heard.findIndex(([from, at, node, what], n) => from !== 1 || at !== n || node !== n % 7 || what !== n % 11),
    ).toBe(-1);
  } finally {
    await teller.terminate();
  }
});

it('lets a part go on when the other has ended without listening', () => {
  const memory = exchangeMemory(2);
  const one = new SharedExchange(memory, 2, 0, () => undefined);
  const other = new SharedExchange(memory, 2, 1, () => undefined);
  other.end();
  for (let at = 0; at < NEWS; at += 1) one.tell(at, 0, 0);
  one.waitFor(NEWS);
});
