import type * as Ec2 from '@aws-sdk/client-ec2';
import type { InterfaceAttachment, NetworkInterfaceDescription, Tags } from '../provider.ts';
import { fieldOf } from './describe.ts';
import { macAddressOf } from './mac-address.ts';

/** EC2's NetworkInterface in the port's words. An EFA-only interface has no address: its `primaryAddress` is empty. */
export function toNetworkInterface(operation: string, eni: Ec2.NetworkInterface): NetworkInterfaceDescription {
  const addresses = eni.PrivateIpAddresses ?? [];
  const primaryAddress = eni.PrivateIpAddress ?? addresses.find((a) => a.Primary === true)?.PrivateIpAddress ?? '';
  return {
    id: fieldOf(operation, 'NetworkInterfaceId', eni.NetworkInterfaceId),
    subnetId: fieldOf(operation, 'SubnetId', eni.SubnetId),
    vpcId: fieldOf(operation, 'VpcId', eni.VpcId),
    availabilityZone: eni.AvailabilityZone ?? '',
    mac: macAddressOf(eni.NetworkInterfaceId ?? '', fieldOf(operation, 'MacAddress', eni.MacAddress)),
    description: eni.Description ?? '',
    interfaceType: eni.InterfaceType ?? 'interface',
    status: toStatus(eni),
    primaryAddress,
    secondaryAddresses: present(addresses.map((a) => a.PrivateIpAddress)).filter((a) => a !== primaryAddress),
    ipv4Prefixes: present((eni.Ipv4Prefixes ?? []).map((p) => p.Ipv4Prefix)),
    ipv6Addresses: present((eni.Ipv6Addresses ?? []).map((a) => a.Ipv6Address)),
    ipv6Prefixes: present((eni.Ipv6Prefixes ?? []).map((p) => p.Ipv6Prefix)),
    securityGroupIds: present((eni.Groups ?? []).map((g) => g.GroupId)),
    tags: fromEc2Tags(eni.TagSet),
    attachment: toAttachment(operation, eni.Attachment),
  };
}

function toStatus(eni: Ec2.NetworkInterface): NetworkInterfaceDescription['status'] {
  switch (eni.Status) {
    case 'associated':
    case 'attaching':
    case 'available':
    case 'detaching':
    case 'in-use':
      return eni.Status;
    case undefined:
    default:
      // CreateNetworkInterface answers `pending`, which its API page does not list: not attached, and may be.
      return eni.Attachment === undefined ? 'available' : 'in-use';
  }
}

function toAttachment(
  operation: string,
  attachment: Ec2.NetworkInterfaceAttachment | undefined,
): InterfaceAttachment | undefined {
  if (attachment === undefined) return undefined;
  return {
    attachmentId: fieldOf(operation, 'AttachmentId', attachment.AttachmentId),
    // Absent where an AWS service, not an instance, holds the interface.
    instanceId: attachment.InstanceId ?? '',
    deviceIndex: attachment.DeviceIndex ?? 0,
    networkCardIndex: attachment.NetworkCardIndex ?? 0,
    deleteOnTermination: attachment.DeleteOnTermination ?? false,
    status: attachment.Status ?? 'attached',
  };
}

export function fromEc2Tags(tags: readonly Ec2.Tag[] | undefined): Tags {
  return Object.fromEntries((tags ?? []).map((tag) => [tag.Key ?? '', tag.Value ?? '']));
}

export function toEc2Tags(tags: Tags): Ec2.Tag[] {
  return Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
}

/** The values that are there; EC2's models call every field optional. */
export function present(values: readonly (string | undefined)[]): string[] {
  return values.filter((value) => value !== undefined);
}
