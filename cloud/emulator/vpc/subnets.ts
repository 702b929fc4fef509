import type { Subnet } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../ec2-error.ts';
import { claim, emptySpace } from './address-space.ts';
import type { Cidr4, Cidr6 } from './cidr.ts';
import {
  contains4,
  contains6,
  formatCidr4,
  formatCidr6,
  overlaps4,
  overlaps6,
  parseCidr4,
  parseCidr6,
  sizeOf4,
} from './cidr.ts';
import type { Context } from './context.ts';
import type { FilterTable } from './filters.ts';
import { applyFilters } from './filters.ts';
import { emptyIpv6Space } from './ipv6-space.ts';
import { subnetOf, subnetsNamed, vpcOf } from './lookup.ts';
import { pageOf } from './paging.ts';
import { invalidValue, required } from './parameters.ts';
import type { SubnetRecord, VpcRecord, VpcState } from './state.ts';
import { tagsFor, tagSetOf } from './tag-sets.ts';
import type { Query, Transition } from './transition.ts';
import { zoneIdOf } from './zones.ts';

/** The first four addresses of a subnet and its last one are EC2's (VPC user guide, "Subnet sizing"). */
const RESERVED_AT_START = 4;

export const createSubnet: Transition<'CreateSubnet'> = (state, input, context) => {
  const vpc = vpcOf(state, input.VpcId);
  const cidr = subnetCidr(state, vpc, required(input.CidrBlock, 'CidrBlock'));
  const ipv6Cidr = input.Ipv6CidrBlock === undefined ? undefined : subnetIpv6Cidr(state, vpc, input.Ipv6CidrBlock);
  const zone = zoneOf(input.AvailabilityZone, input.AvailabilityZoneId, context);
  const tags = tagsFor(input.TagSpecifications, 'subnet');
  const identity = context.identities.next('subnet');
  const ipv6 =
    ipv6Cidr === undefined
      ? undefined
      : { associationId: context.identities.next('subnet-cidr-assoc').id, cidr: ipv6Cidr, space: emptyIpv6Space() };
  const size = sizeOf4(cidr);
  const space = claim(emptySpace(size), [
    { offset: 0, size: RESERVED_AT_START },
    { offset: size - 1, size: 1 },
  ]);
  const subnet: SubnetRecord = {
    ...identity,
    tags,
    vpcId: vpc.id,
    zone,
    cidr,
    space,
    ipv6,
    reservations: [],
    interfaceCount: 0,
  };
  return {
    state: { ...state, subnets: state.subnets.set(subnet.id, subnet) },
    output: { Subnet: describeSubnet(subnet, context) },
  };
};

export const deleteSubnet: Transition<'DeleteSubnet'> = (state, input) => {
  const subnet = subnetOf(state, input.SubnetId);
  if (subnet.interfaceCount > 0) {
    throw new Ec2Error('DependencyViolation', `The subnet '${subnet.id}' has dependencies and cannot be deleted.`);
  }
  const reservations = subnet.reservations.reduce((rest, held) => rest.delete(held.id), state.reservations);
  return { state: { ...state, subnets: state.subnets.delete(subnet.id), reservations }, output: {} };
};

export const describeSubnets: Query<'DescribeSubnets'> = (state, input, context) => {
  const named = subnetsNamed(state, input.SubnetIds);
  const chosen = applyFilters(named, input.Filters, SUBNET_FILTERS, (subnet) => subnet.tags);
  const rules = { action: 'DescribeSubnets', byId: (input.SubnetIds ?? []).length > 0, largest: 1000 };
  const page = pageOf(chosen, (subnet) => subnet.order, input, rules);
  return { Subnets: page.items.map((subnet) => describeSubnet(subnet, context)), NextToken: page.nextToken };
};

