/** What another EC2 has of VPCs, subnets, security groups and instances, by its own Describes. */
import type { InstanceTypeRecord } from '../instance-types.ts';
import type { Parameters, Signer, Upstream } from './upstream.ts';
import type { Element } from './xml.ts';
import { childOf, itemsOf, textOf } from './xml.ts';

export interface SeenVpc {
  readonly id: string;
  readonly owner: string;
  readonly cidrs: readonly string[];
  readonly ipv6Cidrs: readonly string[];
  readonly isDefault: boolean;
}

export interface SeenSubnet {
  readonly id: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly cidr: string;
  readonly ipv6: { readonly associationId: string; readonly cidr: string } | undefined;
  readonly isDefault: boolean;
}

export interface SeenGroup {
  readonly id: string;
  readonly vpcId: string;
  readonly name: string;
  readonly description: string;
}

/** An instance that has not ended. */
export interface SeenInstance {
  readonly id: string;
  readonly reservationId: string;
  readonly instanceType: string;
  readonly imageId: string;
  readonly subnetId: string | undefined;
  readonly groupIds: readonly string[];
}

export interface Seen {
  readonly vpcs: readonly SeenVpc[];
  readonly subnets: readonly SeenSubnet[];
  readonly groups: readonly SeenGroup[];
  readonly instances: readonly SeenInstance[];
}

/** Asks for all of it. Rejects with `Ec2Error`. */
export async function look(upstream: Upstream, signer: Signer): Promise<Seen> {
  const all = (action: string, list: string): Promise<readonly Element[]> => everyPage(upstream, signer, action, list);
  const [vpcs, subnets, groups, reservations] = await Promise.all([
    all('DescribeVpcs', 'vpcSet'),
    all('DescribeSubnets', 'subnetSet'),
    all('DescribeSecurityGroups', 'securityGroupInfo'),
    all('DescribeInstances', 'reservationSet'),
  ]);
  return {
    vpcs: vpcs.map(seenVpc),
    subnets: subnets.map(seenSubnet),
    groups: groups.map((group) => ({
      id: textOf(group, 'groupId') ?? '',
      vpcId: textOf(group, 'vpcId') ?? '',
      name: textOf(group, 'groupName') ?? '',
      description: textOf(group, 'groupDescription') ?? '',
    })),
    instances: reservations.flatMap((reservation) => seenInstances(reservation)),
  };
}

async function everyPage(
  upstream: Upstream,
  signer: Signer,
  action: string,
  list: string,
): Promise<readonly Element[]> {
  const found: Element[] = [];
  let token: string | undefined;
  do {
    const parameters: Parameters = [
      ['Action', action],
      ...(token === undefined ? [] : [['NextToken', token] as const]),
    ];
    const page = await upstream.ask(parameters, signer);
    found.push(...itemsOf(page, list));
    token = textOf(page, 'nextToken');
  } while (token !== undefined);
  return found;
}

function seenVpc(vpc: Element): SeenVpc {
  const first = textOf(vpc, 'cidrBlock');
  const associated = itemsOf(vpc, 'cidrBlockAssociationSet').flatMap((item) => textOf(item, 'cidrBlock') ?? []);
  const ipv6Cidrs = itemsOf(vpc, 'ipv6CidrBlockAssociationSet').flatMap((item) => textOf(item, 'ipv6CidrBlock') ?? []);
  return {
    id: textOf(vpc, 'vpcId') ?? '',
    owner: textOf(vpc, 'ownerId') ?? '',
    cidrs: [...new Set([...(first === undefined ? [] : [first]), ...associated])],
    ipv6Cidrs,
    isDefault: textOf(vpc, 'isDefault') === 'true',
  };
}

function seenSubnet(subnet: Element): SeenSubnet {
  return {
    id: textOf(subnet, 'subnetId') ?? '',
    vpcId: textOf(subnet, 'vpcId') ?? '',
    zone: textOf(subnet, 'availabilityZone') ?? '',
    cidr: textOf(subnet, 'cidrBlock') ?? '',
    ipv6: itemsOf(subnet, 'ipv6CidrBlockAssociationSet').map((item) => ({
      associationId: textOf(item, 'associationId') ?? '',
      cidr: textOf(item, 'ipv6CidrBlock') ?? '',
    }))[0],
    isDefault: textOf(subnet, 'defaultForAz') === 'true',
  };
}

const ENDED = new Set(['shutting-down', 'terminated']);

/** The instances of a reservation that have not ended. */
function seenInstances(reservation: Element): readonly SeenInstance[] {
  return itemsOf(reservation, 'instancesSet')
    .filter((instance) => !ENDED.has(textOf(instance, 'instanceState', 'name') ?? ''))
    .map((instance) => ({
      id: textOf(instance, 'instanceId') ?? '',
      reservationId: textOf(reservation, 'reservationId') ?? '',
      instanceType: textOf(instance, 'instanceType') ?? '',
      imageId: textOf(instance, 'imageId') ?? '',
      subnetId: textOf(instance, 'subnetId'),
      groupIds: itemsOf(instance, 'groupSet').flatMap((group) => textOf(group, 'groupId') ?? []),
    }));
}

/** A type that our table does not have, with the limits that the other EC2 says. Rejects with its refusal. */
export async function lookUpType(upstream: Upstream, signer: Signer, name: string): Promise<InstanceTypeRecord> {
  const asked: Parameters = [
    ['Action', 'DescribeInstanceTypes'],
    ['InstanceType.1', name],
  ];
  const [type] = itemsOf(await upstream.ask(asked, signer), 'instanceTypeSet');
  const network = childOf(type, 'networkInfo');
  const number = (from: Element | undefined, ...path: string[]): number => Number(textOf(from, ...path) ?? 0);
  const hypervisor = textOf(type, 'hypervisor');
  const cards = itemsOf(network, 'networkCards').map((card) => ({
    index: number(card, 'networkCardIndex'),
    maxInterfaces: number(card, 'maximumNetworkInterfaces'),
    performance: textOf(card, 'networkPerformance') ?? '',
  }));
  const maxInterfaces = number(network, 'maximumNetworkInterfaces');
  const performance = textOf(network, 'networkPerformance') ?? '';
  return {
    instanceType: name,
    vcpus: number(type, 'vCpuInfo', 'defaultVCpus'),
    memoryMiB: number(type, 'memoryInfo', 'sizeInMiB'),
    architectures: itemsOf(type, 'processorInfo', 'supportedArchitectures').map((item) => item.text),
    hypervisor: hypervisor === 'nitro' || hypervisor === 'xen' ? hypervisor : null,
    bareMetal: textOf(type, 'bareMetal') === 'true',
    currentGeneration: textOf(type, 'currentGeneration') === 'true',
    maxInterfaces,
    ipv4PerInterface: number(network, 'ipv4AddressesPerInterface'),
    ipv6PerInterface: number(network, 'ipv6AddressesPerInterface'),
    ipv6Supported: textOf(network, 'ipv6Supported') === 'true',
    defaultNetworkCardIndex: number(network, 'defaultNetworkCardIndex'),
    networkCards: cards.length > 0 ? cards : [{ index: 0, maxInterfaces, performance }],
    networkPerformance: performance,
    efaSupported: textOf(network, 'efaSupported') === 'true',
    enaSupport: enaOf(textOf(network, 'enaSupport')),
  };
}

function enaOf(text: string | undefined): InstanceTypeRecord['enaSupport'] {
  return text === 'required' || text === 'supported' ? text : 'unsupported';
}
