import { describe, expect, it } from '@jest/globals';
import { LAUNCH, makeRegion, refusalOf } from './region.fixture.ts';

describe('addresses', () => {
  it('are chosen from the lowest, past the four reserved ones', () => {
    const w = makeRegion();
    const subnetId = w.subnet('10.0.0.0/24');
    const eni = w.describe(w.eni(subnetId, { SecondaryPrivateIpAddressCount: 2 }));
    expect(eni.PrivateIpAddresses?.map((one) => [one.PrivateIpAddress, one.Primary])).toEqual([
      ['10.0.0.4', true],
      ['10.0.0.5', false],
      ['10.0.0.6', false],
    ]);
    expect(w.available(subnetId)).toBe(256 - 5 - 3);
  });

  it('are answered by an assignment only where they are new', () => {
    const w = makeRegion();
    const NetworkInterfaceId = w.eni(w.subnet('10.0.0.0/24'), { SecondaryPrivateIpAddressCount: 1 });
    const answer = w.region.execute('AssignPrivateIpAddresses', {
      NetworkInterfaceId,
      SecondaryPrivateIpAddressCount: 2,
    });
    expect(answer).toEqual({
      NetworkInterfaceId,
      AssignedPrivateIpAddresses: [{ PrivateIpAddress: '10.0.0.6' }, { PrivateIpAddress: '10.0.0.7' }],
      AssignedIpv4Prefixes: [],
    });
  });

  it('move to another interface with AllowReassignment, unless they are primary', () => {
    const w = makeRegion();
    const subnetId = w.subnet('10.0.0.0/24');
    const one = w.eni(subnetId, {
      PrivateIpAddress: '10.0.0.10',
      PrivateIpAddresses: [{ PrivateIpAddress: '10.0.0.11' }],
    });
    const NetworkInterfaceId = w.eni(subnetId);
    const move = (address: string): unknown =>
      w.region.execute('AssignPrivateIpAddresses', {
        NetworkInterfaceId,
        PrivateIpAddresses: [address],
        AllowReassignment: true,
      });
    move('10.0.0.11');
    expect(w.describe(one).PrivateIpAddresses).toHaveLength(1);
    expect(w.describe(NetworkInterfaceId).PrivateIpAddresses?.[1]?.PrivateIpAddress).toBe('10.0.0.11');
    expect(refusalOf(() => move('10.0.0.10')).code).toBe('InvalidIPAddress.InUse');
  });

  it('leave a subnet full at 251, and come back when they are given up', () => {
    const w = makeRegion();
    const subnetId = w.subnet('10.0.0.0/24');
    const enis = Array.from({ length: 5 }, () => w.eni(subnetId, { SecondaryPrivateIpAddressCount: 49 }));
    w.eni(subnetId);
    expect(w.available(subnetId)).toBe(0);
    expect(refusalOf(() => w.eni(subnetId)).code).toBe('InsufficientFreeAddressesInSubnet');
    w.region.execute('UnassignPrivateIpAddresses', {
      NetworkInterfaceId: enis[2]!,
      PrivateIpAddresses: ['10.0.0.120'],
    });
    expect(w.describe(w.eni(subnetId)).PrivateIpAddress).toBe('10.0.0.120');
  });
});

