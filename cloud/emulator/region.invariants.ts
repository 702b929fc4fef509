import type { NetworkInterface } from '@aws-sdk/client-ec2';
import { Address4, Address6 } from 'ip-address';
import type { Region } from './region.ts';

/** Throws where what the region answers breaks a rule of the VPC. It looks at answers only, never at the state. */
export function checkInvariants(region: Region): void {
  const interfaces = all(region);
  checkOwnership(interfaces);
  checkCounts(region, interfaces);
  checkLimits(region, interfaces);
  checkAttachments(region, interfaces);
}

/** All that a region answers, for comparison. */
export function summaryOf(region: Region): unknown {
  return {
    vpcs: region.execute('DescribeVpcs', {}),
    subnets: region.execute('DescribeSubnets', {}),
    interfaces: all(region),
    instances: region.execute('DescribeInstances', {}),
  };
}

function all(region: Region): readonly NetworkInterface[] {
  return region.execute('DescribeNetworkInterfaces', {}).NetworkInterfaces ?? [];
}

/** No address, no MAC and no id is held twice; prefixes are aligned; nothing reserved is held. */
function checkOwnership(interfaces: readonly NetworkInterface[]): void {
  const held = interfaces.flatMap((eni) => [...addressesOf(eni), ...prefixAddressesOf(eni)]);
  unique('IPv4 address', held);
  unique(
    'MAC',
    interfaces.map((eni) => eni.MacAddress!),
  );
  const ipv6 = interfaces.flatMap((eni) => (eni.Ipv6Addresses ?? []).map((one) => one.Ipv6Address!));
  const prefixes = interfaces.flatMap((eni) => (eni.Ipv6Prefixes ?? []).map((one) => one.Ipv6Prefix!));
  unique('IPv6 address', ipv6);
  unique('IPv6 prefix', prefixes);
  for (const prefix of prefixes) {
    const block = new Address6(prefix);
    demand(
      prefix.endsWith('/80') && block.startAddress().bigInt() === block.bigInt(),
      `${prefix} is not an aligned /80`,
    );
    demand(!ipv6.some((one) => new Address6(one).isInSubnet(block)), `an address of ${prefix} is also held alone`);
  }
}

function checkCounts(region: Region, interfaces: readonly NetworkInterface[]): void {
  for (const subnet of region.execute('DescribeSubnets', {}).Subnets ?? []) {
    const inside = interfaces.filter((eni) => eni.SubnetId === subnet.SubnetId);
    const held = inside.flatMap((eni) => [...addressesOf(eni), ...prefixAddressesOf(eni)]);
    const block = new Address4(subnet.CidrBlock!);
    const first = block.startAddress().bigInt();
    const size = Number(block.endAddress().bigInt() - first) + 1;
    demand(
      subnet.AvailableIpAddressCount === size - 5 - held.length,
      `${subnet.SubnetId} says ${subnet.AvailableIpAddressCount} free, computed ${size - 5 - held.length}`,
    );
    for (const address of held) {
      const offset = Number(new Address4(address).bigInt() - first);
      demand(offset >= 4 && offset < size - 1, `${address} is outside of ${subnet.CidrBlock} or reserved`);
    }
  }
}

function checkLimits(region: Region, interfaces: readonly NetworkInterface[]): void {
  for (const eni of interfaces) {
    const instance = region.instances().find((one) => one.id === eni.Attachment?.InstanceId);
    const type = instance === undefined ? undefined : region.types.get(instance.instanceType);
    const ipv4 = addressesOf(eni).length + (eni.Ipv4Prefixes ?? []).length;
    const ipv6 = (eni.Ipv6Addresses ?? []).length + (eni.Ipv6Prefixes ?? []).length;
    demand(ipv4 <= (type?.ipv4PerInterface ?? 50), `${eni.NetworkInterfaceId} holds ${ipv4} IPv4 addresses`);
    demand(ipv6 <= (type?.ipv6PerInterface ?? 50), `${eni.NetworkInterfaceId} holds ${ipv6} IPv6 addresses`);
    demand(type?.hypervisor !== 'xen' || (eni.Ipv4Prefixes ?? []).length === 0, 'a Xen instance holds a prefix');
  }
}

/** DescribeInstances and DescribeNetworkInterfaces tell the same story, within the type's limits. */
function checkAttachments(region: Region, interfaces: readonly NetworkInterface[]): void {
  const instances = (region.execute('DescribeInstances', {}).Reservations ?? []).flatMap((one) => one.Instances ?? []);
  for (const instance of instances) {
    const attached = interfaces.filter((eni) => eni.Attachment?.InstanceId === instance.InstanceId);
    const listed = (instance.NetworkInterfaces ?? []).map((eni) => eni.NetworkInterfaceId!);
    demand(
      attached
        .map((eni) => eni.NetworkInterfaceId!)
        .sort()
        .join() === listed.sort().join(),
      'attachments disagree',
    );
    unique(
      'slot',
      attached.map((eni) => `${eni.Attachment?.NetworkCardIndex}/${eni.Attachment?.DeviceIndex}`),
    );
    const type = region.types.get(instance.InstanceType!)!;
    demand(attached.length <= type.maxInterfaces, `${instance.InstanceId} has ${attached.length} interfaces`);
    for (const card of type.networkCards) {
      const onCard = attached.filter((eni) => eni.Attachment?.NetworkCardIndex === card.index).length;
      demand(onCard <= card.maxInterfaces, `card ${card.index} has ${onCard} interfaces`);
    }
    const running = instance.State?.Name === 'running';
    demand(running === attached.some((eni) => eni.Attachment?.DeviceIndex === 0), 'a running instance has its primary');
  }
}

function addressesOf(eni: NetworkInterface): readonly string[] {
  return (eni.PrivateIpAddresses ?? []).map((one) => one.PrivateIpAddress!);
}

function prefixAddressesOf(eni: NetworkInterface): readonly string[] {
  return (eni.Ipv4Prefixes ?? []).flatMap(({ Ipv4Prefix }) => {
    const block = new Address4(Ipv4Prefix!);
    const first = block.startAddress().bigInt();
    demand(block.subnetMask === 28 && first === block.bigInt(), `${Ipv4Prefix} is not an aligned /28`);
    return Array.from({ length: 16 }, (_, n) => Address4.fromBigInt(first + BigInt(n)).correctForm());
  });
}

function unique(what: string, values: readonly string[]): void {
  const seen = new Set<string>();
  for (const value of values) {
    demand(!seen.has(value), `${what} ${value} is held twice`);
    seen.add(value);
  }
}

function demand(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise);
}
