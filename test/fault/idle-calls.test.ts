/** What an idle node asks in ten minutes: nothing, whatever its settings; the slow looks alone are made, at their pace. */
import { describe, expect, it } from '@jest/globals';
import { decorate } from '#cloud/decorate/decorate.ts';
import type { CloudProvider } from '#cloud/provider.ts';
import type { CorePorts } from '#ipamd/core.ts';
import { configOf } from './settings.ts';
import { World } from './world.ts';

const MINUTE_MS = 60_000;
const SEEDS = 40;
/** Leaked interfaces are looked for, and subnets described, about once an hour; metadata by WELLSPRING_METADATA_INTERVAL. */
const SLOW_CALLS: ReadonlySet<string> = new Set(['leaked-interfaces', 'subnet-tags']);
const METADATA_LOOK = 'metadata-look';
/** A look may come a tenth early. */
const EARLIEST = 0.9;

interface Asked {
  readonly at: number;
  readonly what: string;
  readonly cause: string;
}

function watched(asked: Asked[], now: () => number): (ports: CorePorts) => CorePorts {
  const note = (what: string, cause: string): void => void asked.push({ at: now(), what, cause });
  const providerOf = (provider: CloudProvider): CloudProvider =>
    decorate(provider, ({ operation, options }, proceed) => (note(operation, options.cause), proceed(options)));
  return ({ network, ...ports }) => ({
    ...ports,
    provider: (identity) => providerOf(ports.provider(identity)),
    metadata: { identity: (options) => (note('identity', 'start'), ports.metadata.identity(options)) },
    ...(network && {
      network: {
        macs: (options) => (note('macs', 'metadata-look'), network.macs(options)),
        facts: (mac, options) => (note('facts', 'metadata-look'), network.facts(mac, options)),
        interfaces: (options) => (note('interfaces', 'metadata-look'), network.interfaces(options)),
      },
    }),
  });
}

const isOfEc2 = ({ what, cause }: Asked): boolean => cause !== METADATA_LOOK && what !== 'identity';

async function pass(world: World, ms: number): Promise<void> {
  const until = world.scheduler.now + ms;
  while (await world.scheduler.step(until)) expect(world.violation).toBeUndefined();
  world.scheduler.jump(until);
}

/** Whether a full subnet has something by now, asked once a minute at most. */
const FULL = 'subnet-exhausted';
/** Calls that fill the pool. */
const GROWTH = /^(assign|unassign|create(?!Tags)|attach|modify)/;

describe('a start', () => {
  it('makes two EC2 calls beside those that fill the pool, tags what it found later, and a restart tags nothing', async () => {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const asked: Asked[] = [];
      const world: World = new World({ seed, mutation: { ports: watched(asked, () => world.scheduler.now) } });
      const tagged = () => asked.filter(({ what }) => what === 'createTags').length;
      world.startDaemon();
      // The first slow look is not before a twelfth of 60 s.
      await pass(world, 4900);
      const calls = asked.filter((each) => isOfEc2(each) && !GROWTH.test(each.what) && each.cause !== FULL);
      expect({ seed, calls: calls.map(({ what, cause }) => [what, cause]) }).toEqual({
        seed,
        calls: [
          ['describeNetworkInterfaces', 'start'],
          ['describeSubnets', 'start'],
        ],
      });
      expect(tagged()).toBe(0);
      await pass(world, MINUTE_MS);
      // Another program gives the node its interfaces, and their tags.
      expect(tagged()).toBe(world.wasProvisionedByOthers ? 0 : 1);
      if (world.wasProvisionedByOthers) continue;
      world.daemon?.crash('to start again');
      await pass(world, MINUTE_MS);
      expect(tagged()).toBe(1);
    }
  });
});

describe('an idle node', () => {
  it(`asks EC2 and metadata nothing in ten minutes, with ${SEEDS} sets of settings`, async () => {
    let enough = 0;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const asked: Asked[] = [];
      const world: World = new World({ seed, mutation: { ports: watched(asked, () => world.scheduler.now) } });
      world.startDaemon();
      await pass(world, 20 * MINUTE_MS);
      expect(world.daemon?.isServing).toBe(true);
      expect(asked.length).toBeGreaterThan(0);
      const from = world.scheduler.now;
      await pass(world, 10 * MINUTE_MS);
      const idle = asked.filter(({ at }) => at > from);
      // A node whose subnets are full is not idle: it looks once a minute whether there is something for it.
      const lacking = idle.filter(({ cause }) => cause === FULL);
      if (lacking.length > 0) {
        expect(lacking.length).toBeLessThanOrEqual(11);
        continue;
      }
      enough += 1;
      const calls = idle.filter(({ cause }) => cause !== METADATA_LOOK);
      expect({ seed, calls: calls.filter(({ cause }) => !SLOW_CALLS.has(cause)) }).toEqual({ seed, calls: [] });
      const { metadataIntervalSeconds, leakedEniIntervalSeconds } = configOf(world.settings, world.targets);
      const longestLook = world.wasProvisionedByOthers ? MINUTE_MS / 1000 : Infinity;
      const most = (intervalSeconds: number): number => Math.ceil((10 * 60) / (intervalSeconds * EARLIEST));
      expect(calls.length).toBeLessThanOrEqual(most(leakedEniIntervalSeconds) + most(3600));
      const looks = most(Math.min(metadataIntervalSeconds, longestLook));
      for (const what of ['macs', 'facts', 'interfaces'])
        expect(idle.filter((each) => each.what === what).length).toBeLessThanOrEqual(looks);
    }
    expect(enough).toBeGreaterThan(SEEDS / 2);
  });
});