describe('prefixes', () => {
  it('take the lowest wholly free /28 and 16 addresses each', () => {
    const w = makeRegion();
    const subnetId = w.subnet('10.0.0.0/24');
    const eni = w.describe(w.eni(subnetId, { Ipv4PrefixCount: 2 }));
    // Block 0 holds reserved addresses and the primary one.
    expect(eni.Ipv4Prefixes?.map((one) => one.Ipv4Prefix)).toEqual(['10.0.0.16/28', '10.0.0.32/28']);
    expect(w.available(subnetId)).toBe(251 - 1 - 32);
  });

  it('run out by fragmentation while single addresses are left', () => {
    const w = makeRegion();
    const subnetId = w.subnet('10.0.0.0/26');
    for (const last of [20, 40]) w.eni(subnetId, { PrivateIpAddress: `10.0.0.${last}` });
    expect(refusalOf(() => w.eni(subnetId, { Ipv4PrefixCount: 1 })).code).toBe('InsufficientCidrBlocks');
    w.eni(subnetId, { SecondaryPrivateIpAddressCount: 16 });
  });

  it('come out of prefix reservations first, which single addresses never do', () => {
    const w = makeRegion();
    const subnetId = w.subnet('10.0.0.0/26');
    const reserve = (Cidr: string, ReservationType: 'prefix' | 'explicit'): unknown =>
      w.region.execute('CreateSubnetCidrReservation', { SubnetId: subnetId, Cidr, ReservationType });
    reserve('10.0.0.32/28', 'prefix');
    reserve('10.0.0.16/28', 'explicit');
    // 12 of block 0 and 15 of block 3 are left to automatic choice.
    const eni = w.describe(w.eni(subnetId, { SecondaryPrivateIpAddressCount: 26 }));
    expect(eni.PrivateIpAddresses?.filter((one) => /\.(1[6-9]|2\d|3\d|4[0-7])$/.test(one.PrivateIpAddress!))).toEqual(
      [],
    );
    expect(w.available(subnetId)).toBe(64 - 5 - 27);
    expect(refusalOf(() => w.eni(subnetId)).code).toBe('InsufficientFreeAddressesInSubnet');
    const NetworkInterfaceId = eni.NetworkInterfaceId!;
    const assigned = w.region.execute('AssignPrivateIpAddresses', { NetworkInterfaceId, Ipv4PrefixCount: 1 });
    expect(assigned.AssignedIpv4Prefixes).toEqual([{ Ipv4Prefix: '10.0.0.32/28' }]);
    const more = refusalOf(() =>
      w.region.execute('AssignPrivateIpAddresses', { NetworkInterfaceId, Ipv4PrefixCount: 1 }),
    );
    expect(more.code).toBe('InsufficientCidrBlocks');
    // What is reserved for naming can be named.
    w.region.execute('AssignPrivateIpAddresses', { NetworkInterfaceId, PrivateIpAddresses: ['10.0.0.17'] });
  });

  it('of IPv6 are /80 blocks without any held address', () => {
    const w = makeRegion();
    const NetworkInterfaceId = w.eni(w.subnet('10.0.0.0/24', { Ipv6CidrBlock: w.ipv6Cidr(3) }), {
      Ipv6AddressCount: 1,
    });
    const answer = w.region.execute('AssignIpv6Addresses', { NetworkInterfaceId, Ipv6PrefixCount: 2 });
    expect(answer.AssignedIpv6Prefixes).toEqual(['2001:db8:0:3:1::/80', '2001:db8:0:3:2::/80']);
    expect(w.describe(NetworkInterfaceId).Ipv6Addresses?.[0]?.Ipv6Address).toBe('2001:db8:0:3::4');
    w.region.execute('UnassignIpv6Addresses', { NetworkInterfaceId, Ipv6Prefixes: ['2001:db8:0:3:1::/80'] });
    expect(
      w.region.execute('AssignIpv6Addresses', { NetworkInterfaceId, Ipv6PrefixCount: 1 }).AssignedIpv6Prefixes,
    ).toEqual(['2001:db8:0:3:1::/80']);
  });
});

