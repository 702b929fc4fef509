import type { CreateNetworkInterfaceRequest } from '@aws-sdk/client-ec2';
import type { InstanceTypeRecord } from '#cloud/instance-types.ts';
import type { Tags } from '#cloud/provider.ts';
import type { Context } from './context.ts';
import { addressIn, grantIpv4, prefixIn } from './ipv4-allocation.ts';
import { grantIpv6, ipv6AddressIn, ipv6PrefixIn } from './ipv6-allocation.ts';
import { checkLoad } from './limits.ts';
import { subnetOf } from './lookup.ts';
import { atMostOne, countOf, invalidCombination, invalidValue, required } from './parameters.ts';
import { groupsForInterface } from './security-groups.ts';
import type { InterfaceRecord, InterfaceType, SubnetRecord, VpcState } from './state.ts';

/** What CreateNetworkInterface and an interface specification of RunInstances have in common. */
export type InterfaceSpecification = Pick<
  CreateNetworkInterfaceRequest,
  | 'Description'
  | 'Groups'
  | 'PrivateIpAddress'
  | 'PrivateIpAddresses'
  | 'SecondaryPrivateIpAddressCount'
  | 'Ipv4Prefixes'
  | 'Ipv4PrefixCount'
  | 'Ipv6Addresses'
  | 'Ipv6AddressCount'
  | 'Ipv6Prefixes'
  | 'Ipv6PrefixCount'
> & { readonly SubnetId?: string | undefined; readonly InterfaceType?: string | undefined };

const TYPES: readonly string[] = ['interface', 'efa', 'efa-only', 'trunk', 'branch'] satisfies InterfaceType[];

/**
 * Adds an interface with its addresses. `type` is the instance type it is made for, where it is made at launch: its
 * limits hold then, else those of an unattached interface.
 */
export function addInterface(
  state: VpcState,
  specification: InterfaceSpecification,
  tags: Tags,
  type: InstanceTypeRecord | undefined,
  context: Context,
): { readonly state: VpcState; readonly created: InterfaceRecord } {
  const subnet = subnetOf(state, specification.SubnetId);
  const interfaceType = interfaceTypeOf(specification.InterfaceType);
  const groups = groupsForInterface(state, subnet.vpcId, specification.Groups);
  const wish = wishOf(subnet, specification, interfaceType);
  checkLoad(wish.load, type);
  const { primary, ipv4 } = wish;
  // What is named is taken before anything is chosen, so that no choice can fall on it.
  const named = grantIpv4(
    subnet,
    {
      addresses: [...primary.addresses, ...ipv4.addresses],
      addressCount: primary.addressCount,
      prefixes: ipv4.prefixes,
      prefixCount: 0,
    },
    context.start,
  );
  const counted = grantIpv4(named.subnet, { ...ipv4, addresses: [], prefixes: [] }, context.start);
  const ipv6 = grantIpv6(counted.subnet, wish.ipv6, context.start);
  const chosenPrimary = named.addresses.slice(primary.addresses.length + ipv4.addresses.length);
  const created: InterfaceRecord = {
    ...context.identities.next('eni'),
    tags,
    subnetId: subnet.id,
    vpcId: subnet.vpcId,
    zone: subnet.zone,
    mac: context.identities.mac(),
    description: specification.Description ?? '',
    interfaceType,
    sourceDestCheck: true,
    groups,
    addresses: [...primary.addresses, ...chosenPrimary, ...ipv4.addresses, ...counted.addresses],
    prefixes: [...named.prefixes, ...counted.prefixes],
    ipv6Addresses: ipv6.addresses,
    ipv6Prefixes: ipv6.prefixes,
    attachment: undefined,
  };
  const taken = { ...ipv6.subnet, interfaceCount: subnet.interfaceCount + 1 };
  return {
    state: {
      ...state,
      subnets: state.subnets.set(subnet.id, taken),
      interfaces: state.interfaces.set(created.id, created),
    },
    created,
  };
}

