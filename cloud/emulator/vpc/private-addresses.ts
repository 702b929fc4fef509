import { Ec2Error } from '../ec2-error.ts';
import { formatAddress4, parseAddress4 } from './cidr.ts';
import { freeAddresses } from './interfaces.ts';
import { formatIpv4Prefix } from './interface-description.ts';
import { addressIn, grantIpv4, parsePrefix, prefixIn } from './ipv4-allocation.ts';
import { checkLoad, loadOf, typeOfHost } from './limits.ts';
import { interfaceOf, subnetOf } from './lookup.ts';
import { atMostOne, countOf, invalidValue } from './parameters.ts';
import type { InterfaceRecord, VpcState } from './state.ts';
import type { Transition } from './transition.ts';

/** The answer names only what is new (EC2 API reference, AssignPrivateIpAddresses). */
export const assignPrivateIpAddresses: Transition<'AssignPrivateIpAddresses'> = (given, input, context) => {
  const target = interfaceOf(given, input.NetworkInterfaceId);
  refuseWithoutAddresses(target);
  const home = subnetOf(given, target.subnetId);
  const wish = {
    addresses: [...new Set(input.PrivateIpAddresses ?? [])].map((text) => addressIn(home, text)),
    addressCount: countOf(input.SecondaryPrivateIpAddressCount, 'secondaryPrivateIpAddressCount'),
    prefixes: [...new Set(input.Ipv4Prefixes ?? [])].map((text) => prefixIn(home, text)),
    prefixCount: countOf(input.Ipv4PrefixCount, 'ipv4PrefixCount'),
  };
  const named = atMostOne({
    PrivateIpAddresses: wish.addresses.length > 0,
    SecondaryPrivateIpAddressCount: wish.addressCount > 0,
    Ipv4Prefixes: wish.prefixes.length > 0,
    Ipv4PrefixCount: wish.prefixCount > 0,
  });
  if (named === 0)
    throw new Ec2Error('MissingParameter', 'The request must contain addresses, prefixes or a count of either');
  const state = input.AllowReassignment === true ? takeFromOthers(given, target, wish.addresses) : given;
  const held = interfaceOf(state, target.id);
  const load = loadOf(held);
  const more = {
    ...load,
    addresses: load.addresses + wish.addresses.length + wish.addressCount,
    prefixes: load.prefixes + wish.prefixes.length + wish.prefixCount,
  };
  checkLoad(more, typeOfHost(state, held, context));
  const grant = grantIpv4(subnetOf(state, held.subnetId), wish, context.start);
  const changed: InterfaceRecord = {
    ...held,
    addresses: [...held.addresses, ...grant.addresses],
    prefixes: [...held.prefixes, ...grant.prefixes],
  };
  return {
    state: {
      ...state,
      subnets: state.subnets.set(grant.subnet.id, grant.subnet),
      interfaces: state.interfaces.set(held.id, changed),
    },
    output: {
      NetworkInterfaceId: held.id,
      AssignedPrivateIpAddresses: grant.addresses.map((address) => ({ PrivateIpAddress: formatAddress4(address) })),
      AssignedIpv4Prefixes: grant.prefixes.map((prefix) => ({ Ipv4Prefix: formatIpv4Prefix(prefix) })),
    },
  };
};

export const unassignPrivateIpAddresses: Transition<'UnassignPrivateIpAddresses'> = (state, input) => {
  const held = interfaceOf(state, input.NetworkInterfaceId);
  const addresses = [...new Set(input.PrivateIpAddresses ?? [])].map((text) => secondaryOf(held, text));
  const prefixes = [...new Set(input.Ipv4Prefixes ?? [])].map((text) => heldPrefix(held, text));
  if (addresses.length + prefixes.length === 0) {
    throw new Ec2Error('MissingParameter', 'The request must contain the parameter privateIpAddress or ipv4Prefix');
  }
  return { state: withoutAddresses(state, held, addresses, prefixes), output: {} };
};

function withoutAddresses(
  state: VpcState,
  held: InterfaceRecord,
  addresses: readonly number[],
  prefixes: readonly number[],
): VpcState {
  const subnet = freeAddresses(subnetOf(state, held.subnetId), {
    addresses,
    prefixes,
    ipv6Addresses: [],
    ipv6Prefixes: [],
  });
  const changed: InterfaceRecord = {
    ...held,
    addresses: held.addresses.filter((address) => !addresses.includes(address)),
    prefixes: held.prefixes.filter((prefix) => !prefixes.includes(prefix)),
  };
  return {
    ...state,
    subnets: state.subnets.set(subnet.id, subnet),
    interfaces: state.interfaces.set(held.id, changed),
  };
}

/** AllowReassignment: secondary addresses leave whichever interface of the subnet has them; a primary one never does. */
function takeFromOthers(state: VpcState, target: InterfaceRecord, addresses: readonly number[]): VpcState {
  const owners = state.interfaces.values().filter((held) => held.subnetId === target.subnetId);
  return owners.reduce((next, held) => {
    const taken = held.addresses.slice(1).filter((address) => addresses.includes(address));
    return taken.length === 0 ? next : withoutAddresses(next, held, taken, []);
  }, state);
}

function refuseWithoutAddresses(held: InterfaceRecord): void {
  if (held.interfaceType !== 'efa-only') return;
  throw new Ec2Error(
    'UnsupportedOperation',
    `Network interface '${held.id}' of type efa-only cannot have IP addresses`,
  );
}

function secondaryOf(held: InterfaceRecord, text: string): number {
  const address = parseAddress4(text);
  if (address === undefined) throw invalidValue('privateIpAddress', text, 'It is not a valid IPv4 address.');
  if (address === held.addresses[0]) {
    throw new Ec2Error(
      'InvalidParameterValue',
      `The primary private IP address ${text} of '${held.id}' cannot be unassigned`,
    );
  }
  if (!held.addresses.includes(address)) throw notAssigned(held, text);
  return address;
}

function heldPrefix(held: InterfaceRecord, text: string): number {
  const { base } = parsePrefix(text);
  if (!held.prefixes.includes(base)) throw notAssigned(held, text);
  return base;
}

function notAssigned(held: InterfaceRecord, text: string): Ec2Error {
  return new Ec2Error('InvalidParameterValue', `Some of [${text}] are not assigned to interface ${held.id}`);
}
