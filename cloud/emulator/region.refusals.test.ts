import { describe, expect, it } from '@jest/globals';
import { LAUNCH, makeRegion, refusalOf } from './region.fixture.ts';

const GONE = '0'.repeat(17);

/** A subnet with an m5.large in it (3 interfaces, 10 addresses each). */
function world() {
  const made = makeRegion();
  const subnetId = made.subnet('10.0.0.0/24', { Ipv6CidrBlock: made.ipv6Cidr(0) });
  const instanceId = made.instance(subnetId);
  const primary = made.region.networkInterfaces()[0]!;
  return { ...made, subnetId, instanceId, primary };
}
type World = ReturnType<typeof world>;

/** Every refusal: its name, its code, and what the message must name (never less than the id that is wrong). */
const REFUSALS: readonly (readonly [string, string, (w: World) => unknown, RegExp?])[] = [
  ['a VPC without a block', 'MissingParameter', (w) => w.region.execute('CreateVpc', {}), /CidrBlock/],
  [
    'a VPC of /8',
    'InvalidVpc.Range',
    (w) => w.region.execute('CreateVpc', { CidrBlock: '10.0.0.0/8' }),
    /10\.0\.0\.0\/8/,
  ],
  ['a block that is none', 'InvalidParameterValue', (w) => w.region.execute('CreateVpc', { CidrBlock: '10.0.0/16' })],
  [
    'a VPC that is not',
    'InvalidVpcID.NotFound',
    (w) => w.region.execute('DeleteVpc', { VpcId: `vpc-${GONE}` }),
    /'vpc-0+'/,
  ],
  [
    'a VPC id of another form',
    'InvalidVpcID.Malformed',
    (w) => w.region.execute('DescribeVpcs', { VpcIds: ['vpc-x'] }),
  ],
  ['a VPC with subnets', 'DependencyViolation', (w) => w.region.execute('DeleteVpc', { VpcId: w.vpcId }), /vpc-/],
  [
    'an overlapping VPC block',
    'CidrConflict',
    (w) => w.region.execute('AssociateVpcCidrBlock', { VpcId: w.vpcId, CidrBlock: '10.0.128.0/20' }),
  ],
  ['a subnet outside of its VPC', 'InvalidSubnet.Range', (w) => w.subnet('10.1.0.0/24'), /10\.1\.0\.0/],
  ['a subnet of /29', 'InvalidSubnet.Range', (w) => w.subnet('10.0.1.0/29')],
  ['an overlapping subnet', 'InvalidSubnet.Conflict', (w) => w.subnet('10.0.0.128/25'), /10\.0\.0\.128\/25/],
  [
    'an overlapping IPv6 subnet',
    'InvalidSubnet.Conflict',
    (w) => w.subnet('10.0.1.0/24', { Ipv6CidrBlock: w.ipv6Cidr(0) }),
  ],
  [
    'a zone of another region',
    'InvalidParameterValue',
    (w) => w.subnet('10.0.1.0/24', { AvailabilityZone: 'eu-west-1a' }),
    /us-west-2a/,
  ],
  ['a subnet that is not', 'InvalidSubnetID.NotFound', (w) => w.eni(`subnet-${GONE}`), /'subnet-0+'/],
  [
    'a subnet with interfaces',
    'DependencyViolation',
    (w) => w.region.execute('DeleteSubnet', { SubnetId: w.subnetId }),
  ],
  [
    'a group name twice',
    'InvalidGroup.Duplicate',
    (w) => w.region.execute('CreateSecurityGroup', { GroupName: 'default', Description: 'x', VpcId: w.vpcId }),
  ],
  ['a group that is not', 'InvalidGroup.NotFound', (w) => w.eni(w.subnetId, { Groups: [`sg-${GONE}`] }), /'sg-0+'/],
  [
    'the deletion of a default group',
    'CannotDelete',
    (w) => w.region.execute('DeleteSecurityGroup', { GroupId: w.region.securityGroups()[0]!.id }),
  ],
  ['an interface that is not', 'InvalidNetworkInterfaceID.NotFound', (w) => w.describe(`eni-${GONE}`), /'eni-0+'/],
  ['an interface id of another form', 'InvalidNetworkInterfaceID.Malformed', (w) => w.describe('eni-1'), /eni-1/],
  [
    'an attachment that is not',
    'InvalidAttachmentID.NotFound',
    (w) => w.region.execute('DetachNetworkInterface', { AttachmentId: `eni-attach-${GONE}` }),
  ],
  [
    'an instance that is not',
    'InvalidInstanceID.NotFound',
    (w) => w.region.execute('DescribeInstances', { InstanceIds: [`i-${GONE}`] }),
    /'i-0+'/,
  ],
  [
    'an instance id of another form',
    'InvalidInstanceID.Malformed',
    (w) => w.region.execute('TerminateInstances', { InstanceIds: ['x'] }),
  ],
  [
    'a reservation that is not',
    'InvalidSubnetCidrReservationID.NotFound',
    (w) => w.region.execute('DeleteSubnetCidrReservation', { SubnetCidrReservationId: `scr-${GONE}` }),
  ],
  [
    'a type that is not, described',
    'InvalidInstanceType',
    (w) => w.region.execute('DescribeInstanceTypes', { InstanceTypes: ['m0.huge' as 'm5.large'] }),
    /m0\.huge/,
  ],
  ['a type that is not, launched', 'InvalidParameterValue', (w) => w.instance(w.subnetId, 'm0.huge'), /m0\.huge/],
  [
    'the deletion of an attached interface',
    'InvalidNetworkInterface.InUse',
    (w) => w.region.execute('DeleteNetworkInterface', { NetworkInterfaceId: w.primary.id }),
    /eni-/,
  ],
  [
    'the attachment of an attached interface',
    'InvalidNetworkInterface.InUse',
    (w) => w.attach(w.primary.id, w.instanceId, 1),
  ],
  [
    'a device index in use',
    'InvalidParameterValue',
    (w) => w.attach(w.eni(w.subnetId), w.instanceId, 0),
    /device index '0'/,
  ],
  ['a network card that is not', 'InvalidParameterValue', (w) => w.attach(w.eni(w.subnetId), w.instanceId, 1, 1)],
  [
    'one interface too many',
    'AttachmentLimitExceeded',
    (w) => [1, 2, 3].map((n) => w.attach(w.eni(w.subnetId), w.instanceId, n)),
    /count 4 .*m5\.large/,
  ],
  [
    'an attachment across zones',
    'InvalidParameterCombination',
    (w) => w.attach(w.eni(w.subnet('10.0.1.0/24', { AvailabilityZone: 'us-west-2b' })), w.instanceId, 1),
  ],
  [
    'an attachment to a terminated instance',
    'IncorrectState',
    (w) => {
      w.region.execute('TerminateInstances', { InstanceIds: [w.instanceId] });
      w.attach(w.eni(w.subnetId), w.instanceId, 1);
    },
  ],
  [
    'the attachment of a fuller interface than the type takes',
    'PrivateIpAddressLimitExceeded',
    (w) => w.attach(w.eni(w.subnetId, { SecondaryPrivateIpAddressCount: 10 }), w.instanceId, 1),
  ],
  [
    'the detachment of the primary interface',
    'OperationNotPermitted',
    (w) => w.region.execute('DetachNetworkInterface', { AttachmentId: w.primary.attachment!.attachmentId }),
  ],
  [
    'one address too many',
    'PrivateIpAddressLimitExceeded',
    (w) =>
      w.region.execute('AssignPrivateIpAddresses', {
        NetworkInterfaceId: w.primary.id,
        SecondaryPrivateIpAddressCount: 10,
      }),
  ],
  [
    'one prefix too many',
    'PrivateIpAddressLimitExceeded',
    (w) => w.region.execute('AssignPrivateIpAddresses', { NetworkInterfaceId: w.primary.id, Ipv4PrefixCount: 10 }),
  ],
  [
    'one address too many for an unattached interface',
    'PrivateIpAddressLimitExceeded',
    (w) => w.eni(w.subnetId, { SecondaryPrivateIpAddressCount: 50 }),
  ],
  [
    'one IPv6 address too many',
    'PrivateIpAddressLimitExceeded',
    (w) => w.region.execute('AssignIpv6Addresses', { NetworkInterfaceId: w.primary.id, Ipv6AddressCount: 11 }),
  ],
  [
    'more addresses than the subnet has',
    'InsufficientFreeAddressesInSubnet',
    (w) => w.eni(w.subnet('10.0.1.0/28'), { SecondaryPrivateIpAddressCount: 11 }),
    /subnet-/,
  ],
  ['a prefix of a /28 subnet', 'InsufficientCidrBlocks', (w) => w.eni(w.subnet('10.0.1.0/28'), { Ipv4PrefixCount: 1 })],
  [
    'prefixes on Xen',
    'UnsupportedOperation',
    (w) => w.attach(w.eni(w.subnetId, { Ipv4PrefixCount: 1 }), w.instance(w.subnetId, 'm4.large'), 1),
    /m4\.large/,
  ],
  [
    'an address of another interface',
    'InvalidIPAddress.InUse',
    (w) => w.eni(w.subnetId, { PrivateIpAddress: w.primary.primaryAddress }),
  ],
  [
    'a prefix that is partly in use',
    'InvalidIPAddress.InUse',
    (w) => {
      w.eni(w.subnetId, { PrivateIpAddress: '10.0.0.40' });
      w.eni(w.subnetId, { Ipv4Prefixes: [{ Ipv4Prefix: '10.0.0.32/28' }] });
    },
  ],
  [
    'an address outside of the subnet',
    'InvalidParameterValue',
    (w) => w.eni(w.subnetId, { PrivateIpAddress: '10.0.1.9' }),
    /10\.0\.1\.9/,
  ],
  [
    'a reserved address',
    'InvalidParameterValue',
    (w) => w.eni(w.subnetId, { PrivateIpAddress: '10.0.0.255' }),
    /reserved/,
  ],
  [
    'a prefix that is not aligned',
    'InvalidParameterValue',
    (w) => w.eni(w.subnetId, { Ipv4Prefixes: [{ Ipv4Prefix: '10.0.0.36/28' }] }),
  ],
  [
    'two primary addresses',
    'InvalidParameterCombination',
    (w) =>
      w.eni(w.subnetId, {
        PrivateIpAddress: '10.0.0.8',
        PrivateIpAddresses: [{ PrivateIpAddress: '10.0.0.9', Primary: true }],
      }),
  ],
  [
    'a count of addresses and one of prefixes',
    'InvalidParameterCombination',
    (w) => w.eni(w.subnetId, { SecondaryPrivateIpAddressCount: 1, Ipv4PrefixCount: 1 }),
  ],
  [
    'an assignment of nothing',
    'MissingParameter',
    (w) => w.region.execute('AssignPrivateIpAddresses', { NetworkInterfaceId: w.primary.id }),
  ],
  [
    'the unassignment of the primary address',
    'InvalidParameterValue',
    (w) =>
      w.region.execute('UnassignPrivateIpAddresses', {
        NetworkInterfaceId: w.primary.id,
        PrivateIpAddresses: [w.primary.primaryAddress],
      }),
    /primary/,
  ],
  [
    'the unassignment of a foreign address',
    'InvalidParameterValue',
    (w) =>
      w.region.execute('UnassignPrivateIpAddresses', {
        NetworkInterfaceId: w.primary.id,
        PrivateIpAddresses: ['10.0.0.99'],
      }),
    /10\.0\.0\.99.*eni-/,
  ],
  [
    'the unassignment of a foreign prefix',
    'InvalidParameterValue',
    (w) =>
      w.region.execute('UnassignPrivateIpAddresses', {
        NetworkInterfaceId: w.primary.id,
        Ipv4Prefixes: ['10.0.0.32/28'],
      }),
  ],
  [
    'IPv6 where the subnet has none',
    'InvalidParameterValue',
    (w) => w.eni(w.subnet('10.0.1.0/24'), { Ipv6AddressCount: 1 }),
  ],
  [
    'the change of two attributes at once',
    'InvalidParameterCombination',
    (w) =>
      w.region.execute('ModifyNetworkInterfaceAttribute', {
        NetworkInterfaceId: w.primary.id,
        Description: { Value: 'x' },
        SourceDestCheck: { Value: false },
      }),
  ],
  [
    'a subnet beside interface specifications',
    'InvalidParameterCombination',
    (w) =>
      w.region.execute('RunInstances', {
        ...LAUNCH,
        SubnetId: w.subnetId,
        NetworkInterfaces: [{ DeviceIndex: 0, SubnetId: w.subnetId }],
      }),
  ],
  [
    'one address for two instances',
    'InvalidParameterCombination',
    (w) =>
      w.region.execute('RunInstances', {
        ...LAUNCH,
        MaxCount: 2,
        SubnetId: w.subnetId,
        InstanceType: 'm5.large',
        PrivateIpAddress: '10.0.0.9',
      }),
  ],
  [
    'instances without a primary interface',
    'InvalidParameterCombination',
    (w) =>
      w.region.execute('RunInstances', {
        ...LAUNCH,
        InstanceType: 'm5.large',
        NetworkInterfaces: [{ DeviceIndex: 1, SubnetId: w.subnetId }],
      }),
  ],
  [
    'a client token for something else',
    'IdempotentParameterMismatch',
    (w) => [1, 2].map((n) => w.eni(w.subnetId, { ClientToken: 't', SecondaryPrivateIpAddressCount: n })),
  ],
  [
    'an unknown filter',
    'InvalidParameterValue',
    (w) => w.region.execute('DescribeNetworkInterfaces', { Filters: [{ Name: 'colour', Values: ['red'] }] }),
    /colour/,
  ],
  ['a page of four', 'InvalidParameterValue', (w) => w.region.execute('DescribeNetworkInterfaces', { MaxResults: 4 })],
  ['a page of 1001', 'InvalidParameterValue', (w) => w.region.execute('DescribeSubnets', { MaxResults: 1001 })],
  [
    'pages of named interfaces',
    'InvalidParameterCombination',
    (w) => w.region.execute('DescribeNetworkInterfaces', { MaxResults: 5, NetworkInterfaceIds: [w.primary.id] }),
  ],
  [
    'a page token that is none',
    'InvalidPaginationToken',
    (w) => w.region.execute('DescribeNetworkInterfaces', { NextToken: 'x' }),
  ],
  [
    'a tag of Amazon',
    'InvalidParameterValue',
    (w) => w.region.execute('CreateTags', { Resources: [w.primary.id], Tags: [{ Key: 'aws:x', Value: '' }] }),
  ],
  [
    'a tag on what has no such id',
    'InvalidID',
    (w) => w.region.execute('CreateTags', { Resources: ['vol-1'], Tags: [{ Key: 'a', Value: 'b' }] }),
  ],
  [
    'tags of a wrong type',
    'InvalidParameterValue',
    (w) => w.eni(w.subnetId, { TagSpecifications: [{ ResourceType: 'instance', Tags: [] }] }),
  ],
  [
    'a reservation over another',
    'InvalidParameterValue',
    (w) =>
      [1, 2].map(() =>
        w.region.execute('CreateSubnetCidrReservation', {
          SubnetId: w.subnetId,
          Cidr: '10.0.0.64/26',
          ReservationType: 'prefix',
        }),
      ),
  ],
];

describe('refusals', () => {
  it.each(REFUSALS.map(([name, code, act, message]) => ({ name, code, act, message })))(
    '$name: $code',
    ({ code, act, message }) => {
      const refusal = refusalOf(() => act(world()));
      expect({ code: refusal.code, status: refusal.status }).toEqual({ code, status: 400 });
      if (message !== undefined) expect(refusal.message).toMatch(message);
    },
  );

  it('come before a dry run, which succeeds with 412 and changes nothing', () => {
    const w = world();
    const before = w.region.state;
    const dry = refusalOf(() => w.eni(w.subnetId, { DryRun: true, Ipv4PrefixCount: 2 }));
    expect({ code: dry.code, status: dry.status }).toEqual({ code: 'DryRunOperation', status: 412 });
    expect(refusalOf(() => w.eni(`subnet-${GONE}`, { DryRun: true })).code).toBe('InvalidSubnetID.NotFound');
    expect(w.region.state).toBe(before);
  });
});