function wishOf(subnet: SubnetRecord, specification: InterfaceSpecification, interfaceType: InterfaceType) {
  const primary = primaryWish(subnet, specification, interfaceType);
  const ipv4 = ipv4Wish(subnet, specification);
  const ipv6 = ipv6Wish(subnet, specification);
  const load = {
    addresses: primary.addresses.length + primary.addressCount + ipv4.addresses.length + ipv4.addressCount,
    prefixes: ipv4.prefixes.length + ipv4.prefixCount,
    ipv6Addresses: ipv6.addresses.length + ipv6.addressCount,
    ipv6Prefixes: ipv6.prefixes.length + ipv6.prefixCount,
  };
  const total = load.addresses + load.prefixes + load.ipv6Addresses + load.ipv6Prefixes;
  if (interfaceType === 'efa-only' && total > 0) {
    throw invalidCombination('A network interface of type efa-only cannot have IP addresses');
  }
  return { primary, ipv4, ipv6, load };
}

/** The primary address: PrivateIpAddress, or the one of PrivateIpAddresses that is marked, or EC2's choice. */
function primaryWish(subnet: SubnetRecord, specification: InterfaceSpecification, interfaceType: InterfaceType) {
  const marked = (specification.PrivateIpAddresses ?? []).filter((address) => address.Primary === true);
  const named = [specification.PrivateIpAddress, ...marked.map((address) => address.PrivateIpAddress)].filter(
    (text) => text !== undefined,
  );
  if (named.length > 1) throw invalidCombination('Only one primary private IP address can be specified.');
  const automatic = named.length === 0 && interfaceType !== 'efa-only';
  return { addresses: named.map((text) => addressIn(subnet, text)), addressCount: automatic ? 1 : 0 };
}

function ipv4Wish(subnet: SubnetRecord, specification: InterfaceSpecification) {
  const named = (specification.PrivateIpAddresses ?? []).filter((address) => address.Primary !== true);
  const wish = {
    addresses: named.map((address) => addressIn(subnet, required(address.PrivateIpAddress, 'PrivateIpAddress'))),
    addressCount: countOf(specification.SecondaryPrivateIpAddressCount, 'secondaryPrivateIpAddressCount'),
    prefixes: (specification.Ipv4Prefixes ?? []).map((prefix) =>
      prefixIn(subnet, required(prefix.Ipv4Prefix, 'Ipv4Prefix')),
    ),
    prefixCount: countOf(specification.Ipv4PrefixCount, 'ipv4PrefixCount'),
  };
  atMostOne({
    PrivateIpAddresses: wish.addresses.length > 0,
    SecondaryPrivateIpAddressCount: wish.addressCount > 0,
    Ipv4Prefixes: wish.prefixes.length > 0,
    Ipv4PrefixCount: wish.prefixCount > 0,
  });
  return wish;
}

function ipv6Wish(subnet: SubnetRecord, specification: InterfaceSpecification) {
  const wish = {
    addresses: (specification.Ipv6Addresses ?? []).map((held) =>
      ipv6AddressIn(subnet, required(held.Ipv6Address, 'Ipv6Address')),
    ),
    addressCount: countOf(specification.Ipv6AddressCount, 'ipv6AddressCount'),
    prefixes: (specification.Ipv6Prefixes ?? []).map((prefix) =>
      ipv6PrefixIn(subnet, required(prefix.Ipv6Prefix, 'Ipv6Prefix')),
    ),
    prefixCount: countOf(specification.Ipv6PrefixCount, 'ipv6PrefixCount'),
  };
  atMostOne({
    Ipv6Addresses: wish.addresses.length > 0,
    Ipv6AddressCount: wish.addressCount > 0,
    Ipv6Prefixes: wish.prefixes.length > 0,
    Ipv6PrefixCount: wish.prefixCount > 0,
  });
  return wish;
}

function interfaceTypeOf(text: string | undefined): InterfaceType {
  const type = text ?? 'interface';
  if (!TYPES.includes(type)) throw invalidValue('interfaceType', type, `Expecting one of ${TYPES.join(', ')}.`);
  return type as InterfaceType;
}
