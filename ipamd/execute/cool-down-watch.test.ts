import { afterEach, expect, it } from '@jest/globals';
import { ManualClock } from '#cloud/decorate/testing/manual-clock.ts';
import { assign, emptyLedger, unassign, withInterface } from '#warm-pool/ledger.ts';
import type { NetworkInterface } from '#warm-pool/model.ts';
import { createLog } from '../observe/log.ts';
import { Pool } from '../pool.ts';
import type { JournalRecord } from '../store/records.ts';
import { coolDownsOf, CoolDownWatch, dueOf, MOST_EXTENSIONS } from './cool-down-watch.ts';

const COOL_DOWN_MS = 120;
const ADDRESS = '10.0.0.5';
const eni: NetworkInterface = {
  id: 'eni-1',
  subnetId: 'subnet-1',
  mac: '02:00:00:00:00:01',
  primaryAddress: '10.0.0.4',
  isPrimary: true,
  deviceIndex: 0,
  networkCardIndex: 0,
  attachmentId: 'attach-1',
  phase: 'ready',
  managed: true,
  since: 0,
  blocks: [{ cidr: `${ADDRESS}/32`, kind: 'address' }],
};
const limits = { maxInterfaces: 1, ipv4PerInterface: 10, maxPods: 9 };
const request = (id: string) => ({
  attachment: { networkName: 'net', containerId: id, ifName: 'eth0' },
  pod: { namespace: '', name: id, uid: '' },
});

/** A pool of one address, and connection entries that come back `times` after they were deleted. */
class Scene {
  readonly clock = new ManualClock();
  readonly pool = new Pool(withInterface(emptyLedger({ mode: 'address', limits, coolDownMs: COOL_DOWN_MS }), eni), () =>
    this.clock.wallTime(),
  );
  readonly records: JournalRecord[] = [];
  sweeps = 0;
  #watch: CoolDownWatch | undefined;

  start(entriesAt: (sweep: number) => number, isOver: () => boolean = () => false): void {
    this.#watch = new CoolDownWatch({
      pool: this.pool,
      journal: { append: async (...records) => void this.records.push(...records) },
      conntrack: {
        sweep: async (addresses, stillWanted) => {
          this.sweeps += 1;
          if (isOver()) throw new Error('no connection tracking here');
          const count = entriesAt(this.sweeps);
          return new Map([...addresses].filter(stillWanted).flatMap((each) => (count > 0 ? [[each, count]] : [])));
        },
      },
      coolDownMs: COOL_DOWN_MS,
      clock: this.clock,
      log: createLog({ level: 'fatal', destination: '/dev/null' }),
    });
  }

  release(): number {
    if (this.pool.tryTake(request('a')) === undefined) throw new Error('no address');
    const at = this.clock.wallTime();
    const outcome = unassign(this.pool.ledger, request('a').attachment, at);
    if (outcome.kind !== 'released') throw new Error(outcome.kind);
    this.pool.update(() => outcome.ledger);
    return at;
  }

  /** How long the address rested, milliseconds. */
  async rested(from: number): Promise<number> {
    while (coolDownsOf(this.pool.ledger, this.clock.wallTime()).length > 0) {
      await this.clock.advance(5);
      if (this.clock.wallTime() - from > 20 * COOL_DOWN_MS) throw new Error('it never ends');
    }
    return this.clock.wallTime() - from;
  }

  async stop(): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
  }
}

let scene: Scene;
afterEach(() => scene.stop());

it('the entries of the pod itself cost no time, and are looked at twice: after the release and before the end', async () => {
  scene = new Scene();
  scene.start((sweep) => (sweep === 1 ? 7 : 0));
  expect(await scene.rested(scene.release())).toBeLessThan(2 * COOL_DOWN_MS);
  expect(scene.sweeps).toBe(2);
  expect(scene.records).toEqual([]);
});

it('somebody who never gives up holds the address for a bounded time, and each period is written down', async () => {
  scene = new Scene();
  scene.start(() => 1);
  const rested = await scene.rested(scene.release());
  expect(rested).toBeGreaterThanOrEqual((1 + MOST_EXTENSIONS) * COOL_DOWN_MS);
  expect(rested).toBeLessThan((2 + MOST_EXTENSIONS) * COOL_DOWN_MS);
  expect(scene.records.map(({ kind }) => kind)).toEqual(Array.from({ length: MOST_EXTENSIONS }, () => 'cool-down'));
  // A second release starts anew.
  const again = await scene.rested(scene.release());
  expect(again).toBeGreaterThanOrEqual((1 + MOST_EXTENSIONS) * COOL_DOWN_MS);
});

it('without connection tracking the cool-down alone counts, and it is tried once', async () => {
  scene = new Scene();
  scene.start(
    () => 1,
    () => true,
  );
  for (let round = 0; round < 2; round += 1) expect(await scene.rested(scene.release())).toBeLessThan(2 * COOL_DOWN_MS);
  expect(scene.sweeps).toBe(1);
});

it('an address that rests anew is a release, one that was looked at is not looked at again', () => {
  const coolDown = { address: ADDRESS, until: 100 };
  const rest = { until: 100, extensions: 0, isLooked: false };
  expect(dueOf([coolDown], new Map(), 0)).toEqual({ released: [ADDRESS], ending: [] });
  expect(dueOf([coolDown], new Map([[ADDRESS, rest]]), 99)).toEqual({ released: [], ending: [] });
  expect(dueOf([coolDown], new Map([[ADDRESS, rest]]), 100)).toEqual({ released: [], ending: [ADDRESS] });
  expect(dueOf([coolDown], new Map([[ADDRESS, { ...rest, isLooked: true }]]), 100)).toEqual({
    released: [],
    ending: [],
  });
  expect(dueOf([{ ...coolDown, until: 200 }], new Map([[ADDRESS, rest]]), 100)).toEqual({
    released: [ADDRESS],
    ending: [],
  });
});

it('lists what rests on an interface and what was given back before its time, until it is over', () => {
  scene = new Scene();
  const given = assign(scene.pool.ledger, request('a'), 0);
  if (given.kind !== 'assigned') throw new Error(given.kind);
  const released = unassign(given.ledger, request('a').attachment, 0);
  if (released.kind !== 'released') throw new Error(released.kind);
  expect(coolDownsOf(released.ledger, 0)).toEqual([{ address: ADDRESS, until: COOL_DOWN_MS }]);
  expect(coolDownsOf(released.ledger, COOL_DOWN_MS)).toEqual([]);
  expect(coolDownsOf(withInterface(released.ledger, { ...eni, blocks: [] }), 0)).toEqual([
    { address: ADDRESS, until: COOL_DOWN_MS },
  ]);
});
