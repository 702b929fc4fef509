import { expect, it } from '@jest/globals';
import { pino } from 'pino';
import { systemClock } from '#cloud/decorate/clock.ts';
import { emptyLedger, withCoolDown, withInterface } from '#warm-pool/ledger.ts';
import type { Action, NetworkInterface } from '#warm-pool/model.ts';
import { Pool } from './pool.ts';
import { Reconciler } from './reconciler.ts';

const ENDS = 1000;
const PRIMARY: NetworkInterface = {
  id: 'eni-1',
  subnetId: 'subnet-1',
  mac: '02:00:00:00:00:01',
  primaryAddress: '10.0.0.4',
  isPrimary: true,
  deviceIndex: 0,
  networkCardIndex: 0,
  attachmentId: 'eni-attach-1',
  phase: 'ready',
  managed: true,
  since: 0,
  blocks: ['10.0.0.5', '10.0.0.6'].map((address) => ({ cidr: `${address}/32`, kind: 'address' })),
};

it('wakes for a cool-down that ends while it plans', async () => {
  let ledger = emptyLedger({
    mode: 'address',
    limits: { maxInterfaces: 1, ipv4PerInterface: 10, maxPods: 100 },
    coolDownMs: 30_000,
  });
  ledger = withCoolDown(withInterface(ledger, PRIMARY), { address: '10.0.0.6', until: ENDS });
  // The first look at the clock is just before the end, every later one is not.
  const clock = [ENDS - 1];
  const now = () => clock.shift() ?? ENDS;
  const { promise: released, resolve } = Promise.withResolvers<Action>();
  await using reconciler = new Reconciler({
    pool: new Pool(ledger, now),
    targets: { warmEniTarget: 1, warmIpTarget: 1, minimumIpTarget: undefined, warmPrefixTarget: 1 },
    execute: async (action, { settle }) => {
      settle((before) => withInterface(before, { ...PRIMARY, blocks: PRIMARY.blocks.slice(0, 1) }));
      resolve(action);
    },
    clock: { ...systemClock, wallTime: now },
    log: pino({ enabled: false }),
  });
  reconciler.wake();
  expect(await released).toMatchObject({ kind: 'release', interfaceId: 'eni-1' });
});
