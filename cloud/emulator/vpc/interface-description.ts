import type { NetworkInterface, NetworkInterfaceAttachment } from '@aws-sdk/client-ec2';
import { formatAddress4, formatAddress6, formatCidr4 } from './cidr.ts';
import type { Context } from './context.ts';
import { formatIpv6Prefix } from './ipv6-allocation.ts';
import type { AttachmentRecord, InterfaceRecord, VpcState } from './state.ts';
import { tagSetOf } from './tag-sets.ts';
import { zoneIdOf } from './zones.ts';

export function describeInterface(state: VpcState, held: InterfaceRecord, context: Context): NetworkInterface {
  const [primary] = held.addresses;
  return {
    NetworkInterfaceId: held.id,
    SubnetId: held.subnetId,
    VpcId: held.vpcId,
    AvailabilityZone: held.zone,
    AvailabilityZoneId: zoneIdOf(held.zone),
    Description: held.description,
    OwnerId: context.accountId,
    RequesterManaged: false,
    Status: held.attachment === undefined ? 'available' : 'in-use',
    MacAddress: held.mac,
    InterfaceType: held.interfaceType,
    SourceDestCheck: held.sourceDestCheck,
    Groups: describeGroups(state, held),
    ...(primary === undefined
      ? {}
      : { PrivateIpAddress: formatAddress4(primary), PrivateDnsName: privateDnsName(primary, context) }),
    PrivateIpAddresses: describeAddresses(held, context),
    Ipv4Prefixes: held.prefixes.map((prefix) => ({ Ipv4Prefix: formatIpv4Prefix(prefix) })),
    Ipv6Addresses: held.ipv6Addresses.map((address) => ({
      Ipv6Address: formatAddress6(address),
      IsPrimaryIpv6: false,
    })),
    Ipv6Prefixes: held.ipv6Prefixes.map((prefix) => ({ Ipv6Prefix: formatIpv6Prefix(prefix) })),
    TagSet: tagSetOf(held.tags),
    ...(held.attachment === undefined ? {} : { Attachment: describeAttachment(held.attachment, context) }),
  };
}

export function describeGroups(state: VpcState, held: InterfaceRecord) {
  return held.groups.map((id) => ({ GroupId: id, GroupName: state.securityGroups.get(id)?.name }));
}

export function describeAddresses(held: InterfaceRecord, context: Context) {
  return held.addresses.map((address, index) => ({
    Primary: index === 0,
    PrivateIpAddress: formatAddress4(address),
    PrivateDnsName: privateDnsName(address, context),
  }));
}

export function formatIpv4Prefix(base: number): string {
  return formatCidr4({ base, length: 28 });
}

/** `ip-10-0-0-4.<region>.compute.internal`, and us-east-1's own form (VPC user guide, "DNS attributes"). */
export function privateDnsName(address: number, context: Context): string {
  const domain = context.region === 'us-east-1' ? 'ec2.internal' : `${context.region}.compute.internal`;
  return `ip-${formatAddress4(address).replaceAll('.', '-')}.${domain}`;
}

function describeAttachment(attachment: AttachmentRecord, context: Context): NetworkInterfaceAttachment {
  return {
    AttachmentId: attachment.id,
    AttachTime: new Date(attachment.attachedAt),
    DeleteOnTermination: attachment.deleteOnTermination,
    DeviceIndex: attachment.deviceIndex,
    NetworkCardIndex: attachment.networkCardIndex,
    InstanceId: attachment.instanceId,
    InstanceOwnerId: context.accountId,
    Status: 'attached',
  };
}
