import { Ec2Error } from '../ec2-error.ts';
import type { AddressRange, StartingPoint } from './address-space.ts';
import type { Cidr6 } from './cidr.ts';
import { formatCidr6, parseAddress6, parseCidr6 } from './cidr.ts';
import type { HostRange, Ipv6Space } from './ipv6-space.ts';
import {
  chooseBlocks,
  claimAnyHost,
  claimBlock,
  claimHost,
  isBlockFree,
  isHostFree,
  isReservedHost,
  releaseBlock,
  releaseHost,
} from './ipv6-space.ts';
import { invalidValue } from './parameters.ts';
import type { SubnetRecord } from './state.ts';

const HOST_MASK = (1n << 64n) - 1n;
const BLOCK_BITS = 48n;

export interface Ipv6Wish {
  readonly addresses: readonly bigint[];
  readonly addressCount: number;
  readonly prefixes: readonly bigint[];
  readonly prefixCount: number;
}

export interface Ipv6Grant {
  readonly subnet: SubnetRecord;
  readonly addresses: readonly bigint[];
  readonly prefixes: readonly bigint[];
}

/** Takes all that is wished for out of the subnet's /64, or throws and takes nothing. */
export function grantIpv6(subnet: SubnetRecord, wish: Ipv6Wish, start: StartingPoint): Ipv6Grant {
  const nothing = wish.addresses.length + wish.addressCount + wish.prefixes.length + wish.prefixCount === 0;
  if (nothing) return { subnet, addresses: [], prefixes: [] };
  const { base, space } = ipv6Of(subnet);
  let next = space;
  for (const address of wish.addresses) next = claimNamedHost(next, address & HOST_MASK);
  for (const prefix of wish.prefixes) next = claimNamedBlock(next, blockOf(prefix));
  const hosts: bigint[] = [];
  const avoid = reservedHosts(subnet);
  for (let index = 0; index < wish.addressCount; index += 1) {
    const claimed = claimAnyHost(next, avoid, start);
    next = claimed.space;
    hosts.push(claimed.host);
  }
  const preferred = reservedBlocks(subnet, 'prefix');
  const blocks = chooseBlocks(next, wish.prefixCount, preferred, reservedBlocks(subnet, 'explicit'), start);
  if (blocks === undefined) {
    throw new Ec2Error(
      'InsufficientCidrBlocks',
      `The specified subnet '${subnet.id}' does not have enough free IPv6 cidr blocks to satisfy the request.`,
    );
  }
  for (const block of blocks) next = claimBlock(next, block);
  return {
    subnet: withSpace(subnet, next),
    addresses: [...wish.addresses, ...hosts.map((host) => base + host)],
    prefixes: [...wish.prefixes, ...blocks.map((block) => base + (BigInt(block) << BLOCK_BITS))],
  };
}

/** Gives addresses and prefixes back; they must be held. */
export function returnIpv6(
  subnet: SubnetRecord,
  addresses: readonly bigint[],
  prefixes: readonly bigint[],
): SubnetRecord {
  if (addresses.length + prefixes.length === 0) return subnet;
  let { space } = ipv6Of(subnet);
  for (const address of addresses) space = releaseHost(space, address & HOST_MASK);
  for (const prefix of prefixes) space = releaseBlock(space, blockOf(prefix));
  return withSpace(subnet, space);
}

export function ipv6AddressIn(subnet: SubnetRecord, text: string): bigint {
  const address = parseAddress6(text);
  if (address === undefined) throw invalidValue('ipv6Address', text, 'It is not a valid IPv6 address.');
  if ((address & ~HOST_MASK) !== ipv6Of(subnet).base) {
    throw new Ec2Error('InvalidParameterValue', `Address ${text} does not fall within the subnet's address range`);
  }
  if (isReservedHost(address & HOST_MASK)) {
    throw new Ec2Error('InvalidParameterValue', `Address ${text} is in subnet's reserved address range`);
  }
  return address;
}

export function ipv6PrefixIn(subnet: SubnetRecord, text: string): bigint {
  const { base } = parseIpv6Prefix(text);
  if ((base & ~HOST_MASK) !== ipv6Of(subnet).base) {
    throw new Ec2Error('InvalidParameterValue', `Prefix ${text} does not fall within the subnet's address range`);
  }
  return base;
}

export function parseIpv6Prefix(text: string): Cidr6 {
  const cidr = parseCidr6(text);
  if (cidr === undefined || cidr.length !== 80) throw invalidValue('ipv6Prefix', text, 'Expecting a /80 prefix.');
  return cidr;
}

export function formatIpv6Prefix(base: bigint): string {
  return formatCidr6({ base, length: 80 });
}

function ipv6Of(subnet: SubnetRecord): { readonly base: bigint; readonly space: Ipv6Space } {
  if (subnet.ipv6 === undefined) {
    throw new Ec2Error('InvalidParameterValue', `The subnet '${subnet.id}' does not have an IPv6 CIDR block`);
  }
  return { base: subnet.ipv6.cidr.base, space: subnet.ipv6.space };
}

function withSpace(subnet: SubnetRecord, space: Ipv6Space): SubnetRecord {
  return subnet.ipv6 === undefined ? subnet : { ...subnet, ipv6: { ...subnet.ipv6, space } };
}

function blockOf(prefix: bigint): number {
  return Number((prefix & HOST_MASK) >> BLOCK_BITS);
}

function reservedHosts(subnet: SubnetRecord): readonly HostRange[] {
  return subnet.reservations.flatMap((held) => {
    if (held.ipv6Cidr === undefined) return [];
    const first = held.ipv6Cidr.base & HOST_MASK;
    return [{ first, last: first + (1n << BigInt(128 - held.ipv6Cidr.length)) - 1n }];
  });
}

/** The /80 blocks that a reservation of this type touches. */
function reservedBlocks(subnet: SubnetRecord, type: 'prefix' | 'explicit'): readonly AddressRange[] {
  return subnet.reservations.flatMap((held) => {
    if (held.ipv6Cidr === undefined || held.type !== type) return [];
    const length = Math.min(held.ipv6Cidr.length, 80);
    return [{ offset: blockOf(held.ipv6Cidr.base), size: 2 ** (80 - length) }];
  });
}

function claimNamedHost(space: Ipv6Space, host: bigint): Ipv6Space {
  if (!isHostFree(space, host)) throw inUse();
  return claimHost(space, host);
}

function claimNamedBlock(space: Ipv6Space, block: number): Ipv6Space {
  if (!isBlockFree(space, block)) throw inUse();
  return claimBlock(space, block);
}

function inUse(): Ec2Error {
  return new Ec2Error('InvalidIPAddress.InUse', 'The specified address is already in use.');
}
