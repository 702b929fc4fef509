import { describe, expect, it } from '@jest/globals';
import { ManualClock } from '#cloud/decorate/testing/manual-clock.ts';
import { randomOf } from '#warm-pool/simulator/random.ts';
import { ApiError } from '../kubernetes/api-error.ts';
import type { ApiRequest } from '../kubernetes/api-server.ts';
import { whileLeading } from './lease.ts';

/** One Lease, with the API server's rules for versions; `fails` says which request is lost, before it is done or after. */
class Leases {
  spec: Record<string, unknown> | undefined;
  #version = 1;
  fails: (asked: ApiRequest) => 'before' | 'after' | undefined = () => undefined;

  readonly request = async (asked: ApiRequest): Promise<unknown> => {
    const fails = this.fails(asked);
    if (fails === 'before') throw new ApiError('unreachable', 'lost on the way there');
    const answer = this.#done(asked);
    if (fails === 'after') throw new ApiError('unreachable', 'lost on the way back');
    return answer;
  };

  #done({ method, body }: ApiRequest): unknown {
    const { metadata, spec } = (body ?? {}) as { metadata?: { resourceVersion?: string }; spec?: object };
    if (method === 'POST') {
      if (this.spec !== undefined) throw new ApiError('refused', 'it exists', { status: 409 });
      this.spec = { ...spec };
    } else if (this.spec === undefined) throw new ApiError('refused', 'not found', { status: 404 });
    if (method === 'PATCH') {
      if (metadata?.resourceVersion !== String(this.#version))
        throw new ApiError('refused', 'changed', { status: 409 });
      this.spec = { ...this.spec, ...spec };
    }
    if (method !== 'GET') this.#version += 1;
    return { metadata: { resourceVersion: String(this.#version) }, spec: this.spec };
  }
}

interface Contender {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
  readonly isLeading: () => boolean;
}

function contend(clock: ManualClock, leases: Leases, identity: string, api = leases.request): Contender {
  const stop = new AbortController();
  let leading = false;
  const lead = async (signal: AbortSignal): Promise<void> => {
    leading = true;
    await clock.sleep(Infinity, signal);
    leading = false;
  };
  const options = { api: { request: api }, namespace: 'n', name: 'l', identity, clock, onError: () => undefined };
  return { stop, ended: whileLeading(options, lead, stop.signal), isLeading: () => leading };
}

describe('the lease', () => {
  it('one leads; the next leads as soon as the first stops, and is told that it is the second', async () => {
    const [clock, leases] = [new ManualClock(), new Leases()];
    const first = contend(clock, leases, 'a');
    await clock.advance(1000);
    const second = contend(clock, leases, 'b');
    await clock.advance(60_000);
    expect([first.isLeading(), second.isLeading()]).toEqual([true, false]);
    first.stop.abort();
    await clock.advance(3000);
    expect([first.isLeading(), second.isLeading()]).toEqual([false, true]);
    expect(leases.spec).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1, leaseDurationSeconds: 15 });
    second.stop.abort();
    await Promise.all([first.ended, second.ended]);
    expect(leases.spec).toMatchObject({ holderIdentity: '' });
  });

  it('a holder that died is taken over after the duration, and not before', async () => {
    const [clock, leases] = [new ManualClock(), new Leases()];
    leases.spec = { holderIdentity: 'dead', renewTime: 'tomorrow', leaseTransitions: 4 };
    const one = contend(clock, leases, 'a');
    await clock.advance(13_000);
    expect(one.isLeading()).toBe(false);
    await clock.advance(5000);
    expect(one.isLeading()).toBe(true);
    one.stop.abort();
    await one.ended;
  });

  it('who cannot renew stops before another may begin', async () => {
    const [clock, leases] = [new ManualClock(), new Leases()];
    let isCut = false;
    const first = contend(clock, leases, 'a', (asked) =>
      isCut ? Promise.reject(new ApiError('unreachable', 'cut off')) : leases.request(asked),
    );
    await clock.advance(1000);
    const second = contend(clock, leases, 'b');
    await clock.advance(5000);
    isCut = true;
    for (let tick = 0; tick < 30; tick += 1) {
      await clock.advance(1000);
      expect(first.isLeading() && second.isLeading()).toBe(false);
    }
    expect([first.isLeading(), second.isLeading()]).toEqual([false, true]);
    for (const each of [first, second]) each.stop.abort();
    await clock.follow(Promise.all([first.ended, second.ended]));
  });

  it.each([1, 2, 3, 4, 5])(
    'whatever is lost, there are never two, and in the end there is one (seed %d)',
    async (seed) => {
      const [clock, leases, random] = [new ManualClock(), new Leases(), randomOf(seed, 'lease')];
      let share = 0.5;
      leases.fails = () => (random() < share ? (random() < 0.5 ? 'before' : 'after') : undefined);
      const all = ['a', 'b', 'c'].map((identity) => contend(clock, leases, identity));
      const leading = () => all.filter((each) => each.isLeading()).length;
      for (let steps = 0; steps < 600; steps += 1) {
        await clock.advance(500);
        expect(leading()).toBeLessThanOrEqual(1);
      }
      share = 0;
      await clock.advance(40_000);
      expect(leading()).toBe(1);
      for (const each of all) each.stop.abort();
      await clock.follow(Promise.all(all.map(({ ended }) => ended)));
    },
  );
});
