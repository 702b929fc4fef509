import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ManualClock } from '#cloud/decorate/testing/manual-clock.ts';
import { ApiError } from './api-error.ts';
import { Outbox, type OutboxOptions, type WriteOutcome } from './outbox.ts';

const AWAY = new ApiError('unreachable', 'away');
const REFUSED = new ApiError('refused', 'no', { status: 422 });
const FORBIDDEN = new ApiError('refused', 'no', { status: 403 });

function bed(more: Partial<OutboxOptions> = {}) {
  const clock = new ManualClock();
  const outcomes: WriteOutcome[] = [];
  const outbox = new Outbox({
    capacity: 10,
    maxAgeMs: Infinity,
    concurrency: 3,
    paceMs: 0,
    backOff: { baseMs: 100, maxMs: 1000 },
    clock,
    random: () => 0.5,
    onOutcome: (outcome) => outcomes.push(outcome),
    ...more,
  });
  return { clock, outcomes, outbox };
}

describe('Outbox', () => {
  it('repeats while the server is away, with back-off, until it is done', async () => {
    const { clock, outcomes, outbox } = bed();
    const at: number[] = [];
    outbox.put({
      key: 'a',
      send: async () => {
        at.push(clock.now());
        if (at.length < 6) throw AWAY;
      },
    });
    await clock.advance(10_000);
    expect(at).toEqual([0, 75, 225, 525, 1125, 1875]);
    expect(outcomes).toEqual(['done']);
    await outbox[Symbol.asyncDispose]();
  });

  it('gives up what is refused for good at once, and what is forbidden after five attempts', async () => {
    const { clock, outcomes, outbox } = bed();
    let attempts = 0;
    outbox.put({ key: 'a', send: () => Promise.reject(REFUSED) });
    outbox.put({ key: 'b', send: () => ((attempts += 1), Promise.reject(FORBIDDEN)) });
    await clock.advance(60_000);
    expect(outcomes).toEqual(['refused', 'refused']);
    expect(attempts).toBe(5);
    await outbox[Symbol.asyncDispose]();
  });

  it('drops what is too old, and the oldest when it is full', async () => {
    const { clock, outcomes, outbox } = bed({ capacity: 2, maxAgeMs: 500, concurrency: 1 });
    for (const key of ['a', 'b', 'c']) outbox.put({ key, send: () => Promise.reject(AWAY) });
    expect(outcomes).toEqual(['dropped']);
    await clock.advance(5000);
    expect(outcomes).toEqual(['dropped', 'dropped', 'dropped']);
    expect(outbox.length).toBe(0);
    await outbox[Symbol.asyncDispose]();
  });

  it('ends at once when it is disposed of, in the middle of a write and of a wait', async () => {
    const { outbox, clock } = bed();
    outbox.put({
      key: 'a',
      send: (signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error))),
    });
    outbox.put({ key: 'b', send: () => Promise.reject(AWAY) });
    await clock.advance(1);
    await outbox[Symbol.asyncDispose]();
  });

  it('never writes one key twice at a time, ends with the latest write of each, and accounts for every one', async () => {
    const step = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      wait: fc.integer({ min: 0, max: 50 }),
      takes: fc.integer({ min: 0, max: 80 }),
      failures: fc.integer({ min: 0, max: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const { clock, outcomes, outbox } = bed();
        const busy = new Set<string>();
        const written = new Map<string, number>();
        for (const [index, { key, wait, takes, failures }] of steps.entries()) {
          await clock.advance(wait);
          let left = failures;
          outbox.put({
            key,
            send: async () => {
              expect(busy.has(key)).toBe(false);
              busy.add(key);
              await clock.sleep(takes);
              busy.delete(key);
              left -= 1;
              if (left >= 0) throw AWAY;
              written.set(key, index);
            },
          });
        }
        await clock.advance(100_000);
        for (const key of ['a', 'b', 'c']) {
          const last = steps.findLastIndex((each) => each.key === key);
          expect(written.get(key) ?? -1).toBe(last);
        }
        expect(outbox.length).toBe(0);
        expect(outcomes.every((outcome) => outcome === 'done')).toBe(true);
        await outbox[Symbol.asyncDispose]();
      }),
      { numRuns: 60 },
    );
  });
});
