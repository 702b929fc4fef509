type Leaf<T> = readonly (readonly [string, T])[];
type Branch<T> = readonly (Leaf<T> | undefined)[];
type Root<T> = readonly (Branch<T> | undefined)[];

const WIDTH = 64;
const EMPTY: readonly undefined[] = Array.from<undefined>({ length: WIDTH });

/**
 * An immutable map from id to record. Every change gives a new map that shares all but one path with the old one, so
 * that a transition over a region with tens of thousands of interfaces stays a few microseconds and an older state stays
 * valid (an eventually consistent Describe reads one). Iteration order is not creation order.
 */
export class PersistentMap<T> {
  readonly size: number;
  readonly #root: Root<T>;

  private constructor(root: Root<T>, size: number) {
    this.#root = root;
    this.size = size;
  }

  static empty<T>(): PersistentMap<T> {
    return new PersistentMap<T>(EMPTY, 0);
  }

  get(key: string): T | undefined {
    const hash = hashOf(key);
    return this.#root[hash >>> 6]?.[hash & 63]?.find((entry) => entry[0] === key)?.[1];
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  set(key: string, value: T): PersistentMap<T> {
    const hash = hashOf(key);
    const leaf = this.#root[hash >>> 6]?.[hash & 63] ?? [];
    const rest = leaf.filter((entry) => entry[0] !== key);
    return this.#withLeaf(hash, [...rest, [key, value]], rest.length === leaf.length ? 1 : 0);
  }

  delete(key: string): PersistentMap<T> {
    const hash = hashOf(key);
    const leaf = this.#root[hash >>> 6]?.[hash & 63] ?? [];
    const rest = leaf.filter((entry) => entry[0] !== key);
    return rest.length === leaf.length ? this : this.#withLeaf(hash, rest, -1);
  }

  /** All values, in no particular order. */
  values(): T[] {
    const found: T[] = [];
    for (const branch of this.#root) {
      for (const leaf of branch ?? []) {
        for (const entry of leaf ?? []) found.push(entry[1]);
      }
    }
    return found;
  }

  /** The keys whose values differ from those of an older map; what both share is not looked at. */
  differsFrom(older: PersistentMap<T>): string[] {
    const keys: string[] = [];
    this.#root.forEach((branch, index) => {
      const other = older.#root[index];
      if (branch === other) return;
      for (let place = 0; place < WIDTH; place += 1) {
        const [leaf, before] = [branch?.[place], other?.[place]];
        if (leaf === before) continue;
        const entries = new Set([...(leaf ?? []), ...(before ?? [])].map(([key]) => key));
        keys.push(...entries.keys().filter((key) => valueIn(leaf, key) !== valueIn(before, key)));
      }
    });
    return keys;
  }

  #withLeaf(hash: number, leaf: Leaf<T>, growth: number): PersistentMap<T> {
    const branch = (this.#root[hash >>> 6] ?? EMPTY).with(hash & 63, leaf.length === 0 ? undefined : leaf);
    return new PersistentMap<T>(this.#root.with(hash >>> 6, branch), this.size + growth);
  }
}

function valueIn<T>(leaf: Leaf<T> | undefined, key: string): T | undefined {
  return leaf?.find((entry) => entry[0] === key)?.[1];
}

/** FNV-1a folded to 12 bits: two levels of 64. */
function hashOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  return ((hash >>> 12) ^ hash) & 0xfff;
}
