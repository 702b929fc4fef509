/** One block of addresses and how each of them is used. Pure; positions count from the block's first address. */

import { blockSize, cidr, formatIpv4, type Ipv4Block, nthAddress } from './address.ts';
import type { AddressBlock, BlockUse } from './model.ts';

/** Many of them are gone through at once, so that there is little to each. */
export interface Block extends Ipv4Block {
  readonly size: number;
  /** Positions in the hands of an attachment. */
  readonly held: ReadonlySet<number>;
  /** Resting positions and the time at which each is free again. */
  readonly cooling: ReadonlyMap<number, number>;
  /** The same, counted, as the planner sees it. */
  readonly use: BlockUse;
}

// Most blocks are single addresses, and most of those are free: they share these.
const NONE_HELD: ReadonlySet<number> = new Set();
const NONE_COOLING: ReadonlyMap<number, number> = new Map();
const FIRST_HELD: ReadonlySet<number> = new Set([0]);

/** A block nobody uses yet. Throws RangeError where `cidr` is not a well-formed block. */
export function newBlock(block: AddressBlock): Block {
  const range = cidr(block.cidr);
  return counted({ ...range, size: blockSize(range), use: { block } }, NONE_HELD, NONE_COOLING);
}

/** The lowest position that is neither held nor cooling; `undefined` in a full block. */
export function lowestFree(block: Block): number | undefined {
  for (let position = 0; position < block.size; position += 1) {
    if (!block.held.has(position) && !block.cooling.has(position)) return position;
  }
  return undefined;
}

/** The text form of the address at a position. */
export function addressAt(block: Block, position: number): string {
  return formatIpv4(nthAddress(block, position));
}

/** The position in the hands of an attachment; a cool-down on it ends. */
export function hold(block: Block, position: number): Block {
  const held = block.size === 1 ? FIRST_HELD : new Set(block.held).add(position);
  return counted(block, held, without(block.cooling, position));
}

/** The position given back: resting until `until`, or free where that is `undefined`. */
export function letGo(block: Block, position: number, until: number | undefined): Block {
  const cooling = until === undefined ? block.cooling : withResting(block.cooling, position, until);
  if (block.size === 1) return counted(block, NONE_HELD, cooling);
  const held = new Set(block.held);
  held.delete(position);
  return counted(block, held, cooling);
}

function withResting(cooling: ReadonlyMap<number, number>, position: number, until: number) {
  // Nearly always the first: a copy of nothing costs several times as much as nothing.
  return (cooling.size === 0 ? new Map<number, number>() : new Map(cooling)).set(position, until);
}

/** The block with every cool-down over that ends at or before `now`; the same block where none does. */
export function expireBlock(block: Block, now: number): Block {
  if (block.use.coolUntil === undefined || block.use.coolUntil > now) return block;
  if (block.cooling.size === 1) return counted(block, block.held, NONE_COOLING);
  const cooling = new Map([...block.cooling].filter(([, until]) => until > now));
  return counted(block, block.held, cooling);
}

/** A block without what changes. */
type Bare = Pick<Block, 'base' | 'prefixLength' | 'size'> & { readonly use: Pick<BlockUse, 'block'> };

function counted(
  { base, prefixLength, size, use: { block } }: Bare,
  held: ReadonlySet<number>,
  cooling: ReadonlyMap<number, number>,
): Block {
  const [assigned, resting] = [held.size, cooling.size];
  const free = size - assigned - resting;
  if (resting === 0) return { base, prefixLength, size, held, cooling, use: { block, assigned, cooling: 0, free } };
  const use = { block, assigned, cooling: resting, free, coolUntil: soonest(cooling) };
  return { base, prefixLength, size, held, cooling, use };
}

function soonest(cooling: ReadonlyMap<number, number>): number {
  let least = Infinity;
  for (const until of cooling.values()) least = Math.min(least, until);
  return least;
}

function without(cooling: ReadonlyMap<number, number>, position: number): ReadonlyMap<number, number> {
  if (!cooling.has(position)) return cooling;
  if (cooling.size === 1) return NONE_COOLING;
  const rest = new Map(cooling);
  rest.delete(position);
  return rest;
}
