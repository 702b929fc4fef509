import type { AddressRange, AddressSpace, StartingPoint } from './address-space.ts';
import { chooseAligned, claim, emptySpace, isFree, release } from './address-space.ts';
import { PersistentMap } from './persistent-map.ts';

const BLOCK_BITS = 48n;
const BLOCKS = 65_536;
const HOSTS = 1n << 64n;
const RESERVED_FIRST = 4n;

/**
 * The addresses of a /64: which single addresses are held, and which of its 65,536 /80 blocks are taken, as a prefix or
 * because a single address (or a reserved one) lies in them. Hosts count from the first address of the subnet.
 */
export interface Ipv6Space {
  readonly blocks: AddressSpace;
  /** Block number to how many single addresses lie in it. */
  readonly singles: PersistentMap<number>;
  readonly addresses: PersistentMap<true>;
  readonly prefixes: PersistentMap<true>;
  /** No host below this one is free. */
  readonly lowest: bigint;
}

/** A /64 of which only EC2's five addresses (the first four and the last) are taken. */
export function emptyIpv6Space(): Ipv6Space {
  return {
    blocks: claim(emptySpace(BLOCKS), [single(0), single(BLOCKS - 1)]),
    singles: PersistentMap.empty<number>()
      .set('0', Number(RESERVED_FIRST))
      .set(String(BLOCKS - 1), 1),
    addresses: PersistentMap.empty(),
    prefixes: PersistentMap.empty(),
    lowest: RESERVED_FIRST,
  };
}

export function isReservedHost(host: bigint): boolean {
  return host < RESERVED_FIRST || host === HOSTS - 1n;
}

export function isHostFree(space: Ipv6Space, host: bigint): boolean {
  return !isReservedHost(host) && !space.addresses.has(keyOf(host)) && !space.prefixes.has(keyOf(host >> BLOCK_BITS));
}

export function isBlockFree(space: Ipv6Space, block: number): boolean {
  return isFree(space.blocks, single(block));
}

export function claimHost(space: Ipv6Space, host: bigint): Ipv6Space {
  const block = host >> BLOCK_BITS;
  const count = space.singles.get(String(block)) ?? 0;
  return {
    ...space,
    blocks: count === 0 ? claim(space.blocks, [single(Number(block))]) : space.blocks,
    singles: space.singles.set(String(block), count + 1),
    addresses: space.addresses.set(keyOf(host), true),
  };
}

export function releaseHost(space: Ipv6Space, host: bigint): Ipv6Space {
  const block = String(host >> BLOCK_BITS);
  const count = space.singles.get(block) ?? 0;
  return {
    ...space,
    blocks: count === 1 ? release(space.blocks, [single(Number(block))]) : space.blocks,
    singles: count === 1 ? space.singles.delete(block) : space.singles.set(block, count - 1),
    addresses: space.addresses.delete(keyOf(host)),
    lowest: host < space.lowest ? host : space.lowest,
  };
}

export function claimBlock(space: Ipv6Space, block: number): Ipv6Space {
  return {
    ...space,
    blocks: claim(space.blocks, [single(block)]),
    prefixes: space.prefixes.set(keyOf(BigInt(block)), true),
  };
}

export function releaseBlock(space: Ipv6Space, block: number): Ipv6Space {
  const first = BigInt(block) << BLOCK_BITS;
  return {
    ...space,
    blocks: release(space.blocks, [single(block)]),
    prefixes: space.prefixes.delete(keyOf(BigInt(block))),
    lowest: first < space.lowest ? first : space.lowest,
  };
}

/** Chooses free /80 blocks as `choosePrefixes` does /28 ones. Claims nothing. */
export function chooseBlocks(
  space: Ipv6Space,
  count: number,
  prefer: readonly AddressRange[],
  avoid: readonly AddressRange[],
  start: StartingPoint,
): readonly number[] | undefined {
  return chooseAligned(space.blocks, 1, count, prefer, avoid, start)?.map((range) => range.offset);
}

/** A run of hosts, both ends included. */
export interface HostRange {
  readonly first: bigint;
  readonly last: bigint;
}

/** Claims one host of EC2's choice outside of `avoid`. A /64 does not run out. */
export function claimAnyHost(
  space: Ipv6Space,
  avoid: readonly HostRange[],
  start: StartingPoint,
): { readonly space: Ipv6Space; readonly host: bigint } {
  const block = start(BLOCKS);
  const lowestFirst = block === 0;
  let host = lowestFirst ? space.lowest : (BigInt(block) << BLOCK_BITS) + BigInt(start(2 ** 48));
  for (;;) {
    const banned = avoid.find((range) => host >= range.first && host <= range.last);
    if (banned !== undefined) host = wrapped(banned.last + 1n);
    else if (isHostFree(space, host)) break;
    else host = nextHost(space, host);
  }
  const claimed = claimHost(space, host);
  return { space: lowestFirst && avoid.length === 0 ? { ...claimed, lowest: host + 1n } : claimed, host };
}

function nextHost(space: Ipv6Space, host: bigint): bigint {
  const block = host >> BLOCK_BITS;
  return wrapped(space.prefixes.has(keyOf(block)) ? (block + 1n) << BLOCK_BITS : host + 1n);
}

function wrapped(host: bigint): bigint {
  return host >= HOSTS - 1n ? RESERVED_FIRST : host;
}

function keyOf(value: bigint): string {
  return value.toString(36);
}

function single(offset: number): AddressRange {
  return { offset, size: 1 };
}
