import type * as Ec2 from '@aws-sdk/client-ec2';

type Answer<T> = Omit<T, '$metadata'>;
/** The answer of an action that says no more than that it was done. */
type EmptyAnswer = Readonly<Record<string, never>>;

/**
 * The EC2 actions that the embedded cloud knows, in the SDK's own request and answer shapes.
 * Names and meaning: EC2 API reference, "Actions". Every action takes `DryRun` where EC2 has it.
 */
export interface Ec2Actions {
  CreateVpc(input: Ec2.CreateVpcCommandInput): Answer<Ec2.CreateVpcCommandOutput>;
  DescribeVpcs(input: Ec2.DescribeVpcsCommandInput): Answer<Ec2.DescribeVpcsCommandOutput>;
  DeleteVpc(input: Ec2.DeleteVpcCommandInput): EmptyAnswer;
  AssociateVpcCidrBlock(input: Ec2.AssociateVpcCidrBlockCommandInput): Answer<Ec2.AssociateVpcCidrBlockCommandOutput>;

  CreateSubnet(input: Ec2.CreateSubnetCommandInput): Answer<Ec2.CreateSubnetCommandOutput>;
  DescribeSubnets(input: Ec2.DescribeSubnetsCommandInput): Answer<Ec2.DescribeSubnetsCommandOutput>;
  DeleteSubnet(input: Ec2.DeleteSubnetCommandInput): EmptyAnswer;
  CreateSubnetCidrReservation(
    input: Ec2.CreateSubnetCidrReservationCommandInput,
  ): Answer<Ec2.CreateSubnetCidrReservationCommandOutput>;
  GetSubnetCidrReservations(
    input: Ec2.GetSubnetCidrReservationsCommandInput,
  ): Answer<Ec2.GetSubnetCidrReservationsCommandOutput>;
  DeleteSubnetCidrReservation(
    input: Ec2.DeleteSubnetCidrReservationCommandInput,
  ): Answer<Ec2.DeleteSubnetCidrReservationCommandOutput>;

  CreateSecurityGroup(input: Ec2.CreateSecurityGroupCommandInput): Answer<Ec2.CreateSecurityGroupCommandOutput>;
  DescribeSecurityGroups(
    input: Ec2.DescribeSecurityGroupsCommandInput,
  ): Answer<Ec2.DescribeSecurityGroupsCommandOutput>;
  DeleteSecurityGroup(input: Ec2.DeleteSecurityGroupCommandInput): Answer<Ec2.DeleteSecurityGroupCommandOutput>;

  RunInstances(input: Ec2.RunInstancesCommandInput): Answer<Ec2.RunInstancesCommandOutput>;
  DescribeInstances(input: Ec2.DescribeInstancesCommandInput): Answer<Ec2.DescribeInstancesCommandOutput>;
  TerminateInstances(input: Ec2.TerminateInstancesCommandInput): Answer<Ec2.TerminateInstancesCommandOutput>;

  DescribeImages(input: Ec2.DescribeImagesCommandInput): Answer<Ec2.DescribeImagesCommandOutput>;
  DescribeInstanceTypes(input: Ec2.DescribeInstanceTypesCommandInput): Answer<Ec2.DescribeInstanceTypesCommandOutput>;
  DescribeAvailabilityZones(
    input: Ec2.DescribeAvailabilityZonesCommandInput,
  ): Answer<Ec2.DescribeAvailabilityZonesCommandOutput>;
  DescribeRegions(input: Ec2.DescribeRegionsCommandInput): Answer<Ec2.DescribeRegionsCommandOutput>;

  CreateNetworkInterface(
    input: Ec2.CreateNetworkInterfaceCommandInput,
  ): Answer<Ec2.CreateNetworkInterfaceCommandOutput>;
  DescribeNetworkInterfaces(
    input: Ec2.DescribeNetworkInterfacesCommandInput,
  ): Answer<Ec2.DescribeNetworkInterfacesCommandOutput>;
  AttachNetworkInterface(
    input: Ec2.AttachNetworkInterfaceCommandInput,
  ): Answer<Ec2.AttachNetworkInterfaceCommandOutput>;
  DetachNetworkInterface(input: Ec2.DetachNetworkInterfaceCommandInput): EmptyAnswer;
  ModifyNetworkInterfaceAttribute(input: Ec2.ModifyNetworkInterfaceAttributeCommandInput): EmptyAnswer;
  DeleteNetworkInterface(input: Ec2.DeleteNetworkInterfaceCommandInput): EmptyAnswer;

  AssignPrivateIpAddresses(
    input: Ec2.AssignPrivateIpAddressesCommandInput,
  ): Answer<Ec2.AssignPrivateIpAddressesCommandOutput>;
  UnassignPrivateIpAddresses(input: Ec2.UnassignPrivateIpAddressesCommandInput): EmptyAnswer;
  AssignIpv6Addresses(input: Ec2.AssignIpv6AddressesCommandInput): Answer<Ec2.AssignIpv6AddressesCommandOutput>;
  UnassignIpv6Addresses(input: Ec2.UnassignIpv6AddressesCommandInput): Answer<Ec2.UnassignIpv6AddressesCommandOutput>;

  CreateTags(input: Ec2.CreateTagsCommandInput): EmptyAnswer;
  DeleteTags(input: Ec2.DeleteTagsCommandInput): EmptyAnswer;
  DescribeTags(input: Ec2.DescribeTagsCommandInput): Answer<Ec2.DescribeTagsCommandOutput>;
}

export type Ec2Action = keyof Ec2Actions;
export type InputOf<A extends Ec2Action> = Parameters<Ec2Actions[A]>[0];
export type OutputOf<A extends Ec2Action> = ReturnType<Ec2Actions[A]>;
