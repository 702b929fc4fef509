/** What the journal says when the kernel learns that the VPC's CIDRs are others: a daemon may be killed in between. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { pino } from 'pino';
import { ManualClock } from '#cloud/decorate/testing/manual-clock.ts';
import { quietProvider } from '#cloud/decorate/testing/quiet-provider.ts';
import type { InstanceIdentity, InstanceTypeDescription } from '#cloud/provider.ts';
import { nodeFactsOf } from '../placement/node-facts.ts';
import { openJournal } from '../store/journal.ts';
import { decodeJournal, replay } from '../store/records.ts';
import type { ExecuteContext } from './context.ts';
import { NodeWatch } from './node-watch.ts';

const INTERVAL_MS = 60_000;
const OLD = ['10.0.0.0/16'];
const NEW = ['10.0.0.0/16', '100.64.0.0/16'];

let directory = '';
beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'wellspring-node-watch-'))));
afterEach(() => rm(directory, { recursive: true, force: true }));

const identity: InstanceIdentity = {
  instanceId: 'i-1',
  instanceType: 'm5.large',
  region: 'eu-west-1',
  availabilityZone: 'eu-west-1a',
  primaryMac: '02:00:00:00:00:01',
  primaryInterfaceId: 'eni-1',
  primaryAddress: '10.0.0.10',
  subnetId: 'subnet-1',
  subnetCidr: '10.0.0.0/24',
  vpcId: 'vpc-1',
  vpcCidrs: OLD,
  securityGroupIds: ['sg-1'],
};
const instanceType = { instanceType: 'm5.large' } as unknown as InstanceTypeDescription;

/** The CIDRs that a daemon would begin with if it started now. */
async function cidrsOnDisk(path: string): Promise<readonly string[] | undefined> {
  return replay(decodeJournal(await readFile(path, 'utf8')).records).identity?.vpcCidrs;
}

interface Change {
  readonly told: readonly string[];
  readonly onDisk: readonly string[] | undefined;
}

/** So many looks at metadata that tell of new CIDRs: what the kernel was told, and what was on disk then. It refuses the first. */
async function look(looks: number, refusals: number): Promise<readonly Change[]> {
  const path = join(directory, 'journal');
  const { journal } = await openJournal(path, () => 0);
  await using open = journal;
  await open.append({ kind: 'node', identity, instanceType });
  const clock = new ManualClock();
  const changes: Change[] = [];
  const turns = Array.from({ length: looks }, () => Promise.withResolvers<void>());
  const onVpcCidrs = async (told: readonly string[]): Promise<void> => {
    changes.push({ told, onDisk: await cidrsOnDisk(path) });
    turns[changes.length - 1]?.resolve();
    if (changes.length <= refusals) throw new Error('the kernel refuses');
  };
  const context = {
    clock,
    log: pino({ enabled: false }),
    identity,
    datapath: {},
    provider: quietProvider,
    pool: { snapshot: () => ({ interfaces: [] }), ledger: { interfaces: new Map(), inFlight: new Map() } },
  } as unknown as ExecuteContext;
  await using watch = new NodeWatch({
    context,
    facts: nodeFactsOf(identity),
    network: {
      macs: () => Promise.resolve([]),
      facts: () => Promise.resolve({ securityGroupIds: identity.securityGroupIds, vpcCidrs: NEW }),
      interfaces: () => Promise.resolve([]),
    },
    metadataIntervalMs: INTERVAL_MS,
    reconcileIntervalMs: 0,
    compareByMetadata: false,
    random: () => 0.5,
    onVpcCidrs,
    store: (facts) => open.append({ kind: 'node', instanceType, identity: { ...identity, ...facts } }),
    follow: () => Promise.resolve(true),
  });
  expect(watch).toBeDefined();
  for (const turn of turns) {
    await clock.follow(turn.promise);
    await clock.advance(0);
  }
  return changes;
}

it('new CIDRs of the VPC are on disk when the kernel learns of them', async () => {
  expect(await look(1, 0)).toEqual([{ told: NEW, onDisk: NEW }]);
});

it('what the kernel refuses is tried at the next look, although it is on disk', async () => {
  expect(await look(3, 2)).toEqual(Array.from({ length: 3 }, () => ({ told: NEW, onDisk: NEW })));
});
