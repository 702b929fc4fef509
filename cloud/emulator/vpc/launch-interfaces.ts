import type { InstanceNetworkInterfaceSpecification, RunInstancesRequest } from '@aws-sdk/client-ec2';
import type { InstanceTypeRecord } from '#cloud/instance-types.ts';
import type { Tags } from '#cloud/provider.ts';
import { Ec2Error } from '../ec2-error.ts';
import { attach } from './attachments.ts';
import type { Context } from './context.ts';
import { addInterface } from './interface-creation.ts';
import { interfaceOf, subnetOf } from './lookup.ts';
import { invalidCombination, required } from './parameters.ts';
import { groupIdsByName } from './security-groups.ts';
import type { InstanceRecord, VpcState } from './state.ts';

/** One interface of an instance that is about to be launched. */
export interface LaunchInterface {
  readonly specification: InstanceNetworkInterfaceSpecification;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly zone: string;
  /** Names an address or an existing interface, so that only one instance can have it. */
  readonly unique: boolean;
}

/** The interfaces that RunInstances asks for, the primary one first. */
export function launchInterfaces(state: VpcState, input: RunInstancesRequest): readonly LaunchInterface[] {
  const specifications = input.NetworkInterfaces ?? [];
  if (specifications.length === 0) return [planOf(state, primaryOf(state, input))];
  refuseInstanceLevel(input);
  const ordered = specifications.toSorted((one, other) => deviceIndexOf(one) - deviceIndexOf(other));
  if (deviceIndexOf(ordered[0]!) !== 0) {
    throw invalidCombination('One network interface must have device index 0');
  }
  return ordered.map((specification) => planOf(state, specification));
}

/** Makes the interface, or takes the existing one that is named, and attaches it. */
export function attachAtLaunch(
  state: VpcState,
  instance: InstanceRecord,
  planned: LaunchInterface,
  made: { readonly type: InstanceTypeRecord; readonly tags: Tags },
  context: Context,
): VpcState {
  const { specification } = planned;
  const deviceIndex = deviceIndexOf(specification);
  const existing = specification.NetworkInterfaceId;
  const added = existing === undefined ? addInterface(state, specification, made.tags, made.type, context) : undefined;
  const slot = {
    deviceIndex,
    networkCardIndex: specification.NetworkCardIndex ?? made.type.defaultNetworkCardIndex,
    deleteOnTermination: specification.DeleteOnTermination ?? (existing === undefined && deviceIndex === 0),
  };
  const held = added?.created ?? interfaceOf(state, existing);
  return attach(added?.state ?? state, held, instance, slot, context).state;
}

function planOf(state: VpcState, specification: InstanceNetworkInterfaceSpecification): LaunchInterface {
  const id = specification.NetworkInterfaceId;
  if (id !== undefined) {
    const held = interfaceOf(state, id);
    return { specification, subnetId: held.subnetId, vpcId: held.vpcId, zone: held.zone, unique: true };
  }
  const subnet = subnetOf(state, specification.SubnetId);
  const named = [
    specification.PrivateIpAddresses,
    specification.Ipv4Prefixes,
    specification.Ipv6Addresses,
    specification.Ipv6Prefixes,
  ];
  const unique = specification.PrivateIpAddress !== undefined || named.some((list) => (list ?? []).length > 0);
  return { specification, subnetId: subnet.id, vpcId: subnet.vpcId, zone: subnet.zone, unique };
}

/** The one interface of a request that speaks of a subnet and groups at the instance's level. */
function primaryOf(state: VpcState, input: RunInstancesRequest): InstanceNetworkInterfaceSpecification {
  if (input.SubnetId === undefined) {
    throw new Ec2Error('VPCIdNotSpecified', 'No default VPC for this user. A subnet must be specified');
  }
  const byName = groupIdsByName(state, subnetOf(state, input.SubnetId).vpcId, input.SecurityGroups ?? []);
  return {
    DeviceIndex: 0,
    SubnetId: input.SubnetId,
    Groups: [...(input.SecurityGroupIds ?? []), ...byName],
    PrivateIpAddress: input.PrivateIpAddress,
    Ipv6AddressCount: input.Ipv6AddressCount,
    Ipv6Addresses: input.Ipv6Addresses,
  };
}

function refuseInstanceLevel(input: RunInstancesRequest): void {
  const groups = [...(input.SecurityGroupIds ?? []), ...(input.SecurityGroups ?? [])];
  const named = [
    input.SubnetId === undefined ? undefined : 'subnet ID',
    groups.length === 0 ? undefined : 'security groups',
    input.PrivateIpAddress === undefined ? undefined : 'private IP address',
    input.Ipv6AddressCount === undefined && input.Ipv6Addresses === undefined ? undefined : 'IPv6 addresses',
  ].find((name) => name !== undefined);
  if (named === undefined) return;
  throw invalidCombination(
    `Network interfaces and an instance-level ${named} may not be specified on the same request`,
  );
}

function deviceIndexOf(specification: InstanceNetworkInterfaceSpecification): number {
  return required(specification.DeviceIndex, 'NetworkInterface.DeviceIndex');
}
