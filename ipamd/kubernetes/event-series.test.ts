import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { emptySeries, hear, type News, type SeriesRules, type SeriesState } from './event-series.ts';

const RULES: SeriesRules = { intervalMs: 1000, burst: 5, perMinute: 60, capacity: 4 };

function news(name: string, reason = 'SubnetExhausted'): News {
  return {
    regarding: { kind: 'Pod', namespace: 'default', name, uid: `uid-${name}` },
    reason,
    message: 'why',
    type: 'Warning',
  };
}

/** Every sending, with its time. */
function play(steps: readonly { readonly wait: number; readonly name: string }[]) {
  let state: SeriesState = emptySeries(RULES, 0);
  let now = 0;
  const sent: { readonly at: number; readonly name: string; readonly count: number }[] = [];
  let dropped = 0;
  for (const { wait, name } of steps) {
    now += wait;
    const heard = hear(state, news(name), now, RULES);
    state = heard.state;
    if (heard.dropped) dropped += 1;
    if (heard.send !== undefined) sent.push({ at: now, name, count: heard.send.count });
  }
  return { state, sent, dropped, now };
}

const STEPS = fc.array(
  fc.record({ wait: fc.integer({ min: 0, max: 2500 }), name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h') }),
  { maxLength: 80 },
);

describe('hear', () => {
  it('sends the first at once, then counts, and sends the count when the interval is over', () => {
    const { sent } = play([0, 10, 10, 980, 10].map((wait) => ({ wait, name: 'a' })));
    expect(sent).toEqual([
      { at: 0, name: 'a', count: 1 },
      { at: 1000, name: 'a', count: 4 },
    ]);
  });

  it('tells reasons, actions and objects apart', () => {
    const state = hear(emptySeries(RULES, 0), news('a'), 0, RULES).state;
    for (const other of [news('b'), news('a', 'CloudDenied'), { ...news('a'), action: 'ec2:x' }])
      expect(hear(state, other, 1, RULES).send?.count).toBe(1);
    expect(hear(state, { ...news('a'), message: 'other words' }, 1, RULES).send).toBeUndefined();
  });

  it('never sends the same more often than once an interval, nor more new ones than the bucket gives, and holds no more than it may', () => {
    fc.assert(
      fc.property(STEPS, (steps) => {
        const { state, sent, dropped, now } = play(steps);
        expect(state.byKey.size).toBeLessThanOrEqual(RULES.capacity);
        expect(sent.filter(({ count }) => count === 1).length).toBeLessThanOrEqual(
          RULES.burst + (now * RULES.perMinute) / 60_000,
        );
        // What is neither sent nor dropped is counted by a series that is still held, or was pushed out.
        expect(sent.length + dropped).toBeLessThanOrEqual(steps.length);
        for (const [index, one] of sent.entries()) {
          const next = sent.slice(index + 1).find(({ name }) => name === one.name);
          if (next !== undefined && next.count > 1) expect(next.at - one.at).toBeGreaterThanOrEqual(RULES.intervalMs);
        }
      }),
    );
  });
});
