/**
 * An immutable map for many small changes: setting or removing one key copies one shard of a few entries, not the
 * whole map. A node holds up to some 750 attachments and sees one change a pod event.
 */

import { SmallMap } from './small-map.ts';

const SHARDS = 16;

export interface ShardedMap<V> {
  readonly size: number;
  readonly shards: readonly SmallMap<V>[];
}

const NO_SHARDS: readonly SmallMap<never>[] = Array.from({ length: SHARDS }, () => SmallMap.empty);

/** A map with no entry. */
export function emptyShardedMap<V>(): ShardedMap<V> {
  return { size: 0, shards: NO_SHARDS };
}

/** The value of a key, or `undefined`. */
export function valueOf<V>(map: ShardedMap<V>, key: string): V | undefined {
  return map.shards[shardOf(key)]?.get(key);
}

/** The map with a key set. */
export function withEntry<V>(map: ShardedMap<V>, key: string, value: V): ShardedMap<V> {
  const index = shardOf(key);
  const before = map.shards[index] ?? SmallMap.empty;
  const shard = before.with(key, value);
  return { size: map.size - before.size + shard.size, shards: map.shards.with(index, shard) };
}

/** The map with a key removed; the same map where it was not there. */
export function withoutEntry<V>(map: ShardedMap<V>, key: string): ShardedMap<V> {
  const index = shardOf(key);
  const before = map.shards[index];
  const shard = before?.without(key);
  if (shard === undefined || shard === before) return map;
  return { size: map.size - 1, shards: map.shards.with(index, shard) };
}

/** Every value, in no promised order. */
export function* valuesOf<V>(map: ShardedMap<V>): Generator<V> {
  for (const shard of map.shards) yield* shard.values();
}

/** FNV-1a over UTF-16 units: spreads container ids, which differ anywhere, and names, which differ at the end. */
function shardOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i += 1) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & (SHARDS - 1);
}
