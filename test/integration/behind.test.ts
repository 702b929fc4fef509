/** The emulator in front of another EC2: what is ours, what is merged, and what it learns of the other. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EC2 } from '@aws-sdk/client-ec2';
import type { Cloud } from '#cloud/emulator/cloud.ts';
import { startCloud } from '#cloud/emulator/cloud.ts';
import { BEHIND_ACTIONS } from '#cloud/behind/actions.data.ts';
import { clientFor, given, makeSubnet, refusalOf, runInstance } from './emulator-world.ts';

/** The other EC2 is an emulator, too: it knows none of our interfaces. */
let other: Cloud;
let front: Cloud;
let theirs: EC2;
let ours: EC2;

beforeEach(async () => {
  other = await startCloud({ region: 'eu-test-1', seed: 7 });
  theirs = clientFor(other.endpoint);
  await makeSubnet(theirs, '10.0.0.0/28');
  front = await startCloud({
    region: 'eu-test-1',
    behind: new URL(other.endpoint),
    metadata: { host: '127.0.0.1', port: 0 },
  });
  ours = clientFor(front.endpoint);
});
afterEach(async () => {
  ours.destroy();
  theirs.destroy();
  await front[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
});

const subnetId = async (): Promise<string> => given((await ours.describeSubnets({})).Subnets?.[0]?.SubnetId);
const calls = (action: string) => other.calls().filter((call) => call.action === action);

describe('interfaces', () => {
  it('are ours alone, in a subnet that was there before', async () => {
    const SubnetId = await subnetId();
    const { NetworkInterface } = await ours.createNetworkInterface({ SubnetId, SecondaryPrivateIpAddressCount: 2 });
    expect(NetworkInterface?.PrivateIpAddresses?.map((one) => one.PrivateIpAddress)).toEqual([
      '10.0.0.4',
      '10.0.0.5',
      '10.0.0.6',
    ]);
    expect((await ours.describeNetworkInterfaces({})).NetworkInterfaces).toHaveLength(1);
    expect((await theirs.describeNetworkInterfaces({})).NetworkInterfaces).toEqual([]);
    expect((await ours.describeSubnets({})).Subnets?.[0]?.AvailableIpAddressCount).toBe(8);
    expect((await theirs.describeSubnets({})).Subnets?.[0]?.AvailableIpAddressCount).toBe(11);
  });

  it('meet a full subnet, of which the other knows nothing', async () => {
    const SubnetId = await subnetId();
    await ours.createNetworkInterface({ SubnetId, SecondaryPrivateIpAddressCount: 10 });
    expect((await refusalOf(ours.createNetworkInterface({ SubnetId }))).name).toBe('InsufficientFreeAddressesInSubnet');
    const run = { ImageId: 'ami-1', InstanceType: 'm5.large', MinCount: 1, MaxCount: 1, SubnetId } as const;
    expect((await refusalOf(ours.runInstances(run))).name).toBe('InsufficientFreeAddressesInSubnet');
    expect(calls('RunInstances')).toEqual([]);
  });

  it('find a subnet and a group that were made through us, or beside us', async () => {
    const VpcId = given((await ours.describeVpcs({})).Vpcs?.[0]?.VpcId);
    const through = await ours.createSubnet({ VpcId, CidrBlock: '10.0.1.0/24' });
    const group = await ours.createSecurityGroup({ VpcId, GroupName: 'new', Description: 'new' });
    const made = await ours.createNetworkInterface({
      SubnetId: given(through.Subnet?.SubnetId),
      Groups: [given(group.GroupId)],
    });
    expect(made.NetworkInterface?.Groups).toEqual([{ GroupId: group.GroupId, GroupName: 'new' }]);
    const beside = await theirs.createSubnet({ VpcId, CidrBlock: '10.0.2.0/24' });
    const there = await ours.createNetworkInterface({ SubnetId: given(beside.Subnet?.SubnetId) });
    expect(there.NetworkInterface?.PrivateIpAddress).toBe('10.0.2.4');
    const nowhere = ours.createNetworkInterface({ SubnetId: 'subnet-0123456789abcdef0' });
    expect((await refusalOf(nowhere)).name).toBe('InvalidSubnetID.NotFound');
  });

  it('answer actions that are not served by name', async () => {
    const { NetworkInterface } = await ours.createNetworkInterface({ SubnetId: await subnetId() });
    const NetworkInterfaceId = given(NetworkInterface?.NetworkInterfaceId);
    const asked = ours.describeNetworkInterfaceAttribute({ NetworkInterfaceId, Attribute: 'description' });
    expect(await refusalOf(asked)).toMatchObject({
      name: 'InvalidAction',
      message: expect.stringContaining('DescribeNetworkInterfaceAttribute'),
    });
  });
});

describe('instances', () => {
  it('are the other EC2s, with interfaces of ours', async () => {
    const SubnetId = await subnetId();
    const id = await runInstance(ours, SubnetId);
    const [described] = (await ours.describeInstances({ InstanceIds: [id] })).Reservations?.[0]?.Instances ?? [];
    const [held] = (await ours.describeNetworkInterfaces({})).NetworkInterfaces ?? [];
    expect(held?.Attachment).toMatchObject({ InstanceId: id, DeviceIndex: 0, DeleteOnTermination: true });
    expect(described).toMatchObject({ InstanceId: id, PrivateIpAddress: '10.0.0.4', SubnetId });
    expect(described?.NetworkInterfaces?.map((one) => one.NetworkInterfaceId)).toEqual([held?.NetworkInterfaceId]);
    const [elsewhere] = (await theirs.describeInstances({})).Reservations?.[0]?.Instances ?? [];
    expect(elsewhere?.NetworkInterfaces?.[0]?.NetworkInterfaceId).not.toBe(held?.NetworkInterfaceId);
    expect({ ...described, ...network }).toEqual({ ...elsewhere, ...network });
  });

  const network = { NetworkInterfaces: 0, SecurityGroups: 0 };

  it('launch with interfaces as they are asked for, and refuse what the type cannot hold', async () => {
    const SubnetId = await subnetId();
    const own = await ours.createNetworkInterface({ SubnetId });
    const NetworkInterfaceId = given(own.NetworkInterface?.NetworkInterfaceId);
    const request = { ImageId: 'ami-1', InstanceType: 'm5.large', MinCount: 1, MaxCount: 1 } as const;
    const { Instances } = await ours.runInstances({
      ...request,
      NetworkInterfaces: [
        { DeviceIndex: 0, SubnetId, SecondaryPrivateIpAddressCount: 1 },
        { DeviceIndex: 1, NetworkInterfaceId },
      ],
      TagSpecifications: [
        { ResourceType: 'instance', Tags: [{ Key: 'name', Value: 'one' }] },
        { ResourceType: 'network-interface', Tags: [{ Key: 'kind', Value: 'first' }] },
      ],
    });
    const [instance] = Instances ?? [];
    expect(instance?.NetworkInterfaces?.map((one) => one.PrivateIpAddresses?.length)).toEqual([2, 1]);
    expect(instance?.Tags).toEqual([{ Key: 'name', Value: 'one' }]);
    const tagged = await ours.describeNetworkInterfaces({ Filters: [{ Name: 'tag:kind', Values: ['first'] }] });
    expect(tagged.NetworkInterfaces).toHaveLength(1);
    const four = [0, 1, 2, 3].map((DeviceIndex) => ({ DeviceIndex, SubnetId }));
    const refused = await refusalOf(ours.runInstances({ ...request, NetworkInterfaces: four }));
    expect(refused.name).toBe('AttachmentLimitExceeded');
    expect(calls('RunInstances')).toHaveLength(1);
  });

  it('that the other refuses leave nothing of ours behind', async () => {
    other.failNext('RunInstances', { kind: 'error', code: 'InvalidAMIID.NotFound', message: 'no such image' });
    const refused = await refusalOf(runInstance(ours, await subnetId()));
    expect(refused).toMatchObject({ name: 'InvalidAMIID.NotFound', message: 'no such image' });
    expect((await ours.describeNetworkInterfaces({})).NetworkInterfaces).toEqual([]);
  });

  it('are launched once for a client token', async () => {
    const SubnetId = await subnetId();
    const request = {
      ImageId: 'ami-1',
      InstanceType: 'm5.large',
      MinCount: 1,
      MaxCount: 3,
      SubnetId,
      ClientToken: 'once',
    } as const;
    const ids = async () => (await ours.runInstances(request)).Instances?.map((one) => one.InstanceId);
    const first = await ids();
    expect(first).toHaveLength(3);
    expect(await ids()).toEqual(first);
    expect(calls('RunInstances')).toHaveLength(1);
    const changed = await refusalOf(ours.runInstances({ ...request, MaxCount: 2 }));
    expect(changed.name).toBe('IdempotentParameterMismatch');
  });

  it('are found by what their interfaces hold, together with what the other knows of them', async () => {
    const SubnetId = await subnetId();
    const [one, two] = [await runInstance(ours, SubnetId), await runInstance(ours, SubnetId)];
    await ours.createTags({ Resources: [one, two], Tags: [{ Key: 'team', Value: 'a' }] });
    const find = async (...Filters: { Name: string; Values: string[] }[]) =>
      (await ours.describeInstances({ Filters })).Reservations?.flatMap(({ Instances = [] }) =>
        Instances.map((instance) => instance.InstanceId),
      );
    const byTag = { Name: 'tag:team', Values: ['a'] };
    expect(await find(byTag, { Name: 'private-ip-address', Values: ['10.0.0.5'] })).toEqual([two]);
    expect(await find(byTag, { Name: 'network-interface.addresses.private-ip-address', Values: ['10.0.0.4'] })).toEqual(
      [one],
    );
    expect(await find({ Name: 'tag:team', Values: ['b'] }, { Name: 'private-ip-address', Values: ['*'] })).toEqual([]);
    const unknown = await refusalOf(find({ Name: 'network-interface.colour', Values: ['red'] }));
    expect(unknown.name).toBe('InvalidParameterValue');
  });

  it('take their interfaces with them, through us or beside us', async () => {
    const SubnetId = await subnetId();
    const [one, two] = [await runInstance(ours, SubnetId), await runInstance(ours, SubnetId)];
    const answer = await ours.terminateInstances({ InstanceIds: [one] });
    expect(answer.TerminatingInstances?.[0]?.CurrentState?.Name).toBe('shutting-down');
    expect((await ours.describeNetworkInterfaces({})).NetworkInterfaces).toHaveLength(1);
    await theirs.terminateInstances({ InstanceIds: [two] });
    // Whatever may have changed something makes us look again.
    await ours.createVpc({ CidrBlock: '10.7.0.0/16' });
    expect((await ours.describeNetworkInterfaces({})).NetworkInterfaces).toEqual([]);
    expect((await ours.describeSubnets({})).Subnets?.[0]?.AvailableIpAddressCount).toBe(11);
  });

  it('that were started beside us get an interface by our rules, and metadata', async () => {
    const id = await runInstance(theirs, await subnetId());
    const [instance] = (await ours.describeInstances({})).Reservations?.[0]?.Instances ?? [];
    expect(instance).toMatchObject({ InstanceId: id, PrivateIpAddress: '10.0.0.4' });
    const attach = await ours.createNetworkInterface({ SubnetId: await subnetId() });
    const NetworkInterfaceId = given(attach.NetworkInterface?.NetworkInterfaceId);
    await ours.attachNetworkInterface({ NetworkInterfaceId, InstanceId: id, DeviceIndex: 1 });
    await using metadata = await front.serveMetadata({ host: '127.0.0.1', port: 0, instanceId: id });
    const put = { method: 'PUT', headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' } };
    const token = await (await fetch(`${metadata.endpoint}/latest/api/token`, put)).text();
    const headers = { 'x-aws-ec2-metadata-token': token };
    const macs = await fetch(`${metadata.endpoint}/latest/meta-data/network/interfaces/macs/`, { headers });
    expect((await macs.text()).trim().split('\n')).toHaveLength(2);
  });
});

describe('subnets, groups and tags', () => {
  it('stay while an interface of ours needs them', async () => {
    const SubnetId = await subnetId();
    const VpcId = given((await ours.describeVpcs({})).Vpcs?.[0]?.VpcId);
    const { GroupId = '' } = await ours.createSecurityGroup({ VpcId, GroupName: 'held', Description: 'held' });
    const made = await ours.createNetworkInterface({ SubnetId, Groups: [GroupId] });
    expect((await refusalOf(ours.deleteSubnet({ SubnetId }))).name).toBe('DependencyViolation');
    expect((await refusalOf(ours.deleteSecurityGroup({ GroupId }))).name).toBe('DependencyViolation');
    await ours.deleteNetworkInterface({ NetworkInterfaceId: given(made.NetworkInterface?.NetworkInterfaceId) });
    await ours.deleteSecurityGroup({ GroupId });
    await ours.deleteSubnet({ SubnetId });
    expect((await theirs.describeSubnets({})).Subnets).toEqual([]);
  });

  it('are filtered by how many addresses we have left', async () => {
    const SubnetId = await subnetId();
    await ours.createNetworkInterface({ SubnetId });
    const count = async (value: string) =>
      (await ours.describeSubnets({ Filters: [{ Name: 'available-ip-address-count', Values: [value] }] })).Subnets
        ?.length;
    expect([await count('10'), await count('11')]).toEqual([1, 0]);
  });

  it('tags of both are changed together, or not at all', async () => {
    const SubnetId = await subnetId();
    const made = await ours.createNetworkInterface({ SubnetId });
    const eni = given(made.NetworkInterface?.NetworkInterfaceId);
    await ours.createTags({ Resources: [eni, SubnetId], Tags: [{ Key: 'a', Value: '1' }] });
    const tags = async () => (await ours.describeTags({})).Tags?.map((tag) => [tag.ResourceId, tag.Key, tag.Value]);
    const before = [
      [SubnetId, 'a', '1'],
      [eni, 'a', '1'],
    ];
    expect(await tags()).toEqual(before);
    const more = [{ Key: 'b', Value: '2' }];
    other.failNext('CreateTags', { kind: 'error', code: 'TagLimitExceeded' });
    expect((await refusalOf(ours.createTags({ Resources: [eni, SubnetId], Tags: more }))).name).toBe(
      'TagLimitExceeded',
    );
    const missing = ours.createTags({ Resources: ['eni-0123456789abcdef0', SubnetId], Tags: more });
    expect((await refusalOf(missing)).name).toBe('InvalidNetworkInterfaceID.NotFound');
    expect(await tags()).toEqual(before);
    await ours.deleteTags({ Resources: [eni], Tags: [{ Key: 'a' }] });
    expect(await tags()).toEqual([before[0]]);
  });

  it('page ours behind theirs', async () => {
    const SubnetId = await subnetId();
    const keys = Array.from({ length: 7 }, (_, index) => ({ Key: `k${index}`, Value: '' }));
    const made = await ours.createNetworkInterface({ SubnetId });
    await ours.createTags({ Resources: [SubnetId, given(made.NetworkInterface?.NetworkInterfaceId)], Tags: keys });
    const found: string[] = [];
    let NextToken: string | undefined;
    do {
      const page = await ours.describeTags({ MaxResults: 5, ...(NextToken !== undefined && { NextToken }) });
      expect(page.Tags?.length).toBeLessThanOrEqual(5);
      found.push(...(page.Tags ?? []).map((tag) => `${String(tag.ResourceType)}/${String(tag.Key)}`));
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    const all = ['subnet', 'network-interface'].flatMap((type) => keys.map(({ Key }) => `${type}/${Key}`));
    expect(found).toEqual(all);
  });
});

describe('the emulator in front', () => {
  it('says in a sentence that nobody is behind it, and what the other cannot answer', async () => {
    const nobody = startCloud({ behind: new URL('http://127.0.0.1:1') });
    await expect(nobody).rejects.toThrow(/http:\/\/127\.0\.0\.1:1 does not answer: .*ECONNREFUSED/);
    other.failNext('RunInstances', { kind: 'garbage' });
    expect(await refusalOf(runInstance(ours, await subnetId()))).toMatchObject({ name: 'Unavailable' });
  });

  it('holds regions apart', async () => {
    const far = clientFor(front.endpoint, { region: 'us-far-2' });
    expect((await far.describeNetworkInterfaces({})).NetworkInterfaces).toEqual([]);
    const refused = await refusalOf(far.createNetworkInterface({ SubnetId: await subnetId() }));
    expect(refused.name).toBe('InvalidSubnetID.NotFound');
    far.destroy();
  });

  it('gives each address once to calls at the same time', async () => {
    const SubnetId = await subnetId();
    const outcomes = await Promise.allSettled([
      ...Array.from({ length: 8 }, () => ours.createNetworkInterface({ SubnetId })),
      ...Array.from({ length: 8 }, () => runInstance(ours, SubnetId)),
    ]);
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(11);
    const { NetworkInterfaces = [] } = await ours.describeNetworkInterfaces({});
    expect(new Set(NetworkInterfaces.map((held) => held.PrivateIpAddress)).size).toBe(11);
    const instances = front.region.instances().map(({ id }) => id);
    const { Reservations = [] } = await theirs.describeInstances({});
    const running = Reservations.flatMap(({ Instances = [] }) => Instances.map((one) => one.InstanceId ?? ''));
    expect(instances.toSorted()).toEqual(running.toSorted());
  });

  it('serves each action as docs/behind.md says', () => {
    const page = readFileSync(new URL('../../docs/behind.md', import.meta.url), 'utf8');
    const rows = [...page.matchAll(/^\| `(\w+)` +\| (\w+) +\| (.*?) +\|$/gm)].map(([, ...cells]) => cells);
    expect(rows).toEqual(Object.entries(BEHIND_ACTIONS).map(([action, { as, how }]) => [action, as, how]));
  });
});
