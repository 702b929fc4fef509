import type { NetworkInterfaceDescription, SubnetDescription } from '#cloud/provider.ts';
import type { FabricEndpoint, FabricState } from './state.ts';

/** A VPC as DescribeVpcs, DescribeSubnets and DescribeNetworkInterfaces show it. */
export interface DescribedVpc {
  readonly id: string;
  readonly cidrs: readonly string[];
  readonly ipv6Cidrs?: readonly string[];
  readonly subnets: readonly SubnetDescription[];
  readonly networkInterfaces: readonly NetworkInterfaceDescription[];
}

/** More device indexes than any network card has. */
const INDEXES_PER_CARD = 64;

/** What of a described VPC the fabric realises: its subnets and the attached interfaces that carry IPv4. Pure. */
export function fabricState(vpc: DescribedVpc): FabricState {
  const subnets = vpc.subnets.filter((subnet) => subnet.vpcId === vpc.id);
  const byId = new Map(subnets.map((subnet) => [subnet.id, subnet]));
  return {
    vpcCidrs: vpc.cidrs,
    vpcIpv6Cidrs: vpc.ipv6Cidrs ?? [],
    subnets: subnets.map(({ id, cidr }) => ({ id, cidr })),
    endpoints: vpc.networkInterfaces.flatMap((each) => endpointOf(each, byId.get(each.subnetId))),
  };
}

/** An interface of another VPC has no subnet here; an EFA-only one has no address. */
function endpointOf(
  described: NetworkInterfaceDescription,
  subnet: SubnetDescription | undefined,
): readonly FabricEndpoint[] {
  const { attachment, primaryAddress } = described;
  if (attachment?.status !== 'attached' || subnet === undefined || primaryAddress === '') return [];
  return [
    {
      id: described.id,
      instanceId: attachment.instanceId,
      mac: described.mac,
      // Device indexes repeat from card to card; link names on a node must not.
      deviceIndex: attachment.networkCardIndex * INDEXES_PER_CARD + attachment.deviceIndex,
      primaryAddress,
      addresses: described.secondaryAddresses,
      prefixes: described.ipv4Prefixes,
      subnetCidr: subnet.cidr,
      subnetIpv6Cidr: subnet.ipv6Cidrs[0],
      ipv6Addresses: described.ipv6Addresses,
      ipv6Prefixes: described.ipv6Prefixes,
      isPrimary: attachment.deviceIndex === 0 && attachment.networkCardIndex === 0,
    },
  ];
}