describe('instances', () => {
  it('take their primary interface with them, and leave the others', () => {
    const w = makeRegion();
    const subnetId = w.subnet('10.0.0.0/24');
    const instanceId = w.instance(subnetId);
    const [kept, dropped] = [w.eni(subnetId), w.eni(subnetId)];
    w.attach(kept, instanceId, 1);
    const AttachmentId = w.attach(dropped, instanceId, 2);
    w.region.execute('ModifyNetworkInterfaceAttribute', {
      NetworkInterfaceId: dropped,
      Attachment: { AttachmentId, DeleteOnTermination: true },
    });
    const answer = w.region.execute('TerminateInstances', { InstanceIds: [instanceId] });
    expect(answer.TerminatingInstances?.[0]?.CurrentState?.Name).toBe('shutting-down');
    expect(w.region.networkInterfaces().map(({ id, status }) => [id, status])).toEqual([[kept, 'available']]);
    expect(w.region.instances()).toEqual([]);
  });

  it('are described as terminated for an hour', () => {
    const w = makeRegion();
    const id = w.instance(w.subnet('10.0.0.0/24'));
    w.region.execute('TerminateInstances', { InstanceIds: [id] });
    const states = (): unknown =>
      w.region
        .execute('DescribeInstances', {})
        .Reservations?.flatMap((one) => one.Instances?.map((each) => each.State?.Name));
    expect(states()).toEqual(['terminated']);
    w.advance(3600_000);
    expect(states()).toEqual([]);
    expect(refusalOf(() => w.region.execute('DescribeInstances', { InstanceIds: [id] })).code).toBe(
      'InvalidInstanceID.NotFound',
    );
  });

  it('launch as many as the subnet has room for, from MinCount on', () => {
    const w = makeRegion();
    const SubnetId = w.subnet('10.0.0.0/28');
    const launched = w.region.execute('RunInstances', { ...LAUNCH, MaxCount: 20, InstanceType: 't3.nano', SubnetId });
    expect(launched.Instances).toHaveLength(11);
    const refused = refusalOf(() => w.region.execute('RunInstances', { ...LAUNCH, InstanceType: 't3.nano', SubnetId }));
    expect(refused.code).toBe('InsufficientFreeAddressesInSubnet');
  });

  it('launch with several interfaces, secondary addresses, tags and an interface that exists', () => {
    const w = makeRegion();
    const SubnetId = w.subnet('10.0.0.0/24');
    const existing = w.eni(SubnetId);
    const { Instances } = w.region.execute('RunInstances', {
      ...LAUNCH,
      InstanceType: 'm5.large',
      TagSpecifications: [
        { ResourceType: 'instance', Tags: [{ Key: 'Name', Value: 'n' }] },
        { ResourceType: 'network-interface', Tags: [{ Key: 'cluster', Value: 'c' }] },
      ],
      NetworkInterfaces: [
        { DeviceIndex: 1, NetworkInterfaceId: existing },
        { DeviceIndex: 0, SubnetId, SecondaryPrivateIpAddressCount: 3 },
      ],
    });
    expect(Instances?.[0]?.Tags).toEqual([{ Key: 'Name', Value: 'n' }]);
    const [primary, secondary] = Instances?.[0]?.NetworkInterfaces ?? [];
    expect(primary?.PrivateIpAddresses).toHaveLength(4);
    expect(w.describe(primary!.NetworkInterfaceId!).TagSet).toEqual([{ Key: 'cluster', Value: 'c' }]);
    expect(secondary?.NetworkInterfaceId).toBe(existing);
    expect([primary?.Attachment?.DeleteOnTermination, secondary?.Attachment?.DeleteOnTermination]).toEqual([
      true,
      false,
    ]);
  });

  it('hold interfaces card by card', () => {
    const w = makeRegion();
    const subnetId = w.subnet('10.0.0.0/24');
    const instanceId = w.instance(subnetId, 'p5.48xlarge');
    w.attach(w.eni(subnetId), instanceId, 1, 1);
    w.attach(w.eni(subnetId), instanceId, 2, 1);
    expect(refusalOf(() => w.attach(w.eni(subnetId), instanceId, 3, 1)).message).toMatch(/network card 1/);
    w.attach(w.eni(subnetId), instanceId, 3, 31);
  });
});

describe('client tokens', () => {
  it('give the same answer again and nothing new', () => {
    const w = makeRegion();
    const SubnetId = w.subnet('10.0.0.0/24');
    const create = (): unknown =>
      w.region.execute('CreateNetworkInterface', { ClientToken: 't', SubnetId, Description: 'd' });
    expect(create()).toEqual(create());
    expect(w.region.networkInterfaces()).toHaveLength(1);
    w.advance(24 * 3600_000);
    create();
    expect(w.region.networkInterfaces()).toHaveLength(2);
  });
});

describe('a region', () => {
  it('tells its listeners of changes, and of nothing else', () => {
    const w = makeRegion();
    const SubnetId = w.subnet('10.0.0.0/24');
    const seen: number[] = [];
    const stop = w.region.onChange(() => seen.push(w.region.networkInterfaces().length));
    w.eni(SubnetId);
    w.region.execute('DescribeNetworkInterfaces', {});
    refusalOf(() => w.eni(SubnetId, { Ipv4PrefixCount: 99 }));
    stop();
    w.eni(SubnetId);
    expect(seen).toEqual([1]);
  });

  it('has valid, locally administered MACs and EC2-shaped ids', () => {
    const w = makeRegion();
    w.eni(w.subnet('10.0.0.0/24'));
    const [eni] = w.region.networkInterfaces();
    expect(eni?.mac).toMatch(/^02(:[0-9a-f]{2}){5}$/);
    expect(eni?.id).toMatch(/^eni-0[0-9a-f]{16}$/);
  });

  it('names its zones', () => {
    const { region } = makeRegion({ region: 'ap-southeast-1' });
    const zones = region
      .execute('DescribeAvailabilityZones', {})
      .AvailabilityZones?.map((zone) => [zone.ZoneName, zone.ZoneId]);
    expect(zones).toEqual([
      ['ap-southeast-1a', 'apse1-az1'],
      ['ap-southeast-1b', 'apse1-az2'],
      ['ap-southeast-1c', 'apse1-az3'],
    ]);
  });

  it('answers any image', () => {
    const { region } = makeRegion();
    const asked = region
      .execute('DescribeImages', { ImageIds: ['ami-1', 'ami-2'] })
      .Images?.map((image) => image.ImageId);
    expect(asked).toEqual(['ami-1', 'ami-2']);
    const arm = region.execute('DescribeImages', {
      Owners: ['amazon'],
      Filters: [{ Name: 'architecture', Values: ['arm64'] }],
    });
    expect(arm.Images).toHaveLength(1);
  });
});