const cidrFilter = (subnet: SubnetRecord): readonly string[] => [formatCidr4(subnet.cidr)];
const SUBNET_FILTERS: FilterTable<SubnetRecord> = {
  'subnet-id': (subnet) => [subnet.id],
  'vpc-id': (subnet) => [subnet.vpcId],
  'availability-zone': (subnet) => [subnet.zone],
  availabilityZone: (subnet) => [subnet.zone],
  'availability-zone-id': (subnet) => [zoneIdOf(subnet.zone)],
  'available-ip-address-count': (subnet) => [subnet.space.free],
  cidr: cidrFilter,
  cidrBlock: cidrFilter,
  'cidr-block': cidrFilter,
  'ipv6-cidr-block-association.ipv6-cidr-block': (subnet) =>
    subnet.ipv6 === undefined ? [] : [formatCidr6(subnet.ipv6.cidr)],
  'default-for-az': () => [false],
  defaultForAz: () => [false],
  'map-public-ip-on-launch': () => [false],
  state: () => ['available'],
};

function describeSubnet(subnet: SubnetRecord, context: Context): Subnet {
  const ipv6 = subnet.ipv6;
  return {
    SubnetId: subnet.id,
    SubnetArn: `arn:aws:ec2:${context.region}:${context.accountId}:subnet/${subnet.id}`,
    OwnerId: context.accountId,
    VpcId: subnet.vpcId,
    State: 'available',
    CidrBlock: formatCidr4(subnet.cidr),
    AvailableIpAddressCount: subnet.space.free,
    AvailabilityZone: subnet.zone,
    AvailabilityZoneId: zoneIdOf(subnet.zone),
    DefaultForAz: false,
    MapPublicIpOnLaunch: false,
    AssignIpv6AddressOnCreation: false,
    Ipv6Native: false,
    Ipv6CidrBlockAssociationSet:
      ipv6 === undefined
        ? []
        : [
            {
              AssociationId: ipv6.associationId,
              Ipv6CidrBlock: formatCidr6(ipv6.cidr),
              Ipv6CidrBlockState: { State: 'associated' },
            },
          ],
    Tags: tagSetOf(subnet.tags),
  };
}

/** Subnets are /16 to /28, lie in one of the VPC's blocks, and do not overlap. */
function subnetCidr(state: VpcState, vpc: VpcRecord, text: string): Cidr4 {
  const cidr = parseCidr4(text);
  if (cidr === undefined) throw invalidValue('cidrBlock', text, 'This is not a valid CIDR block.');
  const fits = cidr.length >= 16 && cidr.length <= 28 && vpc.cidrs.some((held) => contains4(held.cidr, cidr));
  if (!fits) throw new Ec2Error('InvalidSubnet.Range', `The CIDR '${text}' is invalid.`);
  if (subnetsOf(state, vpc).some((subnet) => overlaps4(subnet.cidr, cidr))) throw conflict(text);
  return cidr;
}

/** Only the /64 is emulated of what EC2 allows (/44 to /64). */
function subnetIpv6Cidr(state: VpcState, vpc: VpcRecord, text: string): Cidr6 {
  const cidr = parseCidr6(text);
  if (cidr === undefined) throw invalidValue('ipv6CidrBlock', text, 'This is not a valid IPv6 CIDR block.');
  const fits = cidr.length === 64 && vpc.ipv6Cidrs.some((held) => contains6(held.cidr, cidr));
  if (!fits) throw new Ec2Error('InvalidSubnet.Range', `The CIDR '${text}' is invalid.`);
  const taken = subnetsOf(state, vpc).some((subnet) => subnet.ipv6 !== undefined && overlaps6(subnet.ipv6.cidr, cidr));
  if (taken) throw conflict(text);
  return cidr;
}

function conflict(text: string): Ec2Error {
  return new Ec2Error('InvalidSubnet.Conflict', `The CIDR '${text}' conflicts with another subnet`);
}

function subnetsOf(state: VpcState, vpc: VpcRecord): readonly SubnetRecord[] {
  return state.subnets.values().filter((subnet) => subnet.vpcId === vpc.id);
}

function zoneOf(name: string | undefined, id: string | undefined, context: Context): string {
  if (name === undefined && id === undefined) return context.zones[0]!;
  const zone = context.zones.find(
    (known) => (name === undefined || name === known) && (id === undefined || id === zoneIdOf(known)),
  );
  if (zone !== undefined) return zone;
  const choices = `Subnets can currently only be created in the following availability zones: ${context.zones.join(', ')}.`;
  throw invalidValue('availabilityZone', name ?? id ?? '', choices);
}
