/** A VPC as any EC2 endpoint describes it, at one moment: what the fabric and the metadata face are filled from. */
import * as Ec2 from '@aws-sdk/client-ec2';
import { toNetworkInterface } from '#cloud/aws/interface-mapping.ts';
import { macAddressOf } from '#cloud/aws/mac-address.ts';
import { toSubnet } from '#cloud/aws/subnet-mapping.ts';
import { fabricState } from '../fabric/mapping.ts';
import type { FabricState } from '../fabric/state.ts';
import { EMPTY_STATE } from '../fabric/state.ts';

/** EC2's own shapes; the MAC of each interface is one. */
export interface VpcSnapshot {
  readonly vpc: Ec2.Vpc | undefined;
  readonly subnets: readonly Ec2.Subnet[];
  readonly interfaces: readonly Ec2.NetworkInterface[];
  readonly instances: readonly Ec2.Instance[];
}

/** Four Describes. Rejects as the SDK does. */
export async function describeVpc(
  client: Ec2.EC2Client,
  vpcId: string,
  abortSignal: AbortSignal,
): Promise<VpcSnapshot> {
  const Filters = [{ Name: 'vpc-id', Values: [vpcId] }];
  const options = { abortSignal };
  const [{ Vpcs }, { Subnets = [] }, { Reservations = [] }, interfaces] = await Promise.all([
    client.send(new Ec2.DescribeVpcsCommand({ Filters }), options),
    client.send(new Ec2.DescribeSubnetsCommand({ Filters }), options),
    client.send(new Ec2.DescribeInstancesCommand({ Filters }), options),
    interfacesOf(client, Filters, options),
  ]);
  const instances = Reservations.flatMap(({ Instances = [] }) => Instances);
  return { vpc: Vpcs?.[0], subnets: Subnets, interfaces, instances };
}

async function interfacesOf(
  client: Ec2.EC2Client,
  Filters: Ec2.Filter[],
  options: { readonly abortSignal: AbortSignal },
): Promise<readonly Ec2.NetworkInterface[]> {
  const found: Ec2.NetworkInterface[] = [];
  let NextToken: string | undefined;
  do {
    const input = { Filters, MaxResults: 1000, ...(NextToken !== undefined && { NextToken }) };
    const page = await client.send(new Ec2.DescribeNetworkInterfacesCommand(input), options);
    found.push(...(page.NetworkInterfaces ?? []));
    NextToken = page.NextToken;
  } while (NextToken !== undefined && NextToken !== '');
  return found.map((each) => ({
    ...each,
    MacAddress: macAddressOf(each.NetworkInterfaceId ?? '', each.MacAddress ?? ''),
  }));
}

/** What of it the fabric realises. */
export function fabricStateOf({ vpc, subnets, interfaces }: VpcSnapshot): FabricState {
  if (vpc === undefined) return EMPTY_STATE;
  return fabricState({
    id: vpc.VpcId ?? '',
    cidrs: (vpc.CidrBlockAssociationSet ?? []).flatMap(({ CidrBlock }) => CidrBlock ?? []),
    ipv6Cidrs: (vpc.Ipv6CidrBlockAssociationSet ?? []).flatMap(({ Ipv6CidrBlock }) => Ipv6CidrBlock ?? []),
    subnets: subnets.map((subnet) => toSubnet('DescribeSubnets', subnet)),
    networkInterfaces: interfaces.map((each) => toNetworkInterface('DescribeNetworkInterfaces', each)),
  });
}
