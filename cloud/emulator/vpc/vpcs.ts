import type { Vpc } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../ec2-error.ts';
import type { Cidr4, Cidr6 } from './cidr.ts';
import { formatCidr4, formatCidr6, overlaps4, parseCidr4 } from './cidr.ts';
import type { Context } from './context.ts';
import type { FilterTable } from './filters.ts';
import { applyFilters } from './filters.ts';
import { vpcOf, vpcsNamed } from './lookup.ts';
import { pageOf } from './paging.ts';
import { atMostOne, required } from './parameters.ts';
import { createDefaultGroup } from './security-groups.ts';
import type { CidrAssociation, VpcRecord, VpcState } from './state.ts';
import { tagsFor, tagSetOf } from './tag-sets.ts';
import type { Query, Transition } from './transition.ts';

const MOST_CIDRS = 5;
/** VPC blocks come out of the range for documentation (RFC 3849), so that none of them is anybody's. */
const AMAZON_POOL = 0x20010db8n << 96n;

export const createVpc: Transition<'CreateVpc'> = (state, input, context) => {
  const cidr = parseVpcCidr(required(input.CidrBlock, 'CidrBlock'));
  const tags = tagsFor(input.TagSpecifications, 'vpc');
  const identity = context.identities.next('vpc');
  const vpc: VpcRecord = {
    ...identity,
    tags,
    cidrs: [associate(cidr, context)],
    ipv6Cidrs: input.AmazonProvidedIpv6CidrBlock === true ? [associate(freeIpv6Block(state), context)] : [],
    tenancy: input.InstanceTenancy === 'dedicated' ? 'dedicated' : 'default',
  };
  const next = createDefaultGroup({ ...state, vpcs: state.vpcs.set(vpc.id, vpc) }, vpc.id, context);
  return { state: next, output: { Vpc: describeVpc(vpc, context) } };
};

export const deleteVpc: Transition<'DeleteVpc'> = (state, input) => {
  const vpc = vpcOf(state, input.VpcId);
  const groups = state.securityGroups.values().filter((group) => group.vpcId === vpc.id);
  const inUse =
    state.subnets.values().some((subnet) => subnet.vpcId === vpc.id) ||
    groups.some((group) => group.name !== 'default');
  if (inUse) throw new Ec2Error('DependencyViolation', `The vpc '${vpc.id}' has dependencies and cannot be deleted.`);
  const securityGroups = groups.reduce((rest, group) => rest.delete(group.id), state.securityGroups);
  return { state: { ...state, vpcs: state.vpcs.delete(vpc.id), securityGroups }, output: {} };
};

export const associateVpcCidrBlock: Transition<'AssociateVpcCidrBlock'> = (state, input, context) => {
  const vpc = vpcOf(state, input.VpcId);
  const amazon = input.AmazonProvidedIpv6CidrBlock === true;
  if (atMostOne({ CidrBlock: input.CidrBlock !== undefined, AmazonProvidedIpv6CidrBlock: amazon }) === 0) {
    throw new Ec2Error('MissingParameter', 'Either CidrBlock or AmazonProvidedIpv6CidrBlock must be provided');
  }
  if (amazon) {
    if (vpc.ipv6Cidrs.length >= MOST_CIDRS) throw tooManyCidrs(vpc);
    const added = associate(freeIpv6Block(state), context);
    const changed = { ...vpc, ipv6Cidrs: [...vpc.ipv6Cidrs, added] };
    return {
      state: { ...state, vpcs: state.vpcs.set(vpc.id, changed) },
      output: { VpcId: vpc.id, Ipv6CidrBlockAssociation: describeIpv6Association(added, context) },
    };
  }
  const cidr = parseVpcCidr(input.CidrBlock ?? '');
  if (vpc.cidrs.length >= MOST_CIDRS) throw tooManyCidrs(vpc);
  if (vpc.cidrs.some((held) => overlaps4(held.cidr, cidr))) {
    throw new Ec2Error(
      'CidrConflict',
      `The CIDR '${formatCidr4(cidr)}' conflicts with another CIDR block of '${vpc.id}'`,
    );
  }
  const added = associate(cidr, context);
  return {
    state: { ...state, vpcs: state.vpcs.set(vpc.id, { ...vpc, cidrs: [...vpc.cidrs, added] }) },
    output: { VpcId: vpc.id, CidrBlockAssociation: describeAssociation(added) },
  };
};

