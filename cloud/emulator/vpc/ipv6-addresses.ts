import { Ec2Error } from '../ec2-error.ts';
import { formatAddress6, parseAddress6 } from './cidr.ts';
import {
  formatIpv6Prefix,
  grantIpv6,
  ipv6AddressIn,
  ipv6PrefixIn,
  parseIpv6Prefix,
  returnIpv6,
} from './ipv6-allocation.ts';
import { checkLoad, loadOf, typeOfHost } from './limits.ts';
import { interfaceOf, subnetOf } from './lookup.ts';
import { atMostOne, countOf, invalidValue } from './parameters.ts';
import type { InterfaceRecord } from './state.ts';
import type { Transition } from './transition.ts';

export const assignIpv6Addresses: Transition<'AssignIpv6Addresses'> = (state, input, context) => {
  const held = interfaceOf(state, input.NetworkInterfaceId);
  if (held.interfaceType === 'efa-only') {
    throw new Ec2Error(
      'UnsupportedOperation',
      `Network interface '${held.id}' of type efa-only cannot have IP addresses`,
    );
  }
  const home = subnetOf(state, held.subnetId);
  const wish = {
    addresses: [...new Set((input.Ipv6Addresses ?? []).map((text) => ipv6AddressIn(home, text)))],
    addressCount: countOf(input.Ipv6AddressCount, 'ipv6AddressCount'),
    prefixes: [...new Set((input.Ipv6Prefixes ?? []).map((text) => ipv6PrefixIn(home, text)))],
    prefixCount: countOf(input.Ipv6PrefixCount, 'ipv6PrefixCount'),
  };
  const named = atMostOne({
    Ipv6Addresses: wish.addresses.length > 0,
    Ipv6AddressCount: wish.addressCount > 0,
    Ipv6Prefixes: wish.prefixes.length > 0,
    Ipv6PrefixCount: wish.prefixCount > 0,
  });
  if (named === 0)
    throw new Ec2Error('MissingParameter', 'The request must contain addresses, prefixes or a count of either');
  const load = loadOf(held);
  const more = {
    ...load,
    ipv6Addresses: load.ipv6Addresses + wish.addresses.length + wish.addressCount,
    ipv6Prefixes: load.ipv6Prefixes + wish.prefixes.length + wish.prefixCount,
  };
  checkLoad(more, typeOfHost(state, held, context));
  const grant = grantIpv6(home, wish, context.start);
  const changed: InterfaceRecord = {
    ...held,
    ipv6Addresses: [...held.ipv6Addresses, ...grant.addresses],
    ipv6Prefixes: [...held.ipv6Prefixes, ...grant.prefixes],
  };
  return {
    state: {
      ...state,
      subnets: state.subnets.set(home.id, grant.subnet),
      interfaces: state.interfaces.set(held.id, changed),
    },
    output: {
      NetworkInterfaceId: held.id,
      AssignedIpv6Addresses: grant.addresses.map(formatAddress6),
      AssignedIpv6Prefixes: grant.prefixes.map(formatIpv6Prefix),
    },
  };
};

export const unassignIpv6Addresses: Transition<'UnassignIpv6Addresses'> = (state, input) => {
  const held = interfaceOf(state, input.NetworkInterfaceId);
  const addresses = [...new Set((input.Ipv6Addresses ?? []).map((text) => heldAddress(held, text)))];
  const prefixes = [...new Set((input.Ipv6Prefixes ?? []).map((text) => heldPrefix(held, text)))];
  if (addresses.length + prefixes.length === 0) {
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter ipv6Addresses or ipv6Prefixes');
  }
  const subnet = returnIpv6(subnetOf(state, held.subnetId), addresses, prefixes);
  const changed: InterfaceRecord = {
    ...held,
    ipv6Addresses: held.ipv6Addresses.filter((address) => !addresses.includes(address)),
    ipv6Prefixes: held.ipv6Prefixes.filter((prefix) => !prefixes.includes(prefix)),
  };
  return {
    state: {
      ...state,
      subnets: state.subnets.set(subnet.id, subnet),
      interfaces: state.interfaces.set(held.id, changed),
    },
    output: {
      NetworkInterfaceId: held.id,
      UnassignedIpv6Addresses: addresses.map(formatAddress6),
      UnassignedIpv6Prefixes: prefixes.map(formatIpv6Prefix),
    },
  };
};

function heldAddress(held: InterfaceRecord, text: string): bigint {
  const address = parseAddress6(text);
  if (address === undefined) throw invalidValue('ipv6Address', text, 'It is not a valid IPv6 address.');
  if (!held.ipv6Addresses.includes(address)) throw notAssigned(held, text);
  return address;
}

function heldPrefix(held: InterfaceRecord, text: string): bigint {
  const { base } = parseIpv6Prefix(text);
  if (!held.ipv6Prefixes.includes(base)) throw notAssigned(held, text);
  return base;
}

function notAssigned(held: InterfaceRecord, text: string): Ec2Error {
  return new Ec2Error('InvalidParameterValue', `Some of [${text}] are not assigned to interface ${held.id}`);
}
