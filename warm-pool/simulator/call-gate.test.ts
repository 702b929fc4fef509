import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { URGENCY_LOOK_MS, type Urgency } from '../pauses.ts';
import { Account, ok } from './account.ts';
import { CallGate } from './call-gate.ts';
import { CLOUD_CALLS, type CloudPace } from './cluster.ts';
import { ALONE } from './exchange.ts';
import { Measures } from './measures.ts';
import { randomOf } from './random.ts';
import { Throttle } from './throttle.ts';
import { Timeline } from './timeline.ts';

const HOUR = 3_600_000;
const NONE = { least: 1, most: 1 };
/** One call an hour, whatever it is. */
const TIGHT = Object.fromEntries(CLOUD_CALLS.map((call) => [call, { burst: 1, perSecond: 1 / 3600 }]));

/** When a request is sent, of which only the last attempt is admitted, if its urgency changes at a time. */
function sendings(waitsFrom: number, seed: number): readonly number[] {
  const timeline = new Timeline();
  const measures = new Measures(HOUR);
  const pace = { latency: NONE, latencyOf: {}, link: NONE, detach: NONE, account: TIGHT } as unknown as CloudPace;
  const throttle = new Throttle(pace.account, ALONE, 0);
  const account = new Account({ subnets: [], pace, timeline, measures, throttle }, 0, randomOf(seed, 'node'));
  const urgencyOf = (): Urgency => (timeline.now >= waitsFrom ? 'urgent' : 'patient');
  const gate = new CallGate(account, timeline, urgencyOf);
  const sent: number[] = [];
  const called = measures.called.bind(measures);
  measures.called = (call, now) => (sent.push(now), called(call, now));
  const nothing = (): void => undefined;
  gate.request('CreateNetworkInterface', 'uses the only one', () => ok(undefined), nothing);
  timeline.at(waitsFrom, () => gate.hurry());
  gate.request('CreateNetworkInterface', 'below-warm-eni-target', () => ok(undefined), nothing);
  while (timeline.nextAt < HOUR) timeline.step();
  return sent.slice(1);
}

describe('a throttled call in the simulator', () => {
  it('rests while nobody waits for it, and goes on soon after somebody does', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 50_000 }), fc.nat(1000), (waitsFrom, seed) => {
        const sent = sendings(waitsFrom, seed);
        const [first = 0, second = 0] = sent;
        // The daemon's pause is 5 to 10 s, of which nothing is left when pods wait; then its budget lets few calls pass.
        const BUDGET_MS = 1000;
        expect(second - first).toBeGreaterThanOrEqual(Math.min(5000, Math.max(100, waitsFrom - first)));
        expect(second - first).toBeLessThan(
          Math.min(10_010, Math.max(0, waitsFrom - first) + URGENCY_LOOK_MS + BUDGET_MS),
        );
        expect(sent.length).toBeGreaterThan(3);
        expect(sent.at(-1)).toBeLessThan(60_100);
      }),
    );
  });
});