export const describeVpcs: Query<'DescribeVpcs'> = (state, input, context) => {
  const named = vpcsNamed(state, input.VpcIds);
  const chosen = applyFilters(named, input.Filters, VPC_FILTERS, (vpc) => vpc.tags);
  const rules = { action: 'DescribeVpcs', byId: (input.VpcIds ?? []).length > 0, largest: 1000 };
  const page = pageOf(chosen, (vpc) => vpc.order, input, rules);
  return { Vpcs: page.items.map((vpc) => describeVpc(vpc, context)), NextToken: page.nextToken };
};

const VPC_FILTERS: FilterTable<VpcRecord> = {
  'vpc-id': (vpc) => [vpc.id],
  cidr: (vpc) => vpc.cidrs.slice(0, 1).map((held) => formatCidr4(held.cidr)),
  'cidr-block-association.cidr-block': (vpc) => vpc.cidrs.map((held) => formatCidr4(held.cidr)),
  'cidr-block-association.association-id': (vpc) => vpc.cidrs.map((held) => held.associationId),
  'cidr-block-association.state': () => ['associated'],
  'ipv6-cidr-block-association.ipv6-cidr-block': (vpc) => vpc.ipv6Cidrs.map((held) => formatCidr6(held.cidr)),
  'ipv6-cidr-block-association.association-id': (vpc) => vpc.ipv6Cidrs.map((held) => held.associationId),
  'is-default': () => [false],
  state: () => ['available'],
};

function describeVpc(vpc: VpcRecord, context: Context): Vpc {
  return {
    VpcId: vpc.id,
    OwnerId: context.accountId,
    State: 'available',
    CidrBlock: formatCidr4(vpc.cidrs[0]!.cidr),
    CidrBlockAssociationSet: vpc.cidrs.map(describeAssociation),
    Ipv6CidrBlockAssociationSet: vpc.ipv6Cidrs.map((held) => describeIpv6Association(held, context)),
    InstanceTenancy: vpc.tenancy,
    IsDefault: false,
    DhcpOptionsId: 'default',
    Tags: tagSetOf(vpc.tags),
  };
}

function describeAssociation(held: CidrAssociation<Cidr4>) {
  return {
    AssociationId: held.associationId,
    CidrBlock: formatCidr4(held.cidr),
    CidrBlockState: { State: 'associated' as const },
  };
}

function describeIpv6Association(held: CidrAssociation<Cidr6>, context: Context) {
  return {
    AssociationId: held.associationId,
    Ipv6CidrBlock: formatCidr6(held.cidr),
    Ipv6CidrBlockState: { State: 'associated' as const },
    NetworkBorderGroup: context.region,
    Ipv6Pool: 'Amazon',
  };
}

function associate<C>(cidr: C, context: Context): CidrAssociation<C> {
  return { associationId: context.identities.next('vpc-cidr-assoc').id, cidr };
}

/** VPC blocks are /16 to /28 (VPC user guide, "VPC CIDR blocks"). */
function parseVpcCidr(text: string): Cidr4 {
  const cidr = parseCidr4(text);
  if (cidr === undefined) {
    throw new Ec2Error(
      'InvalidParameterValue',
      `Value (${text}) for parameter cidrBlock is invalid. This is not a valid CIDR block.`,
    );
  }
  if (cidr.length < 16 || cidr.length > 28) throw new Ec2Error('InvalidVpc.Range', `The CIDR '${text}' is invalid.`);
  return cidr;
}

function tooManyCidrs(vpc: VpcRecord): Ec2Error {
  return new Ec2Error('CidrLimitExceeded', `The VPC '${vpc.id}' has reached its limit of ${MOST_CIDRS} CIDR blocks`);
}

/** The lowest /56 that no VPC of the region holds. */
function freeIpv6Block(state: VpcState): Cidr6 {
  const held = new Set(state.vpcs.values().flatMap((vpc) => vpc.ipv6Cidrs.map((association) => association.cidr.base)));
  let base = AMAZON_POOL;
  while (held.has(base)) base += 1n << 72n;
  return { base, length: 56 };
}
