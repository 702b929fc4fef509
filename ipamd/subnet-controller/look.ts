/** One look at the subnets: what EC2 says is free in each, and every network interface in it. */
import { CLUSTER_TAG, CREATED_AT_TAG, INSTANCE_TAG, isOurDescription } from '#cloud/aws/tags.ts';
import type { CloudProvider, Filters, NetworkInterfaceDescription, SubnetDescription } from '#cloud/provider.ts';
import { type Ipv4, parseCidr, parseIpv4 } from '#warm-pool/address.ts';
import type { Holder } from '#warm-pool/forecast/subnet-map.ts';

export interface SubnetLook {
  readonly id: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly name: string;
  readonly cidr: string;
  readonly free: number;
  readonly holders: readonly Holder[];
}

export interface Look {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  readonly subnets: readonly SubnetLook[];
}

/** Which subnets; none named: every one that may be described. */
export interface Selection {
  readonly subnets: readonly string[];
  readonly vpcs: readonly string[];
}

const CAUSE = 'subnet-forecast';
/** An interface that is being attached is attached to nobody for some seconds. */
const ATTACHING_MS = 300_000;

/** Asks EC2 twice, page after page, at the rate of the call budget. Rejects with CloudError. */
export async function lookAtSubnets(
  provider: CloudProvider,
  { subnets: ids, vpcs }: Selection,
  { now, signal }: { readonly now: () => number; readonly signal: AbortSignal },
): Promise<Look> {
  const options = { cause: CAUSE, signal };
  const filters: Filters = vpcs.length === 0 ? {} : { 'vpc-id': vpcs };
  const subnets = await provider.describeSubnets({ ...(ids.length === 0 ? {} : { ids }), filters }, options);
  const found = subnets.map(({ id }) => id);
  const interfaces =
    found.length === 0 ? [] : await provider.describeNetworkInterfaces({ filters: { 'subnet-id': found } }, options);
  const at = now();
  const bySubnet = Map.groupBy(interfaces, ({ subnetId }) => subnetId);
  return {
    at,
    subnets: subnets
      .map((subnet) => lookOf(subnet, bySubnet.get(subnet.id) ?? [], at))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1)),
  };
}

function lookOf(
  { id, vpcId, availabilityZone, cidr, availableAddresses, tags }: SubnetDescription,
  interfaces: readonly NetworkInterfaceDescription[],
  at: number,
): SubnetLook {
  return {
    id,
    vpcId,
    zone: availabilityZone,
    name: tags['Name'] ?? '',
    cidr,
    free: availableAddresses,
    holders: interfaces.map((each) => holderOf(each, at)),
  };
}

function holderOf(eni: NetworkInterfaceDescription, at: number): Holder {
  const { attachment, tags, description } = eni;
  const isOurs = tags[INSTANCE_TAG] !== undefined || isOurDescription(description);
  const createdAt = Date.parse(tags[CREATED_AT_TAG] ?? '');
  const isPrimary = attachment?.deviceIndex === 0 && attachment.networkCardIndex === 0;
  return {
    interfaceId: eni.id,
    node: attachment?.instanceId ?? '',
    cluster: tags[CLUSTER_TAG] ?? (isOurs ? 'untagged' : 'other'),
    isPrimary,
    isLeaked: isOurs && eni.status === 'available' && !(at - createdAt < ATTACHING_MS),
    primaryAddress: parseIpv4(eni.primaryAddress),
    addresses: eni.secondaryAddresses.map(parseIpv4).filter((each): each is Ipv4 => each !== undefined),
    prefixes: eni.ipv4Prefixes.map(parseCidr).filter((each) => each !== undefined),
  };
}
