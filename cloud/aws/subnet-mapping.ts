import type * as Ec2 from '@aws-sdk/client-ec2';
import type { InstanceTypeDescription, SubnetDescription } from '../provider.ts';
import { fieldOf } from './describe.ts';
import { fromEc2Tags, present } from './interface-mapping.ts';

/** EC2's Subnet in the port's words; IPv6 blocks that are being removed are left out. */
export function toSubnet(operation: string, subnet: Ec2.Subnet): SubnetDescription {
  const associated = (subnet.Ipv6CidrBlockAssociationSet ?? []).filter(
    ({ Ipv6CidrBlockState: state }) => state?.State === undefined || state.State === 'associated',
  );
  return {
    id: fieldOf(operation, 'SubnetId', subnet.SubnetId),
    vpcId: fieldOf(operation, 'VpcId', subnet.VpcId),
    availabilityZone: subnet.AvailabilityZone ?? '',
    cidr: subnet.CidrBlock ?? '',
    ipv6Cidrs: present(associated.map((block) => block.Ipv6CidrBlock)),
    availableAddresses: subnet.AvailableIpAddressCount ?? 0,
    tags: fromEc2Tags(subnet.Tags),
  };
}

/** EC2's InstanceTypeInfo in the port's words. Bare metal has no hypervisor, so it is `unknown` there. */
export function toInstanceType(operation: string, info: Ec2.InstanceTypeInfo): InstanceTypeDescription {
  const network = info.NetworkInfo ?? {};
  const cards = (network.NetworkCards ?? []).map((card) => ({
    networkCardIndex: card.NetworkCardIndex ?? 0,
    maximumInterfaces: card.MaximumNetworkInterfaces ?? 0,
  }));
  return {
    instanceType: fieldOf(operation, 'InstanceType', info.InstanceType),
    hypervisor: info.Hypervisor === 'nitro' || info.Hypervisor === 'xen' ? info.Hypervisor : 'unknown',
    bareMetal: info.BareMetal ?? false,
    ipv4PerInterface: network.Ipv4AddressesPerInterface ?? 0,
    ipv6PerInterface: network.Ipv6AddressesPerInterface ?? 0,
    ipv6Supported: network.Ipv6Supported ?? false,
    defaultNetworkCardIndex: network.DefaultNetworkCardIndex ?? 0,
    // Back ends that leave the cards out say only the total, which is then card 0's.
    networkCards:
      cards.length > 0 ? cards : [{ networkCardIndex: 0, maximumInterfaces: network.MaximumNetworkInterfaces ?? 0 }],
  };
}
