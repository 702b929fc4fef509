import type { Ec2Action } from '../ec2-actions.ts';
import { attachNetworkInterface, detachNetworkInterface } from './attachments.ts';
import { describeImages } from './images.ts';
import { describeInstances } from './instance-listing.ts';
import { describeInstanceTypes } from './instance-type-listing.ts';
import { runInstances, terminateInstances } from './instances.ts';
import {
  createNetworkInterface,
  deleteNetworkInterface,
  describeNetworkInterfaces,
  modifyNetworkInterfaceAttribute,
} from './interfaces.ts';
import { assignIpv6Addresses, unassignIpv6Addresses } from './ipv6-addresses.ts';
import { assignPrivateIpAddresses, unassignPrivateIpAddresses } from './private-addresses.ts';
import { createSubnetCidrReservation, deleteSubnetCidrReservation, getSubnetCidrReservations } from './reservations.ts';
import { createSecurityGroup, deleteSecurityGroup, describeSecurityGroups } from './security-groups.ts';
import { createSubnet, deleteSubnet, describeSubnets } from './subnets.ts';
import { createTags, deleteTags, describeTags } from './tags.ts';
import type { Transition } from './transition.ts';
import { readOnly } from './transition.ts';
import { associateVpcCidrBlock, createVpc, deleteVpc, describeVpcs } from './vpcs.ts';
import { describeAvailabilityZones, describeRegions } from './zones.ts';

/** Every action the region knows. */
export const TRANSITIONS: { readonly [A in Ec2Action]: Transition<A> } = {
  CreateVpc: createVpc,
  DescribeVpcs: readOnly(describeVpcs),
  DeleteVpc: deleteVpc,
  AssociateVpcCidrBlock: associateVpcCidrBlock,
  CreateSubnet: createSubnet,
  DescribeSubnets: readOnly(describeSubnets),
  DeleteSubnet: deleteSubnet,
  CreateSubnetCidrReservation: createSubnetCidrReservation,
  GetSubnetCidrReservations: readOnly(getSubnetCidrReservations),
  DeleteSubnetCidrReservation: deleteSubnetCidrReservation,
  CreateSecurityGroup: createSecurityGroup,
  DescribeSecurityGroups: readOnly(describeSecurityGroups),
  DeleteSecurityGroup: deleteSecurityGroup,
  RunInstances: runInstances,
  DescribeInstances: readOnly(describeInstances),
  TerminateInstances: terminateInstances,
  DescribeImages: readOnly(describeImages),
  DescribeInstanceTypes: readOnly(describeInstanceTypes),
  DescribeAvailabilityZones: readOnly(describeAvailabilityZones),
  DescribeRegions: readOnly(describeRegions),
  CreateNetworkInterface: createNetworkInterface,
  DescribeNetworkInterfaces: readOnly(describeNetworkInterfaces),
  AttachNetworkInterface: attachNetworkInterface,
  DetachNetworkInterface: detachNetworkInterface,
  ModifyNetworkInterfaceAttribute: modifyNetworkInterfaceAttribute,
  DeleteNetworkInterface: deleteNetworkInterface,
  AssignPrivateIpAddresses: assignPrivateIpAddresses,
  UnassignPrivateIpAddresses: unassignPrivateIpAddresses,
  AssignIpv6Addresses: assignIpv6Addresses,
  UnassignIpv6Addresses: unassignIpv6Addresses,
  CreateTags: createTags,
  DeleteTags: deleteTags,
  DescribeTags: readOnly(describeTags),
};

/** True for the name of an action that the region knows. */
export function isEc2Action(name: string): name is Ec2Action {
  return Object.hasOwn(TRANSITIONS, name);
}
