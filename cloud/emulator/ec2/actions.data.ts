import type { Ec2Action } from '../ec2-actions.ts';

/**
 * The categories of the EC2 API throttling guide. `unfiltered-read` is what a paginated read becomes when it is asked
 * without ids, filters and MaxResults; it is decided by the request, so no action carries it here.
 */
export type ActionClass = 'read' | 'write' | 'resource-intensive';

/** Every action of the embedded cloud. The wire face answers exactly these; all else is InvalidAction. */
export const ACTION_CLASSES: Readonly<Record<Ec2Action, ActionClass>> = {
  CreateVpc: 'write',
  DescribeVpcs: 'read',
  DeleteVpc: 'write',
  AssociateVpcCidrBlock: 'write',
  CreateSubnet: 'write',
  DescribeSubnets: 'read',
  DeleteSubnet: 'write',
  CreateSubnetCidrReservation: 'write',
  GetSubnetCidrReservations: 'read',
  DeleteSubnetCidrReservation: 'write',
  CreateSecurityGroup: 'write',
  DescribeSecurityGroups: 'read',
  DeleteSecurityGroup: 'write',
  RunInstances: 'resource-intensive',
  DescribeInstances: 'read',
  TerminateInstances: 'resource-intensive',
  DescribeImages: 'read',
  DescribeInstanceTypes: 'read',
  DescribeAvailabilityZones: 'read',
  DescribeRegions: 'read',
  CreateNetworkInterface: 'write',
  DescribeNetworkInterfaces: 'read',
  AttachNetworkInterface: 'write',
  DetachNetworkInterface: 'write',
  ModifyNetworkInterfaceAttribute: 'write',
  DeleteNetworkInterface: 'write',
  AssignPrivateIpAddresses: 'write',
  UnassignPrivateIpAddresses: 'write',
  AssignIpv6Addresses: 'write',
  UnassignIpv6Addresses: 'write',
  CreateTags: 'write',
  DeleteTags: 'write',
  DescribeTags: 'read',
};
