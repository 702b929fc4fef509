import { describe, expect, it } from '@jest/globals';
import { makeRegion } from './region.fixture.ts';

/** An instance with a second interface, and a lone interface with a tag. */
function world() {
  const w = makeRegion();
  const subnetId = w.subnet('10.0.0.0/24', { Ipv6CidrBlock: w.ipv6Cidr(0) });
  const instanceId = w.instance(subnetId);
  const primary = w.region.networkInterfaces()[0]!.id;
  const second = w.eni(subnetId, {
    Description: 'aws-K8S-i-1',
    SecondaryPrivateIpAddressCount: 1,
    Ipv6AddressCount: 1,
  });
  const attachmentId = w.attach(second, instanceId, 1);
  const lone = w.eni(subnetId, {
    Ipv4PrefixCount: 1,
    TagSpecifications: [{ ResourceType: 'network-interface', Tags: [{ Key: 'cluster', Value: 'blue' }] }],
  });
  return { ...w, subnetId, instanceId, primary, second, lone, attachmentId };
}
type World = ReturnType<typeof world>;

const FILTERS: readonly (readonly [string, (w: World) => string, (w: World) => readonly string[]])[] = [
  ['attachment.instance-id', (w) => w.instanceId, (w) => [w.primary, w.second]],
  ['attachment.attachment-id', (w) => w.attachmentId, (w) => [w.second]],
  ['attachment.device-index', () => '1', (w) => [w.second]],
  ['attachment.status', () => 'attached', (w) => [w.primary, w.second]],
  ['attachment.instance-owner-id', (w) => w.region.accountId, (w) => [w.primary, w.second]],
  ['attachment.delete-on-termination', () => 'true', (w) => [w.primary]],
  ['subnet-id', (w) => w.subnetId, (w) => [w.primary, w.second, w.lone]],
  ['vpc-id', (w) => w.vpcId, (w) => [w.primary, w.second, w.lone]],
  ['status', () => 'available', (w) => [w.lone]],
  ['description', () => 'aws-K8S-*', (w) => [w.second]],
  ['description', () => 'aws-k8s-*', () => []],
  ['description', () => 'aws-K8S-i-?', (w) => [w.second]],
  ['description', () => 'aws.K8S.*', () => []],
  ['description', () => 'aws-K8S-i-\\*', () => []],
  ['network-interface-id', (w) => w.lone, (w) => [w.lone]],
  ['private-ip-address', () => '10.0.0.4', (w) => [w.primary]],
  ['private-ip-address', () => '10.0.0.6', () => []],
  ['addresses.private-ip-address', () => '10.0.0.6', (w) => [w.second]],
  ['addresses.primary', () => 'false', (w) => [w.second]],
  ['ipv6-addresses.ipv6-address', () => '2001:db8::4', (w) => [w.second]],
  ['group-id', (w) => w.region.securityGroups()[0]!.id, (w) => [w.primary, w.second, w.lone]],
  ['availability-zone', () => 'us-west-2b', () => []],
  ['interface-type', () => 'interface', (w) => [w.primary, w.second, w.lone]],
  ['mac-address', (w) => w.region.networkInterfaces()[2]!.mac, (w) => [w.lone]],
  ['tag:cluster', () => 'blue', (w) => [w.lone]],
  ['tag:cluster', () => 'red', () => []],
  ['tag-key', () => 'clus*', (w) => [w.lone]],
];

describe('DescribeNetworkInterfaces', () => {
  it.each(FILTERS)('filters by %s', (name, value, expected) => {
    const w = world();
    const found = w.region.execute('DescribeNetworkInterfaces', {
      Filters: [{ Name: name, Values: ['nothing', value(w)] }],
    });
    expect(found.NetworkInterfaces?.map((eni) => eni.NetworkInterfaceId)).toEqual(expected(w));
  });

  it('wants all filters to match', () => {
    const w = world();
    const Filters = [
      { Name: 'status', Values: ['in-use'] },
      { Name: 'tag:cluster', Values: ['blue'] },
    ];
    expect(w.region.execute('DescribeNetworkInterfaces', { Filters }).NetworkInterfaces).toEqual([]);
  });

  it('pages without repeating or losing what stays, while interfaces come and go', () => {
    const w = makeRegion();
    const subnetId = w.subnet('10.0.0.0/24');
    const ids = Array.from({ length: 23 }, () => w.eni(subnetId));
    const seen: string[] = [];
    let NextToken: string | undefined;
    do {
      const page = w.region.execute('DescribeNetworkInterfaces', { MaxResults: 5, NextToken });
      expect(page.NetworkInterfaces!.length).toBeLessThanOrEqual(5);
      seen.push(...page.NetworkInterfaces!.map((eni) => eni.NetworkInterfaceId!));
      NextToken = page.NextToken;
      const oldest = w.region.networkInterfaces()[0]!.id;
      w.region.execute('DeleteNetworkInterface', { NetworkInterfaceId: oldest });
    } while (NextToken !== undefined);
    expect(seen).toEqual(ids);
  });

  it('ends its pages with the last full one', () => {
    const w = makeRegion();
    const subnetId = w.subnet('10.0.0.0/24');
    for (let n = 0; n < 10; n += 1) w.eni(subnetId);
    const first = w.region.execute('DescribeNetworkInterfaces', { MaxResults: 5 });
    const second = w.region.execute('DescribeNetworkInterfaces', { MaxResults: 5, NextToken: first.NextToken });
    expect([second.NetworkInterfaces?.length, second.NextToken]).toEqual([5, undefined]);
  });
});

