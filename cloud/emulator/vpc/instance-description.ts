import type { Instance, InstanceNetworkInterface, Reservation } from '@aws-sdk/client-ec2';
import { formatAddress4, formatAddress6 } from './cidr.ts';
import type { Context } from './context.ts';
import { describeAddresses, describeGroups, formatIpv4Prefix, privateDnsName } from './interface-description.ts';
import { formatIpv6Prefix } from './ipv6-allocation.ts';
import { typeOf } from './limits.ts';
import { interfaceOf } from './lookup.ts';
import type { InstanceRecord, InterfaceRecord, VpcState } from './state.ts';
import { tagSetOf } from './tag-sets.ts';

/** Instances of one RunInstances call, as it and DescribeInstances answer them. */
export function describeReservation(
  state: VpcState,
  instances: readonly InstanceRecord[],
  context: Context,
): Reservation {
  return {
    ReservationId: instances[0]?.reservationId,
    OwnerId: context.accountId,
    Groups: [],
    Instances: instances.map((instance) => describeInstance(state, instance, context)),
  };
}

export function describeInstance(state: VpcState, instance: InstanceRecord, context: Context): Instance {
  const type = typeOf(instance, context);
  const running = instance.terminatedAt === undefined;
  return {
    InstanceId: instance.id,
    ImageId: instance.imageId,
    InstanceType: instance.instanceType as Instance['InstanceType'],
    State: running ? { Code: 16, Name: 'running' } : { Code: 48, Name: 'terminated' },
    StateTransitionReason: running ? '' : `User initiated (${new Date(instance.terminatedAt).toISOString()})`,
    LaunchTime: new Date(instance.launchedAt),
    AmiLaunchIndex: instance.launchIndex,
    Placement: { AvailabilityZone: instance.zone, GroupName: '', Tenancy: 'default' },
    Monitoring: { State: 'disabled' },
    Architecture: (type.architectures.at(-1) ?? 'x86_64') as Instance['Architecture'],
    // EC2 calls every hypervisor `xen` here, Nitro too.
    Hypervisor: 'xen',
    VirtualizationType: 'hvm',
    EnaSupport: type.enaSupport !== 'unsupported',
    EbsOptimized: false,
    RootDeviceType: 'ebs',
    RootDeviceName: '/dev/xvda',
    BlockDeviceMappings: [],
    ProductCodes: [],
    Tags: tagSetOf(instance.tags),
    ...(instance.keyName === undefined ? {} : { KeyName: instance.keyName }),
    ...(instance.clientToken === undefined ? {} : { ClientToken: instance.clientToken }),
    ...describeNetwork(state, instance, context),
  };
}

/** A terminated instance has no network left. */
function describeNetwork(state: VpcState, instance: InstanceRecord, context: Context): Partial<Instance> {
  const interfaces = instance.interfaceIds.map((id) => interfaceOf(state, id));
  const [primary] = interfaces;
  if (primary === undefined) return { NetworkInterfaces: [], SecurityGroups: [], PrivateDnsName: '' };
  const [address] = primary.addresses;
  return {
    SubnetId: instance.subnetId,
    VpcId: instance.vpcId,
    SecurityGroups: describeGroups(state, primary),
    SourceDestCheck: primary.sourceDestCheck,
    NetworkInterfaces: interfaces.map((held) => describeInstanceInterface(state, held, context)),
    ...(address === undefined
      ? {}
      : { PrivateIpAddress: formatAddress4(address), PrivateDnsName: privateDnsName(address, context) }),
    ...(primary.ipv6Addresses[0] === undefined ? {} : { Ipv6Address: formatAddress6(primary.ipv6Addresses[0]) }),
  };
}

function describeInstanceInterface(state: VpcState, held: InterfaceRecord, context: Context): InstanceNetworkInterface {
  const [address] = held.addresses;
  const attachment = held.attachment;
  return {
    NetworkInterfaceId: held.id,
    SubnetId: held.subnetId,
    VpcId: held.vpcId,
    Description: held.description,
    OwnerId: context.accountId,
    Status: 'in-use',
    MacAddress: held.mac,
    InterfaceType: held.interfaceType,
    SourceDestCheck: held.sourceDestCheck,
    Groups: describeGroups(state, held),
    PrivateIpAddresses: describeAddresses(held, context),
    Ipv4Prefixes: held.prefixes.map((prefix) => ({ Ipv4Prefix: formatIpv4Prefix(prefix) })),
    Ipv6Addresses: held.ipv6Addresses.map((one) => ({ Ipv6Address: formatAddress6(one), IsPrimaryIpv6: false })),
    Ipv6Prefixes: held.ipv6Prefixes.map((prefix) => ({ Ipv6Prefix: formatIpv6Prefix(prefix) })),
    ...(address === undefined
      ? {}
      : { PrivateIpAddress: formatAddress4(address), PrivateDnsName: privateDnsName(address, context) }),
    ...(attachment === undefined
      ? {}
      : {
          Attachment: {
            AttachmentId: attachment.id,
            AttachTime: new Date(attachment.attachedAt),
            DeleteOnTermination: attachment.deleteOnTermination,
            DeviceIndex: attachment.deviceIndex,
            NetworkCardIndex: attachment.networkCardIndex,
            Status: 'attached',
          },
        }),
  };
}
