/** Makes what a description says, by EC2's own actions. */
import type { NodeDescription, SubnetDescription, Tags, VpcDescription, Names } from '../api/contract.ts';
import type { Ec2Action, InputOf, OutputOf } from '../ec2-actions.ts';
import { Ec2Error } from '../ec2-error.ts';
import { DescriptionError } from './fields.ts';

/** Asks an EC2; rejects with `Ec2Error`. */
export type Ask = <A extends Ec2Action>(action: A, input: InputOf<A>) => Promise<OutputOf<A>>;

type Writable<T> = { -readonly [K in keyof T]: Record<string, string> };

/** An image of which nothing is looked at. */
const IMAGE = 'ami-0123456789abcdef0';

/**
 * Resolves with the ids. Rejects with a `DescriptionError` where EC2 refuses: it names what was to be made, and EC2's word.
 */
export async function build(ask: Ask, vpcs: readonly VpcDescription[], region: string): Promise<Names> {
  const names: Writable<Names> = { vpcs: {}, subnets: {}, securityGroups: {}, nodes: {} };
  for (const vpc of vpcs) {
    const { id, ipv6 } = await buildVpc(ask, vpc);
    names.vpcs[vpc.name] = id;
    for (const [index, subnet] of (vpc.subnets ?? []).entries()) {
      const made = { vpcId: id, ipv6: subnet.ipv6 === true ? blockOf(ipv6, index, subnet) : undefined, region };
      names.subnets[subnet.name] = await buildSubnet(ask, subnet, made);
    }
    const groups: Record<string, string> = {};
    for (const { name, tags } of vpc.securityGroups ?? []) {
      const input = { VpcId: id, GroupName: name, Description: name, ...tagged('security-group', tags) };
      const { GroupId = '' } = await tell(`security group ${name}`, () => ask('CreateSecurityGroup', input));
      groups[name] = GroupId;
      names.securityGroups[name] = GroupId;
    }
    for (const node of vpc.nodes ?? []) {
      names.nodes[node.name] = await buildNode(ask, node, { vpcId: id, subnets: names.subnets, groups });
    }
  }
  return names;
}

async function buildVpc(
  ask: Ask,
  vpc: VpcDescription,
): Promise<{ readonly id: string; readonly ipv6: string | undefined }> {
  return tell(`VPC ${vpc.name}`, async () => {
    const input = { CidrBlock: vpc.cidr, AmazonProvidedIpv6CidrBlock: vpc.ipv6 === true, ...tagged('vpc', vpc.tags) };
    const id = (await ask('CreateVpc', input)).Vpc?.VpcId ?? '';
    for (const CidrBlock of vpc.additionalCidrs ?? []) await ask('AssociateVpcCidrBlock', { VpcId: id, CidrBlock });
    const { Vpcs } = await ask('DescribeVpcs', { VpcIds: [id] });
    return { id, ipv6: Vpcs?.[0]?.Ipv6CidrBlockAssociationSet?.[0]?.Ipv6CidrBlock };
  });
}

async function buildSubnet(
  ask: Ask,
  subnet: SubnetDescription,
  place: { readonly vpcId: string; readonly ipv6: string | undefined; readonly region: string },
): Promise<string> {
  return tell(`subnet ${subnet.name}`, async () => {
    const { zone } = subnet;
    const { Subnet } = await ask('CreateSubnet', {
      VpcId: place.vpcId,
      CidrBlock: subnet.cidr,
      ...(zone !== undefined && { AvailabilityZone: zone.length === 1 ? `${place.region}${zone}` : zone }),
      ...(place.ipv6 !== undefined && { Ipv6CidrBlock: place.ipv6 }),
      ...tagged('subnet', subnet.tags),
    });
    const SubnetId = Subnet?.SubnetId ?? '';
    for (const { cidr, type } of subnet.reservations ?? []) {
      await ask('CreateSubnetCidrReservation', { SubnetId, Cidr: cidr, ReservationType: type });
    }
    return SubnetId;
  });
}

/** The /64 of that number in a VPC's /56. */
function blockOf(vpcBlock: string | undefined, index: number, subnet: SubnetDescription): string {
  const match = /^([0-9a-f:]+?)::\/56$/.exec(vpcBlock ?? '');
  if (match?.[1] === undefined) throw new DescriptionError(`subnet ${subnet.name} has ipv6, but its VPC has not`);
  const groups = match[1].split(':');
  const [a = '0', b = '0', c = '0', d = '0'] = groups;
  return `${a}:${b}:${c}:${(Number.parseInt(d, 16) + index).toString(16)}::/64`;
}

async function buildNode(
  ask: Ask,
  node: NodeDescription,
  place: {
    readonly vpcId: string;
    readonly subnets: Readonly<Record<string, string>>;
    readonly groups: Readonly<Record<string, string>>;
  },
): Promise<string> {
  return tell(`node ${node.name}`, async () => {
    const SecurityGroupIds = await groupsOf(ask, node, place);
    const { Instances } = await ask('RunInstances', {
      ImageId: IMAGE,
      InstanceType: node.instanceType as 'm5.large',
      MinCount: 1,
      MaxCount: 1,
      SubnetId: place.subnets[node.subnet] ?? '',
      ...(node.ipv6 === true && { Ipv6AddressCount: 1 }),
      ...(SecurityGroupIds.length > 0 && { SecurityGroupIds }),
      ...tagged('instance', { Name: node.name, ...node.tags }),
    });
    return Instances?.[0]?.InstanceId ?? '';
  });
}

async function groupsOf(
  ask: Ask,
  node: NodeDescription,
  place: { readonly vpcId: string; readonly groups: Readonly<Record<string, string>> },
): Promise<string[]> {
  const wanted = node.securityGroups ?? [];
  const ids = wanted.flatMap((name) => place.groups[name] ?? []);
  if (!wanted.includes('default') || place.groups['default'] !== undefined) return ids;
  const Filters = [
    { Name: 'vpc-id', Values: [place.vpcId] },
    { Name: 'group-name', Values: ['default'] },
  ];
  const { SecurityGroups = [] } = await ask('DescribeSecurityGroups', { Filters });
  return [...ids, ...SecurityGroups.flatMap(({ GroupId }) => GroupId ?? [])];
}

function tagged(ResourceType: 'vpc' | 'subnet' | 'security-group' | 'instance', tags: Tags | undefined) {
  const Tags = Object.entries(tags ?? {}).map(([Key, Value]) => ({ Key, Value }));
  return Tags.length === 0 ? {} : { TagSpecifications: [{ ResourceType, Tags }] };
}

async function tell<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Ec2Error)) throw error;
    throw new DescriptionError(`${what} cannot be made: ${error.code}: ${error.message}`);
  }
}