describe('tags', () => {
  it('are set, overwritten, removed by value, and listed', () => {
    const w = world();
    const list = (): unknown =>
      w.region
        .execute('DescribeTags', { Filters: [{ Name: 'resource-id', Values: [w.lone, w.subnetId] }] })
        .Tags?.map((tag) => `${tag.ResourceType} ${tag.Key}=${tag.Value}`);
    w.region.execute('CreateTags', {
      Resources: [w.lone, w.subnetId],
      Tags: [
        { Key: 'cluster', Value: 'green' },
        { Key: 'x', Value: '' },
      ],
    });
    expect(list()).toEqual([
      'subnet cluster=green',
      'subnet x=',
      'network-interface cluster=green',
      'network-interface x=',
    ]);
    w.region.execute('DeleteTags', { Resources: [w.lone], Tags: [{ Key: 'cluster', Value: 'blue' }, { Key: 'x' }] });
    expect(list()).toEqual(['subnet cluster=green', 'subnet x=', 'network-interface cluster=green']);
    w.region.execute('DeleteTags', { Resources: [w.subnetId] });
    expect(list()).toEqual(['network-interface cluster=green']);
  });

  it('change nothing where one resource is missing', () => {
    const w = world();
    const before = w.region.state;
    const Resources = [w.lone, `eni-${'0'.repeat(17)}`];
    expect(() => w.region.execute('CreateTags', { Resources, Tags: [{ Key: 'k', Value: 'v' }] })).toThrow(
      /does not exist/,
    );
    expect(w.region.state).toBe(before);
  });
});

describe('other listings', () => {
  it('filter instances by what is attached to them', () => {
    const w = world();
    const find = (Name: string, value: string): number =>
      w.region.execute('DescribeInstances', { Filters: [{ Name, Values: [value] }] }).Reservations!.length;
    expect(find('network-interface.network-interface-id', w.second)).toBe(1);
    expect(find('network-interface.network-interface-id', w.lone)).toBe(0);
    expect(find('private-ip-address', '10.0.0.4')).toBe(1);
    expect(find('instance-state-name', 'running')).toBe(1);
  });

  it('give subnets, VPCs, groups and reservations by tag, id and filter', () => {
    const w = world();
    const other = w.subnet('10.0.1.0/24', {
      AvailabilityZone: 'us-west-2c',
      TagSpecifications: [{ ResourceType: 'subnet', Tags: [{ Key: 'kubernetes.io/role/cni', Value: '1' }] }],
    });
    const subnets = (Name: string, value: string): unknown =>
      w.region.execute('DescribeSubnets', { Filters: [{ Name, Values: [value] }] }).Subnets?.map((one) => one.SubnetId);
    expect(subnets('tag:kubernetes.io/role/cni', '1')).toEqual([other]);
    expect(subnets('availability-zone', '*c')).toEqual([other]);
    expect(subnets('cidr-block', '10.0.0.0/24')).toEqual([w.subnetId]);
    expect(w.region.execute('DescribeVpcs', { VpcIds: [w.vpcId] }).Vpcs?.[0]?.CidrBlock).toBe('10.0.0.0/16');
    const groups = w.region.execute('DescribeSecurityGroups', {
      Filters: [{ Name: 'group-name', Values: ['default'] }],
    });
    expect(groups.SecurityGroups).toHaveLength(1);
    w.region.execute('AssociateVpcCidrBlock', { VpcId: w.vpcId, CidrBlock: '100.64.0.0/16' });
    expect(w.region.vpcs()[0]?.cidrs).toEqual(['10.0.0.0/16', '100.64.0.0/16']);
    w.subnet('100.64.0.0/18');
    w.region.execute('CreateSubnetCidrReservation', {
      SubnetId: other,
      Cidr: '10.0.1.64/26',
      ReservationType: 'prefix',
    });
    const reserved = w.region.execute('GetSubnetCidrReservations', { SubnetId: other }).SubnetIpv4CidrReservations;
    expect(reserved?.map((one) => [one.Cidr, one.ReservationType])).toEqual([['10.0.1.64/26', 'prefix']]);
  });

  it('page through all instance types', () => {
    const { region } = makeRegion();
    const names: string[] = [];
    let NextToken: string | undefined;
    do {
      const page = region.execute('DescribeInstanceTypes', { NextToken });
      expect(page.InstanceTypes!.length).toBeLessThanOrEqual(100);
      names.push(...page.InstanceTypes!.map((type) => type.InstanceType!));
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    expect(names).toEqual([...region.types.keys()]);
  });

  it('say of a type what EC2 says', () => {
    const { region } = makeRegion();
    const [type] = region.execute('DescribeInstanceTypes', { InstanceTypes: ['p4d.24xlarge'] }).InstanceTypes!;
    expect([type?.Hypervisor, type?.BareMetal]).toEqual(['nitro', false]);
    expect(type?.NetworkInfo).toMatchObject({
      MaximumNetworkInterfaces: 60,
      MaximumNetworkCards: 4,
      Ipv4AddressesPerInterface: 50,
    });
    expect(type?.NetworkInfo?.NetworkCards?.map((card) => card.MaximumNetworkInterfaces)).toEqual([15, 15, 15, 15]);
    const metal = region.execute('DescribeInstanceTypes', {
      Filters: [{ Name: 'bare-metal', Values: ['true'] }],
    }).InstanceTypes!;
    expect(metal.map((one) => one.Hypervisor)).toEqual(metal.map(() => undefined));
    expect(metal.map((one) => one.InstanceType)).toContain('c7i.metal-24xl');
  });
});
