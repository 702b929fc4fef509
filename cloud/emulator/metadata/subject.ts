import type { Filter, Instance, NetworkInterface, Subnet, Vpc } from '@aws-sdk/client-ec2';
import type { Ec2Action, InputOf, OutputOf } from '../ec2-actions.ts';
import { formatAddress4, formatAddress6, parseAddress4, parseAddress6 } from '../vpc/cidr.ts';

/** Asks the region as it is, or as it was when metadata lags behind. */
export type Describe = <A extends Ec2Action>(action: A, input: InputOf<A>) => OutputOf<A>;

/** An instance and all that its metadata speaks of. */
export interface Subject {
  readonly region: string;
  readonly instance: Instance;
  readonly zoneId: string;
  /** In the order of network card and device index. */
  readonly interfaces: readonly SubjectInterface[];
}

export interface SubjectInterface {
  readonly description: NetworkInterface;
  readonly subnet: Subnet | undefined;
  readonly vpc: Vpc | undefined;
}

/** The instance that is meant by a client's address, or by an id where the listener serves one instance alone. */
export function findSubject(
  describe: Describe,
  region: string,
  who: { readonly address: string } | { readonly instanceId: string },
): Subject | undefined {
  const instanceId = 'instanceId' in who ? who.instanceId : ownerOf(describe, who.address);
  const instance = instanceId === undefined ? undefined : describeInstance(describe, instanceId);
  return instance === undefined || instance.State?.Name === 'terminated'
    ? undefined
    : subjectOf(describe, region, instance);
}

/** The holder of an address or of the prefix it is in. VPCs may overlap: of several instances the oldest one answers. */
function ownerOf(describe: Describe, address: string): string | undefined {
  for (const filter of filtersFor(address)) {
    const found = describe('DescribeNetworkInterfaces', { Filters: [filter] }).NetworkInterfaces ?? [];
    const owner = found.find((description) => description.Attachment !== undefined)?.Attachment?.InstanceId;
    if (owner !== undefined) return owner;
  }
  return undefined;
}

function filtersFor(address: string): readonly Filter[] {
  const ipv4 = parseAddress4(address);
  if (ipv4 !== undefined) {
    return [
      { Name: 'addresses.private-ip-address', Values: [address] },
      { Name: 'ipv4-prefixes.ipv4-prefix', Values: [`${formatAddress4(ipv4 - (ipv4 % 16))}/28`] },
    ];
  }
  const ipv6 = parseAddress6(address);
  if (ipv6 === undefined) return [];
  return [
    { Name: 'ipv6-addresses.ipv6-address', Values: [formatAddress6(ipv6)] },
    { Name: 'ipv6-prefixes.ipv6-prefix', Values: [`${formatAddress6((ipv6 >> 48n) << 48n)}/80`] },
  ];
}

/** The filter, not the id parameter: an instance that is not there is no error here. */
function describeInstance(describe: Describe, instanceId: string): Instance | undefined {
  const found = describe('DescribeInstances', { Filters: [{ Name: 'instance-id', Values: [instanceId] }] });
  return found.Reservations?.[0]?.Instances?.[0];
}

function subjectOf(describe: Describe, region: string, instance: Instance): Subject {
  const attached = [{ Name: 'attachment.instance-id', Values: [instance.InstanceId ?? ''] }];
  const interfaces = describe('DescribeNetworkInterfaces', { Filters: attached }).NetworkInterfaces ?? [];
  const zone = describe('DescribeAvailabilityZones', { ZoneNames: [instance.Placement?.AvailabilityZone ?? ''] });
  return {
    region,
    instance,
    zoneId: zone.AvailabilityZones?.[0]?.ZoneId ?? '',
    interfaces: interfaces
      .toSorted((one, other) => slotOf(one) - slotOf(other))
      .map((description) => interfaceOf(describe, description)),
  };
}

function interfaceOf(describe: Describe, description: NetworkInterface): SubjectInterface {
  const subnets = describe('DescribeSubnets', { SubnetIds: [description.SubnetId ?? ''] }).Subnets ?? [];
  const vpcs = describe('DescribeVpcs', { VpcIds: [description.VpcId ?? ''] }).Vpcs ?? [];
  return { description, subnet: subnets[0], vpc: vpcs[0] };
}

function slotOf({ Attachment: attachment }: NetworkInterface): number {
  return (attachment?.NetworkCardIndex ?? 0) * 1000 + (attachment?.DeviceIndex ?? 0);
}
