/**
 * One /80 of an interface and how its addresses are used. Of its 2^48 positions only those are kept that are held or
 * cooling; so it is never full, and a change costs the same whatever the number of pods. Pure.
 */

import { formatIpv6, IPV6_PREFIX_SIZE, ipv6Prefix } from './ipv6.ts';
import type { Ipv6PrefixUse } from './model.ts';
import { emptyShardedMap, type ShardedMap, valueOf, valuesOf, withEntry, withoutEntry } from './sharded-map.ts';

/** What a position is used for. `alone`: its pod has no IPv4 address beside it. */
export type Ipv6Holding = Held | Cooling;

interface Held {
  readonly kind: 'held';
  readonly position: number;
  readonly alone: boolean;
}

interface Cooling {
  readonly kind: 'cooling';
  readonly position: number;
  readonly until: number;
}

export interface Ipv6Block {
  /** Canonical text. */
  readonly cidr: string;
  /** The part of an address that all of its addresses share; see `Ipv6`. */
  readonly network: string;
  /** By position; apart from those that cool, so that the end of a cool-down looks at no pod. */
  readonly held: ShardedMap<Held>;
  readonly cooling: ShardedMap<Cooling>;
  /** No position from the first that may be given out up to this one is free. */
  readonly lowest: number;
  /** The same, counted, as the planner sees it. */
  readonly use: Ipv6PrefixUse;
}

/** The all-zero position is the subnet-router anycast address of its prefix (RFC 4291, section 2.6.1) and is given to no pod. */
const FIRST_POSITION = 1;

/** Positions of a /80 that can be given out. */
export const USABLE_POSITIONS = IPV6_PREFIX_SIZE - FIRST_POSITION;

/** A /80 nobody uses yet. Throws RangeError where `cidr` is not a well-formed one. */
export function newIpv6Block(cidr: string): Ipv6Block {
  const { network } = ipv6Prefix(cidr);
  return {
    cidr,
    network,
    held: emptyShardedMap(),
    cooling: emptyShardedMap(),
    lowest: FIRST_POSITION,
    use: { cidr, assigned: 0, alone: 0, cooling: 0 },
  };
}

/** What a position is used for; `undefined` where it is free. */
export function holdingAt(block: Ipv6Block, position: number): Ipv6Holding | undefined {
  const key = String(position);
  return valueOf(block.held, key) ?? valueOf(block.cooling, key);
}

/** The lowest position that is neither held nor cooling. */
export function lowestFreeIpv6(block: Ipv6Block): number {
  let position = block.lowest;
  while (holdingAt(block, position) !== undefined) position += 1;
  return position;
}

/** The text form of the address at a position. */
export function ipv6AddressAt({ network }: Ipv6Block, position: number): string {
  return formatIpv6({ network, position });
}

/** The position in the hands of a pod; a cool-down on it ends. */
export function holdIpv6(block: Ipv6Block, position: number, alone: boolean): Ipv6Block {
  const held: Ipv6Holding = { kind: 'held', position, alone };
  const changed = changedAt(block, position, held);
  return position === block.lowest ? { ...changed, lowest: position + 1 } : changed;
}

/** The position given back: resting until `until`, or free where that is `undefined`. */
export function letGoIpv6(block: Ipv6Block, position: number, until: number | undefined): Ipv6Block {
  if (until !== undefined) return changedAt(block, position, { kind: 'cooling', position, until });
  const lowest = Math.min(block.lowest, Math.max(position, FIRST_POSITION));
  return { ...changedAt(block, position, undefined), lowest };
}

/** The block with every cool-down over that ends at or before `now`; the same block where none does. */
export function expireIpv6(block: Ipv6Block, now: number): Ipv6Block {
  if (block.use.coolUntil === undefined || block.use.coolUntil > now) return block;
  const cooling = [...valuesOf(block.cooling)];
  const over = cooling.filter(({ until }) => until <= now);
  const next = over.reduce((left, { position }) => letGoIpv6(left, position, undefined), block);
  const ends = cooling.flatMap(({ until }) => (until > now ? [until] : []));
  return { ...next, use: withCoolUntil(next.use, Math.min(Infinity, ...ends)) };
}

/** Every position that rests. */
export function coolingIn(block: Ipv6Block): readonly Cooling[] {
  return [...valuesOf(block.cooling)];
}

/** Every position in the hands of a pod. */
export function heldIn(block: Ipv6Block): readonly number[] {
  return Array.from(valuesOf(block.held), ({ position }) => position);
}

function changedAt(block: Ipv6Block, position: number, after: Ipv6Holding | undefined): Ipv6Block {
  const key = String(position);
  const before = holdingAt(block, position);
  const held = after?.kind === 'held' ? withEntry(block.held, key, after) : withoutEntry(block.held, key);
  const cooling = after?.kind === 'cooling' ? withEntry(block.cooling, key, after) : withoutEntry(block.cooling, key);
  return { ...block, held, cooling, use: counted(counted(block.use, before, -1), after, 1) };
}

function counted(use: Ipv6PrefixUse, holding: Ipv6Holding | undefined, sign: 1 | -1): Ipv6PrefixUse {
  if (holding === undefined) return use;
  if (holding.kind === 'held') {
    return { ...use, assigned: use.assigned + sign, alone: use.alone + (holding.alone ? sign : 0) };
  }
  const cooling = use.cooling + sign;
  // A time that is too early costs one look in vain; a time that is too late would hold an address back.
  const coolUntil = sign > 0 ? Math.min(use.coolUntil ?? Infinity, holding.until) : (use.coolUntil ?? Infinity);
  return withCoolUntil({ ...use, cooling }, cooling === 0 ? Infinity : coolUntil);
}

function withCoolUntil({ cidr, assigned, alone, cooling }: Ipv6PrefixUse, coolUntil: number): Ipv6PrefixUse {
  const use = { cidr, assigned, alone, cooling };
  return coolUntil === Infinity ? use : { ...use, coolUntil };
}
