import type { Ec2Action } from '../ec2-actions.ts';

/**
 * Parameters (by their SDK names) that EC2 has and that would change what the region holds or answers, were they
 * implemented. To accept and forget them would be a lie, so a request with one of them is refused with
 * UnsupportedOperation. What is neither here nor known to the region concerns things outside of the emulator (disks,
 * roles, CPUs, shutdown behaviour) and is accepted without effect.
 */
export const UNSUPPORTED: Readonly<Partial<Record<Ec2Action, readonly string[]>>> = {
  CreateVpc: [
    'Ipv4IpamPoolId',
    'Ipv4NetmaskLength',
    'Ipv6CidrBlock',
    'Ipv6IpamPoolId',
    'Ipv6NetmaskLength',
    'Ipv6Pool',
    'VpcEncryptionControl',
  ],
  AssociateVpcCidrBlock: [
    'Ipv4IpamPoolId',
    'Ipv4NetmaskLength',
    'Ipv6CidrBlock',
    'Ipv6IpamPoolId',
    'Ipv6NetmaskLength',
    'Ipv6Pool',
  ],
  CreateSubnet: [
    'Ipv4IpamPoolId',
    'Ipv4NetmaskLength',
    'Ipv6IpamPoolId',
    'Ipv6Native',
    'Ipv6NetmaskLength',
    'OutpostArn',
  ],
  RunInstances: ['EnablePrimaryIpv6', 'LaunchTemplate', 'PrivateDnsNameOptions', 'SecondaryInterfaces'],
  CreateNetworkInterface: ['ConnectionTrackingSpecification', 'EnablePrimaryIpv6', 'Operator'],
  AttachNetworkInterface: ['EnaQueueCount', 'EnaSrdSpecification'],
  ModifyNetworkInterfaceAttribute: [
    'AssociatePublicIpAddress',
    'AssociatedSubnetIds',
    'ConnectionTrackingSpecification',
    'EnablePrimaryIpv6',
    'EnaSrdSpecification',
  ],
};
