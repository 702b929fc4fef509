import type * as Ec2 from '@aws-sdk/client-ec2';

/** One EC2 call: what goes in and what comes out, in the SDK's own shapes. */
interface Call<Input, Output> {
  readonly input: Input;
  readonly output: Omit<Output, '$metadata'>;
}

/** The EC2 calls that the adapter makes; nothing else of EC2 is needed. Names: EC2 API reference, "Actions". */
export interface Ec2Calls {
  DescribeNetworkInterfaces: Call<
    Ec2.DescribeNetworkInterfacesCommandInput,
    Ec2.DescribeNetworkInterfacesCommandOutput
  >;
  DescribeSubnets: Call<Ec2.DescribeSubnetsCommandInput, Ec2.DescribeSubnetsCommandOutput>;
  DescribeInstanceTypes: Call<Ec2.DescribeInstanceTypesCommandInput, Ec2.DescribeInstanceTypesCommandOutput>;
  CreateNetworkInterface: Call<Ec2.CreateNetworkInterfaceCommandInput, Ec2.CreateNetworkInterfaceCommandOutput>;
  AttachNetworkInterface: Call<Ec2.AttachNetworkInterfaceCommandInput, Ec2.AttachNetworkInterfaceCommandOutput>;
  ModifyNetworkInterfaceAttribute: Call<
    Ec2.ModifyNetworkInterfaceAttributeCommandInput,
    Ec2.ModifyNetworkInterfaceAttributeCommandOutput
  >;
  DetachNetworkInterface: Call<Ec2.DetachNetworkInterfaceCommandInput, Ec2.DetachNetworkInterfaceCommandOutput>;
  DeleteNetworkInterface: Call<Ec2.DeleteNetworkInterfaceCommandInput, Ec2.DeleteNetworkInterfaceCommandOutput>;
  AssignPrivateIpAddresses: Call<Ec2.AssignPrivateIpAddressesCommandInput, Ec2.AssignPrivateIpAddressesCommandOutput>;
  UnassignPrivateIpAddresses: Call<
    Ec2.UnassignPrivateIpAddressesCommandInput,
    Ec2.UnassignPrivateIpAddressesCommandOutput
  >;
  AssignIpv6Addresses: Call<Ec2.AssignIpv6AddressesCommandInput, Ec2.AssignIpv6AddressesCommandOutput>;
  UnassignIpv6Addresses: Call<Ec2.UnassignIpv6AddressesCommandInput, Ec2.UnassignIpv6AddressesCommandOutput>;
  CreateTags: Call<Ec2.CreateTagsCommandInput, Ec2.CreateTagsCommandOutput>;
}

export type Ec2CallName = keyof Ec2Calls;
export type Ec2Input<A extends Ec2CallName> = Ec2Calls[A]['input'];
export type Ec2Output<A extends Ec2CallName> = Ec2Calls[A]['output'];

/**
 * Sends one EC2 call and waits for its answer, once: no retry, no paging.
 * Rejects with a `CloudError` and nothing else; with `aborted` as soon as `signal` fires.
 */
export interface Ec2Send {
  <A extends Ec2CallName>(
    action: A,
    input: Ec2Input<A>,
    options: { readonly signal: AbortSignal | undefined },
  ): Promise<Ec2Output<A>>;
}
