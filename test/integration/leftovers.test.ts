/** What interrupted calls leave behind, resolved against the emulator's rules: no node and no kernel is needed for it. */
import { afterEach, expect, it } from '@jest/globals';
import { createEc2Provider } from '#cloud/aws/ec2-provider.ts';
import { INSTANCE_TAG } from '#cloud/aws/tags.ts';
import { systemClock } from '#cloud/decorate/clock.ts';
import { type Cloud, startCloud } from '#cloud/emulator/cloud.ts';
import { createRegionSend } from '#cloud/emulator/send.ts';
import type { InstanceIdentity } from '#cloud/provider.ts';
import { Leftovers } from '#ipamd/execute/leftovers.ts';
import { createLog } from '#ipamd/observe/log.ts';
import { Pool } from '#ipamd/pool.ts';
import type { JournalRecord } from '#ipamd/store/records.ts';
import { emptyLedger, withInFlight, withoutInFlight } from '#warm-pool/ledger.ts';
import { until } from '#test/support/until.ts';

let cloud: Cloud;
let leftovers: Leftovers;
/** The emulator detaches at once; EC2 takes seconds, and says so meanwhile. */
let isDetaching = false;
afterEach(async () => {
  await leftovers[Symbol.asyncDispose]();
  await cloud[Symbol.asyncDispose]();
});

async function scene(provisioningDisabledBy?: string) {
  cloud = await startCloud({ region: 'eu-test-1', seed: 5 });
  const { region } = cloud;
  const vpcId = region.execute('CreateVpc', { CidrBlock: '10.0.0.0/16' }).Vpc?.VpcId ?? '';
  const SubnetId = region.execute('CreateSubnet', { VpcId: vpcId, CidrBlock: '10.0.1.0/24' }).Subnet?.SubnetId ?? '';
  const run = { ImageId: 'ami-12345678', InstanceType: 'm5.large', MinCount: 1, MaxCount: 1, SubnetId } as const;
  const instanceId = region.execute('RunInstances', run).Instances?.[0]?.InstanceId ?? '';
  const make = (instance: string): string => {
    const Tags = [{ Key: INSTANCE_TAG, Value: instance }];
    const request = { SubnetId, TagSpecifications: [{ ResourceType: 'network-interface' as const, Tags }] };
    return region.execute('CreateNetworkInterface', request).NetworkInterface?.NetworkInterfaceId ?? '';
  };
  const limits = { maxInterfaces: 3, ipv4PerInterface: 10, maxPods: 29 };
  const pool = new Pool(emptyLedger({ mode: 'address', limits, coolDownMs: 0 }), Date.now);
  const records: JournalRecord[] = [];
  const provider = createEc2Provider(createRegionSend(region));
  const adopted: string[] = [];
  leftovers = new Leftovers({
    provider: {
      ...provider,
      describeNetworkInterfaces: async (...asked) =>
        (await provider.describeNetworkInterfaces(...asked)).map((each) =>
          isDetaching && each.attachment ? { ...each, attachment: { ...each.attachment, status: 'detaching' } } : each,
        ),
    },
    identity: { instanceId, vpcId } as InstanceIdentity,
    pool,
    journal: { append: async (...more: readonly JournalRecord[]) => void records.push(...more) } as never,
    clock: systemClock,
    log: createLog({ level: 'fatal', destination: '/dev/null' }),
    provisioningDisabledBy,
    adopt: async ({ id }) => void adopted.push(id),
  });
  const ids = () => region.networkInterfaces().map(({ id }) => id);
  return { region, instanceId, make, pool, records, adopted, ids };
}

it('deletes what is attached to nothing, takes in what is attached here, and touches nobody else’s', async () => {
  const { region, instanceId, make, records, adopted, ids } = await scene();
  const [free, attached, foreign] = [make(instanceId), make(instanceId), make('i-0123456789abcdef0')];
  region.execute('AttachNetworkInterface', { NetworkInterfaceId: attached, InstanceId: instanceId, DeviceIndex: 1 });
  leftovers.suspect('intent-1');
  await until('the intent is settled', 5000, () => records.length > 0);
  expect(records).toEqual([{ kind: 'intent-done', intentId: 'intent-1' }]);
  expect(adopted).toEqual([attached]);
  expect(ids()).toEqual(expect.arrayContaining([attached, foreign]));
  expect(ids()).not.toContain(free);
});

it('waits for what is being detached, and deletes it then: it is no interface of the pool any more', async () => {
  const { region, instanceId, make, records, adopted, ids } = await scene();
  const leaving = make(instanceId);
  const place = { NetworkInterfaceId: leaving, InstanceId: instanceId, DeviceIndex: 1 };
  const { AttachmentId = '' } = region.execute('AttachNetworkInterface', place);
  isDetaching = true;
  const from = Date.now();
  leftovers.suspect('intent-1');
  await until('a look has come and gone', 5000, () => Date.now() - from > 1500);
  expect([records, adopted]).toEqual([[], []]);
  isDetaching = false;
  region.execute('DetachNetworkInterface', { AttachmentId });
  await until('it is deleted', 5000, () => !ids().includes(leaving));
  await until('the intent is settled', 5000, () => records.length > 0);
});

it('waits while a create is under way: what that has made is not attached yet either', async () => {
  const { instanceId, make, pool, records, ids } = await scene();
  const why = { reason: 'pods-waiting', inputs: {} } as const;
  const place = { subnetId: 'subnet-1', deviceIndex: 1, networkCardIndex: 0 };
  pool.update((ledger) =>
    withInFlight(ledger, 'create-1', { kind: 'create-interface', ...place, mode: 'address', count: 1, why }),
  );
  const fresh = make(instanceId);
  const from = Date.now();
  leftovers.suspect('intent-1');
  await until('a look has come and gone', 5000, () => Date.now() - from > 2500);
  expect(ids()).toContain(fresh);
  expect(records).toEqual([]);
  pool.update((ledger) => withoutInFlight(ledger, 'create-1'));
  await until('it is deleted', 5000, () => !ids().includes(fresh));
});

it('does nothing where provisioning is disabled', async () => {
  const { instanceId, make, records, ids } = await scene('DISABLE_NETWORK_RESOURCE_PROVISIONING');
  const free = make(instanceId);
  const from = Date.now();
  leftovers.suspect('intent-1');
  await until('a look would have come', 5000, () => Date.now() - from > 1500);
  expect(ids()).toContain(free);
  expect(records).toEqual([]);
});
