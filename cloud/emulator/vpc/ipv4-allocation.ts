import { Ec2Error } from '../ec2-error.ts';
import type { AddressRange, AddressSpace, StartingPoint } from './address-space.ts';
import { chooseAddresses, choosePrefixes, claim, isFree, PREFIX_SIZE } from './address-space.ts';
import type { Cidr4 } from './cidr.ts';
import { contains4, formatCidr4, parseAddress4, parseCidr4, sizeOf4 } from './cidr.ts';
import { invalidValue } from './parameters.ts';
import { reservedRanges } from './reservations.ts';
import type { SubnetRecord } from './state.ts';

/** What is wanted of a subnet, named or counted. */
export interface Ipv4Wish {
  readonly addresses: readonly number[];
  readonly addressCount: number;
  readonly prefixes: readonly number[];
  readonly prefixCount: number;
}

export interface Ipv4Grant {
  readonly subnet: SubnetRecord;
  readonly addresses: readonly number[];
  readonly prefixes: readonly number[];
}

/**
 * Takes all that is wished for, or throws and takes nothing. Single addresses of EC2's choice never come out of a CIDR
 * reservation; prefixes come out of `prefix` reservations first and never out of `explicit` ones.
 */
export function grantIpv4(subnet: SubnetRecord, wish: Ipv4Wish, start: StartingPoint): Ipv4Grant {
  const base = subnet.cidr.base;
  let space = subnet.space;
  for (const address of wish.addresses) space = claimNamed(space, { offset: address - base, size: 1 });
  for (const prefix of wish.prefixes) space = claimNamed(space, { offset: prefix - base, size: PREFIX_SIZE });
  const addresses = chooseAddresses(space, wish.addressCount, reservedRanges(subnet), start);
  if (addresses === undefined) {
    throw new Ec2Error(
      'InsufficientFreeAddressesInSubnet',
      `The specified subnet '${subnet.id}' does not have enough free addresses to satisfy the request.`,
    );
  }
  space = addresses.length === 0 ? space : claim(space, addresses);
  const prefixes = choosePrefixes(
    space,
    wish.prefixCount,
    reservedRanges(subnet, 'prefix'),
    reservedRanges(subnet, 'explicit'),
    start,
  );
  if (prefixes === undefined) {
    throw new Ec2Error(
      'InsufficientCidrBlocks',
      `The specified subnet '${subnet.id}' does not have enough free cidr blocks to satisfy the request.`,
    );
  }
  space = prefixes.length === 0 ? space : claim(space, prefixes);
  return {
    subnet: { ...subnet, space },
    addresses: [...wish.addresses, ...addresses.map((range) => base + range.offset)],
    prefixes: [...wish.prefixes, ...prefixes.map((range) => base + range.offset)],
  };
}

/** The address, if the subnet has it and EC2 does not keep it for itself. Whether it is free is not looked at. */
export function addressIn(subnet: SubnetRecord, text: string): number {
  const address = parseAddress4(text);
  if (address === undefined) throw invalidValue('privateIpAddress', text, 'It is not a valid IPv4 address.');
  const offset = address - subnet.cidr.base;
  const size = sizeOf4(subnet.cidr);
  if (offset < 0 || offset >= size) {
    throw new Ec2Error('InvalidParameterValue', `Address ${text} does not fall within the subnet's address range`);
  }
  if (isReservedOffset(offset, size)) {
    throw new Ec2Error('InvalidParameterValue', `Address ${text} is in subnet's reserved address range`);
  }
  return address;
}

/** The first address of a /28 of the subnet that holds none of EC2's own addresses. */
export function prefixIn(subnet: SubnetRecord, text: string): number {
  const cidr = parsePrefix(text);
  const size = sizeOf4(subnet.cidr);
  const offset = cidr.base - subnet.cidr.base;
  if (!contains4(subnet.cidr, cidr)) {
    throw new Ec2Error('InvalidParameterValue', `Prefix ${text} does not fall within the subnet's address range`);
  }
  if (offset === 0 || offset + PREFIX_SIZE === size) {
    throw new Ec2Error('InvalidParameterValue', `Prefix ${text} contains addresses in subnet's reserved address range`);
  }
  return cidr.base;
}

export function parsePrefix(text: string): Cidr4 {
  const cidr = parseCidr4(text);
  if (cidr === undefined || cidr.length !== 28 || formatCidr4(cidr) !== text) {
    throw invalidValue('ipv4Prefix', text, 'Expecting a /28 prefix.');
  }
  return cidr;
}

function isReservedOffset(offset: number, size: number): boolean {
  return offset < 4 || offset === size - 1;
}

function claimNamed(space: AddressSpace, range: AddressRange): AddressSpace {
  if (!isFree(space, range)) throw new Ec2Error('InvalidIPAddress.InUse', 'The specified address is already in use.');
  return claim(space, [range]);
}
