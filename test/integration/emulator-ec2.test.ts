/** The embedded cloud through the real SDK over real HTTP: every action, its shapes, pages, refusals and dry runs. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { EC2 } from '@aws-sdk/client-ec2';
import { paginateDescribeInstanceTypes, paginateDescribeNetworkInterfaces } from '@aws-sdk/client-ec2';
import type { World } from './emulator-world.ts';
import { given, makeSubnet, refusalOf, runInstance, startWorld } from './emulator-world.ts';

let world: World;
let ec2: EC2;

beforeEach(async () => {
  world = await startWorld();
  ec2 = world.ec2;
});
afterEach(async () => world[Symbol.asyncDispose]());

const tags = (resource: 'network-interface' | 'subnet' | 'vpc', value: string) => [
  { ResourceType: resource, Tags: [{ Key: 'name', Value: value }] },
];

describe('VPCs, subnets and security groups', () => {
  it('are created, described by id and tag, and deleted', async () => {
    const { Vpc } = await ec2.createVpc({ CidrBlock: '10.0.0.0/16', TagSpecifications: tags('vpc', 'a & <b>') });
    const vpcId = given(Vpc?.VpcId);
    await ec2.associateVpcCidrBlock({ VpcId: vpcId, CidrBlock: '100.64.0.0/16' });
    const { Vpcs } = await ec2.describeVpcs({ Filters: [{ Name: 'tag:name', Values: ['a*'] }] });
    expect(Vpcs?.map((vpc) => vpc.VpcId)).toEqual([vpcId]);
    expect(Vpcs?.[0]?.Tags).toEqual([{ Key: 'name', Value: 'a & <b>' }]);
    const cidrs = Vpcs?.[0]?.CidrBlockAssociationSet?.map((entry) => entry.CidrBlock);
    expect(cidrs).toEqual(['10.0.0.0/16', '100.64.0.0/16']);

    const { Subnet } = await ec2.createSubnet({
      VpcId: vpcId,
      CidrBlock: '100.64.0.0/24',
      AvailabilityZone: 'eu-test-1b',
    });
    expect(Subnet).toMatchObject({ AvailableIpAddressCount: 251, AvailabilityZone: 'eu-test-1b', State: 'available' });
    const { Subnets } = await ec2.describeSubnets({ SubnetIds: [given(Subnet?.SubnetId)] });
    expect(Subnets).toEqual([Subnet]);
    expect((await refusalOf(ec2.deleteVpc({ VpcId: vpcId }))).name).toBe('DependencyViolation');
    await ec2.deleteSubnet({ SubnetId: given(Subnet?.SubnetId) });
    await ec2.deleteVpc({ VpcId: vpcId });
    expect((await ec2.describeVpcs({})).Vpcs).toEqual([]);
  });

  it('keep CIDR reservations', async () => {
    const { subnetId } = await makeSubnet(ec2);
    const reserved = await ec2.createSubnetCidrReservation({
      SubnetId: subnetId,
      Cidr: '10.0.0.64/26',
      ReservationType: 'prefix',
    });
    const id = given(reserved.SubnetCidrReservation?.SubnetCidrReservationId);
    const listed = await ec2.getSubnetCidrReservations({ SubnetId: subnetId });
    expect(listed.SubnetIpv4CidrReservations).toEqual([reserved.SubnetCidrReservation]);
    await ec2.deleteSubnetCidrReservation({ SubnetCidrReservationId: id });
    expect((await ec2.getSubnetCidrReservations({ SubnetId: subnetId })).SubnetIpv4CidrReservations).toEqual([]);
  });

  it('have a default group, and others that are made', async () => {
    const { vpcId } = await makeSubnet(ec2);
    const { GroupId } = await ec2.createSecurityGroup({ VpcId: vpcId, GroupName: 'pods', Description: 'for pods' });
    const { SecurityGroups } = await ec2.describeSecurityGroups({ Filters: [{ Name: 'vpc-id', Values: [vpcId] }] });
    expect(SecurityGroups?.map((group) => group.GroupName).toSorted()).toEqual(['default', 'pods']);
    await ec2.deleteSecurityGroup({ GroupId });
    const gone = await refusalOf(ec2.describeSecurityGroups({ GroupIds: [given(GroupId)] }));
    expect(gone.name).toBe('InvalidGroup.NotFound');
  });

  it('lie in zones of a region', async () => {
    const { AvailabilityZones } = await ec2.describeAvailabilityZones({});
    expect(AvailabilityZones?.map((zone) => zone.ZoneName)).toEqual(['eu-test-1a', 'eu-test-1b', 'eu-test-1c']);
    expect((await ec2.describeRegions({})).Regions?.map((region) => region.RegionName)).toEqual(['eu-test-1']);
  });
});

describe('instances', () => {
  it('run at once, are described with their interface, and terminate', async () => {
    const { subnetId } = await makeSubnet(ec2);
    const before = Date.now();
    const instanceId = await runInstance(ec2, subnetId);
    const { Reservations } = await ec2.describeInstances({ InstanceIds: [instanceId] });
    const instance = given(Reservations?.[0]?.Instances?.[0]);
    expect(instance).toMatchObject({
      State: { Name: 'running', Code: 16 },
      InstanceType: 'm5.large',
      SubnetId: subnetId,
    });
    expect(given(instance.LaunchTime).getTime()).toBeGreaterThanOrEqual(before);
    expect(instance.NetworkInterfaces?.[0]).toMatchObject({
      PrivateIpAddress: instance.PrivateIpAddress,
      Attachment: { DeviceIndex: 0, Status: 'attached', DeleteOnTermination: true },
    });
    const ended = await ec2.terminateInstances({ InstanceIds: [instanceId] });
    expect(ended.TerminatingInstances?.[0]).toMatchObject({
      InstanceId: instanceId,
      PreviousState: { Name: 'running' },
    });
    expect((await ec2.describeNetworkInterfaces({})).NetworkInterfaces).toEqual([]);
  });

  it('have types with limits, and images of any id', async () => {
    const { InstanceTypes } = await ec2.describeInstanceTypes({ InstanceTypes: ['m5.large', 'p5.48xlarge'] });
    const large = InstanceTypes?.find((type) => type.InstanceType === 'm5.large');
    expect(large?.NetworkInfo).toMatchObject({ MaximumNetworkInterfaces: 3, Ipv4AddressesPerInterface: 10 });
    expect(InstanceTypes?.find((type) => type.InstanceType === 'p5.48xlarge')?.NetworkInfo?.MaximumNetworkCards).toBe(
      32,
    );
    const { Images } = await ec2.describeImages({ ImageIds: ['ami-12345678'] });
    expect(Images?.map((image) => image.ImageId)).toEqual(['ami-12345678']);
  });
});

describe('network interfaces', () => {
  it('carry addresses, prefixes, groups and tags through their life', async () => {
    const { vpcId, subnetId } = await makeSubnet(ec2);
    const group = given((await ec2.createSecurityGroup({ VpcId: vpcId, GroupName: 'g', Description: 'g' })).GroupId);
    const { NetworkInterface } = await ec2.createNetworkInterface({
      SubnetId: subnetId,
      Groups: [group],
      Description: 'warm + "pool" & more',
      SecondaryPrivateIpAddressCount: 3,
      TagSpecifications: tags('network-interface', 'pool'),
    });
    const id = given(NetworkInterface?.NetworkInterfaceId);
    expect(NetworkInterface?.PrivateIpAddresses?.map((entry) => entry.Primary)).toEqual([true, false, false, false]);
    const { NetworkInterfaces } = await ec2.describeNetworkInterfaces({ NetworkInterfaceIds: [id] });
    expect(NetworkInterfaces?.[0]).toMatchObject({
      Description: 'warm + "pool" & more',
      Groups: [{ GroupId: group, GroupName: 'g' }],
      Status: 'available',
      TagSet: [{ Key: 'name', Value: 'pool' }],
      SubnetId: subnetId,
      VpcId: vpcId,
    });
    const addresses = given(NetworkInterface?.PrivateIpAddresses).map((entry) => given(entry.PrivateIpAddress));
    await ec2.unassignPrivateIpAddresses({ NetworkInterfaceId: id, PrivateIpAddresses: addresses.slice(2) });
    const more = await ec2.assignPrivateIpAddresses({ NetworkInterfaceId: id, PrivateIpAddresses: ['10.0.0.200'] });
    expect(more.AssignedPrivateIpAddresses).toEqual([{ PrivateIpAddress: '10.0.0.200' }]);
    const prefixed = await ec2.assignPrivateIpAddresses({ NetworkInterfaceId: id, Ipv4PrefixCount: 2 });
    const prefixes = given(prefixed.AssignedIpv4Prefixes).map((entry) => given(entry.Ipv4Prefix));
    expect(prefixes).toHaveLength(2);
    await ec2.unassignPrivateIpAddresses({ NetworkInterfaceId: id, Ipv4Prefixes: prefixes.slice(1) });
    await ec2.createTags({
      Resources: [id],
      Tags: [
        { Key: 'owner', Value: '' },
        { Key: 'name', Value: 'new' },
      ],
    });
    const now = given((await ec2.describeNetworkInterfaces({})).NetworkInterfaces?.[0]);
    expect(now.Ipv4Prefixes).toEqual([{ Ipv4Prefix: prefixes[0] }]);
    const held = now.PrivateIpAddresses?.map((entry) => entry.PrivateIpAddress);
    expect(held?.toSorted()).toEqual([...addresses.slice(0, 2), '10.0.0.200'].toSorted());
    expect(now.TagSet?.toSorted((one, two) => given(one.Key).localeCompare(given(two.Key)))).toEqual([
      { Key: 'name', Value: 'new' },
      { Key: 'owner', Value: '' },
    ]);
    await ec2.deleteTags({ Resources: [id], Tags: [{ Key: 'owner' }] });
    const { Tags } = await ec2.describeTags({ Filters: [{ Name: 'resource-id', Values: [id] }] });
    expect(Tags).toEqual([{ Key: 'name', Value: 'new', ResourceId: id, ResourceType: 'network-interface' }]);
    await ec2.deleteNetworkInterface({ NetworkInterfaceId: id });
    const gone = await refusalOf(ec2.deleteNetworkInterface({ NetworkInterfaceId: id }));
    expect(gone).toMatchObject({ name: 'InvalidNetworkInterfaceID.NotFound', $metadata: { httpStatusCode: 400 } });
  });

  it('carry IPv6 addresses and prefixes', async () => {
    const { subnetId } = await makeSubnet(ec2);
    const { NetworkInterface } = await ec2.createNetworkInterface({ SubnetId: subnetId, Ipv6PrefixCount: 1 });
    const id = given(NetworkInterface?.NetworkInterfaceId);
    expect(NetworkInterface?.Ipv6Prefixes).toHaveLength(1);
    const { AssignedIpv6Addresses } = await ec2.assignIpv6Addresses({ NetworkInterfaceId: id, Ipv6AddressCount: 2 });
    expect(AssignedIpv6Addresses).toHaveLength(2);
    const freed = await ec2.unassignIpv6Addresses({ NetworkInterfaceId: id, Ipv6Addresses: AssignedIpv6Addresses });
    expect(freed.UnassignedIpv6Addresses).toEqual(AssignedIpv6Addresses);
  });

  it('are attached, changed and detached', async () => {
    const { subnetId } = await makeSubnet(ec2);
    const instanceId = await runInstance(ec2, subnetId);
    const { NetworkInterface } = await ec2.createNetworkInterface({ SubnetId: subnetId });
    const id = given(NetworkInterface?.NetworkInterfaceId);
    const { AttachmentId } = await ec2.attachNetworkInterface({
      NetworkInterfaceId: id,
      InstanceId: instanceId,
      DeviceIndex: 1,
    });
    await ec2.modifyNetworkInterfaceAttribute({
      NetworkInterfaceId: id,
      Attachment: { AttachmentId, DeleteOnTermination: true },
    });
    await ec2.modifyNetworkInterfaceAttribute({ NetworkInterfaceId: id, SourceDestCheck: { Value: false } });
    await ec2.modifyNetworkInterfaceAttribute({ NetworkInterfaceId: id, Description: { Value: 'changed' } });
    const attached = given((await ec2.describeNetworkInterfaces({ NetworkInterfaceIds: [id] })).NetworkInterfaces?.[0]);
    expect(attached).toMatchObject({
      Description: 'changed',
      SourceDestCheck: false,
      Status: 'in-use',
      Attachment: {
        AttachmentId,
        InstanceId: instanceId,
        DeviceIndex: 1,
        DeleteOnTermination: true,
        Status: 'attached',
      },
    });
    expect(attached.Attachment?.AttachTime).toBeInstanceOf(Date);
    await ec2.detachNetworkInterface({ AttachmentId });
    const detached = await ec2.describeNetworkInterfaces({ NetworkInterfaceIds: [id] });
    expect(detached.NetworkInterfaces?.[0]?.Status).toBe('available');
  });

  it('come page by page without gap or repetition', async () => {
    const { subnetId } = await makeSubnet(ec2);
    const made: string[] = [];
    for (let count = 0; count < 13; count += 1) {
      const { NetworkInterface } = await ec2.createNetworkInterface({ SubnetId: subnetId });
      made.push(given(NetworkInterface?.NetworkInterfaceId));
    }
    const pages: string[][] = [];
    for await (const page of paginateDescribeNetworkInterfaces({ client: ec2, pageSize: 5 }, {})) {
      pages.push(given(page.NetworkInterfaces).map((entry) => given(entry.NetworkInterfaceId)));
    }
    expect(pages.map((page) => page.length)).toEqual([5, 5, 3]);
    expect(pages.flat().toSorted()).toEqual(made.toSorted());
    const types: string[] = [];
    for await (const page of paginateDescribeInstanceTypes({ client: ec2, pageSize: 100 }, {})) {
      types.push(...given(page.InstanceTypes).map((type) => given(type.InstanceType)));
    }
    expect(new Set(types).size).toBe(types.length);
    expect(types.length).toBeGreaterThanOrEqual(60);
  });
});

describe('refusals', () => {
  it('reach the SDK by EC2 code and message', async () => {
    const { subnetId } = await makeSubnet(ec2);
    const calls: readonly (readonly [string, Promise<unknown>])[] = [
      ['InvalidSubnetID.NotFound', ec2.createNetworkInterface({ SubnetId: 'subnet-0123456789abcdef0' })],
      ['InvalidNetworkInterfaceID.Malformed', ec2.describeNetworkInterfaces({ NetworkInterfaceIds: ['eni-x'] })],
      ['InvalidParameterValue', ec2.createNetworkInterface({ SubnetId: subnetId, SecondaryPrivateIpAddressCount: -1 })],
      ['UnsupportedOperation', ec2.createNetworkInterface({ SubnetId: subnetId, EnablePrimaryIpv6: true })],
      ['DryRunOperation', ec2.createNetworkInterface({ SubnetId: subnetId, DryRun: true })],
    ];
    for (const [name, call] of calls) expect((await refusalOf(call)).name).toBe(name);
    const dry = await refusalOf(ec2.createNetworkInterface({ SubnetId: subnetId, DryRun: true }));
    expect(dry).toMatchObject({ $metadata: { httpStatusCode: 412 } });
    expect((await ec2.describeNetworkInterfaces({})).NetworkInterfaces).toEqual([]);
  });

  it('answer a client token twice with the same interface', async () => {
    const { subnetId } = await makeSubnet(ec2);
    const make = () => ec2.createNetworkInterface({ SubnetId: subnetId, ClientToken: 'token-1' });
    const [one, two] = await Promise.all([make(), make()]);
    expect(two.NetworkInterface?.NetworkInterfaceId).toBe(one.NetworkInterface?.NetworkInterfaceId);
    expect((await ec2.describeNetworkInterfaces({})).NetworkInterfaces).toHaveLength(1);
  });

  it('hand out no address twice to calls at the same time', async () => {
    const { subnetId } = await makeSubnet(ec2, '10.0.0.0/27');
    const made = await Promise.allSettled(
      Array.from({ length: 40 }, () => ec2.createNetworkInterface({ SubnetId: subnetId })),
    );
    const addresses = made.flatMap((call) =>
      call.status === 'fulfilled' ? [given(call.value.NetworkInterface?.PrivateIpAddress)] : [],
    );
    expect(new Set(addresses).size).toBe(27);
    expect(addresses).toHaveLength(27);
    const names = made.flatMap((call) => (call.status === 'rejected' ? [(call.reason as Error).name] : []));
    expect(new Set(names)).toEqual(new Set(['InsufficientFreeAddressesInSubnet']));
  });
});
