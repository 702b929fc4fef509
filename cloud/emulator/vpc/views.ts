import type { NetworkInterfaceDescription, SubnetDescription, Tags } from '#cloud/provider.ts';
import { formatAddress4, formatAddress6, formatCidr4, formatCidr6 } from './cidr.ts';
import { formatIpv4Prefix } from './interface-description.ts';
import { formatIpv6Prefix } from './ipv6-allocation.ts';
import type {
  InstanceRecord,
  InterfaceRecord,
  Resource,
  SecurityGroupRecord,
  SubnetRecord,
  VpcRecord,
  VpcState,
} from './state.ts';

export interface VpcView {
  readonly id: string;
  readonly cidrs: readonly string[];
  readonly ipv6Cidrs: readonly string[];
  readonly tags: Tags;
}

export interface SecurityGroupView {
  readonly id: string;
  readonly name: string;
  readonly vpcId: string;
}

/** An instance that is not terminated. */
export interface InstanceView {
  readonly id: string;
  readonly instanceType: string;
  readonly imageId: string;
  readonly vpcId: string;
  readonly subnetId: string;
  readonly availabilityZone: string;
  readonly reservationId: string;
  readonly launchIndex: number;
  readonly launchedAt: number;
  readonly userData: string | undefined;
  /** Attached interfaces in the order of attachment, the primary one first. */
  readonly networkInterfaceIds: readonly string[];
  readonly tags: Tags;
}

/** An interface; an `efa-only` one has the empty string for its primary address. */
export type NetworkInterfaceView = NetworkInterfaceDescription;
export type SubnetView = SubnetDescription;

export function viewVpcs(state: VpcState): readonly VpcView[] {
  return inOrder(state.vpcs.values()).map(viewVpc);
}

export function viewVpc(vpc: VpcRecord): VpcView {
  return {
    id: vpc.id,
    cidrs: vpc.cidrs.map((held) => formatCidr4(held.cidr)),
    ipv6Cidrs: vpc.ipv6Cidrs.map((held) => formatCidr6(held.cidr)),
    tags: vpc.tags,
  };
}

export function viewSubnets(state: VpcState): readonly SubnetView[] {
  return inOrder(state.subnets.values()).map(viewSubnet);
}

export function viewSubnet(subnet: SubnetRecord): SubnetView {
  return {
    id: subnet.id,
    vpcId: subnet.vpcId,
    availabilityZone: subnet.zone,
    cidr: formatCidr4(subnet.cidr),
    ipv6Cidrs: subnet.ipv6 === undefined ? [] : [formatCidr6(subnet.ipv6.cidr)],
    availableAddresses: subnet.space.free,
    tags: subnet.tags,
  };
}

export function viewSecurityGroups(state: VpcState): readonly SecurityGroupView[] {
  return inOrder(state.securityGroups.values()).map(viewSecurityGroup);
}

export function viewSecurityGroup({ id, name, vpcId }: SecurityGroupRecord): SecurityGroupView {
  return { id, name, vpcId };
}

export function viewInstances(state: VpcState): readonly InstanceView[] {
  return inOrder(state.instances.values())
    .filter((instance) => instance.terminatedAt === undefined)
    .map(viewInstance);
}

export function viewInstance(instance: InstanceRecord): InstanceView {
  return {
    id: instance.id,
    instanceType: instance.instanceType,
    imageId: instance.imageId,
    vpcId: instance.vpcId,
    subnetId: instance.subnetId,
    availabilityZone: instance.zone,
    reservationId: instance.reservationId,
    launchIndex: instance.launchIndex,
    launchedAt: instance.launchedAt,
    userData: instance.userData,
    networkInterfaceIds: instance.interfaceIds,
    tags: instance.tags,
  };
}

/** Interfaces do not change, they are replaced: what was rendered once holds for as long as the record does. */
const rendered = new WeakMap<InterfaceRecord, NetworkInterfaceView>();

export function viewNetworkInterfaces(state: VpcState): readonly NetworkInterfaceView[] {
  return inOrder(state.interfaces.values()).map((held) => {
    const known = rendered.get(held) ?? viewInterface(held);
    rendered.set(held, known);
    return known;
  });
}

/** One interface. */
export function viewInterface(held: InterfaceRecord): NetworkInterfaceView {
  const [primary, ...secondary] = held.addresses.map(formatAddress4);
  const { attachment } = held;
  return {
    id: held.id,
    subnetId: held.subnetId,
    vpcId: held.vpcId,
    availabilityZone: held.zone,
    mac: held.mac,
    description: held.description,
    interfaceType: held.interfaceType,
    status: attachment === undefined ? 'available' : 'in-use',
    primaryAddress: primary ?? '',
    secondaryAddresses: secondary,
    ipv4Prefixes: held.prefixes.map(formatIpv4Prefix),
    ipv6Addresses: held.ipv6Addresses.map(formatAddress6),
    ipv6Prefixes: held.ipv6Prefixes.map(formatIpv6Prefix),
    securityGroupIds: held.groups,
    tags: held.tags,
    attachment:
      attachment === undefined
        ? undefined
        : {
            attachmentId: attachment.id,
            instanceId: attachment.instanceId,
            deviceIndex: attachment.deviceIndex,
            networkCardIndex: attachment.networkCardIndex,
            deleteOnTermination: attachment.deleteOnTermination,
            status: 'attached',
          },
  };
}

function inOrder<T extends Resource>(resources: readonly T[]): readonly T[] {
  return resources.toSorted((one, other) => one.order - other.order);
}
