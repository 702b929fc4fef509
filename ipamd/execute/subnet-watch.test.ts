import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { systemClock } from '#cloud/decorate/clock.ts';
import { emptyLedger, withSubnets } from '#warm-pool/ledger.ts';
import type { Plan } from '#warm-pool/model.ts';
import { Pool } from '../pool.ts';
import { SubnetWatch } from './subnet-watch.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const NOTHING: Plan = { actions: [], refusals: [], wakeAt: undefined };
const LACKING: Plan = {
  ...NOTHING,
  refusals: [{ why: { reason: 'subnet-exhausted', inputs: {} }, retryAt: undefined }],
};

/** A watch whose node makes the given plan after every look; `answers` says what each look gets. */
function watchOf(plan: Plan, answers: boolean, answeredBefore = answers) {
  const limits = { maxInterfaces: 2, ipv4PerInterface: 4, maxPods: 6 };
  const subnet = { id: 'subnet-1', cidr: '10.0.0.0/24', availableAddresses: 9, prefixBackOffUntil: 0 };
  const ledger = withSubnets(emptyLedger({ mode: 'address', limits, coolDownMs: 0 }), [
    { ...subnet, backOffUntil: Number.MAX_SAFE_INTEGER },
  ]);
  const pool = new Pool(ledger, Date.now);
  const looks: { readonly at: number; readonly cause: string }[] = [];
  let answered = answeredBefore;
  const subnets = {
    get answered() {
      return answered;
    },
    get: () => undefined,
    isExcluded: () => undefined,
    refresh: ({ cause }: { readonly cause: string }) => {
      looks.push({ at: Date.now(), cause });
      answered ||= answers;
      return Promise.resolve(answers);
    },
  };
  const watch = new SubnetWatch({ subnets, pool, clock: systemClock }, () => 0.5);
  pool.onChange(() => watch.planned(plan));
  const backOff = () => pool.snapshot().subnets[0]?.backOffUntil;
  return { watch, looks, backOff };
}

describe('SubnetWatch', () => {
  beforeEach(() => {
    jest.useFakeTimers({ now: 1_000_000 });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('looks once an hour on a node that lacks nothing', async () => {
    const { watch, looks } = watchOf(NOTHING, true);
    watch.planned(NOTHING);
    await jest.advanceTimersByTimeAsync(HOUR_MS - 1);
    expect(looks).toEqual([]);
    await jest.advanceTimersByTimeAsync(2 * HOUR_MS + 1);
    expect(looks.map(({ cause }) => cause)).toEqual(['subnet-tags', 'subnet-tags', 'subnet-tags']);
    await watch[Symbol.asyncDispose]();
  });

  it('looks at pauses that double to a minute while addresses lack, and ends the back-off of what has some', async () => {
    const { watch, looks, backOff } = watchOf(LACKING, true);
    watch.planned(LACKING);
    await jest.advanceTimersByTimeAsync(10 * MINUTE_MS);
    const pauses = looks.map(({ at }, index) => at - (looks[index - 1]?.at ?? 1_000_000));
    expect(pauses.slice(0, 8)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    expect(backOff()).toBe(0);
    await watch[Symbol.asyncDispose]();
  });

  it('asks ever less often, at last once an hour, while the subnets cannot be described', async () => {
    const { watch, looks, backOff } = watchOf(NOTHING, false);
    watch.planned(NOTHING);
    await jest.advanceTimersByTimeAsync(24 * HOUR_MS);
    expect(looks.length).toBeLessThanOrEqual(12 + 2 * 24);
    expect(looks.filter(({ at }) => at > 1_000_000 + 12 * HOUR_MS).length).toBeGreaterThanOrEqual(12);
    expect(backOff()).toBe(Number.MAX_SAFE_INTEGER);
    await watch[Symbol.asyncDispose]();
  });

  it('stops asking once they were described', async () => {
    const { watch, looks } = watchOf(NOTHING, true, false);
    watch.planned(NOTHING);
    await jest.advanceTimersByTimeAsync(HOUR_MS / 2);
    expect(looks.map(({ cause }) => cause)).toEqual(['subnets-unknown']);
    await watch[Symbol.asyncDispose]();
    await jest.advanceTimersByTimeAsync(3 * HOUR_MS);
    expect(looks).toHaveLength(1);
  });
});
