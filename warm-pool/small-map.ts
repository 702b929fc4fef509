/**
 * An immutable map of few entries, in the order in which they came: looked through from the first, and copied by a change. A Map
 * costs several times as much where a handful of entries changes with every pod event, most of it for the copy.
 */
export class SmallMap<V> {
  readonly #keys: readonly string[];
  readonly #values: readonly V[];

  private constructor(keys: readonly string[], values: readonly V[]) {
    this.#keys = keys;
    this.#values = values;
  }

  /** What all maps without an entry share: who simulates thousands of nodes finds it in the cache. */
  static readonly empty: SmallMap<never> = new SmallMap<never>([], []);

  get size(): number {
    return this.#keys.length;
  }

  get(key: string): V | undefined {
    const place = this.#keys.indexOf(key);
    return place < 0 ? undefined : this.#values[place];
  }

  has(key: string): boolean {
    return this.#keys.includes(key);
  }

  keys(): readonly string[] {
    return this.#keys;
  }

  values(): readonly V[] {
    return this.#values;
  }

  *[Symbol.iterator](): Generator<readonly [string, V]> {
    for (const [place, key] of this.#keys.entries()) yield [key, this.#values[place] as V];
  }

  /** The map with a key set: in its place where it is there, last where it is not. */
  with(key: string, value: V): SmallMap<V> {
    const place = this.#keys.indexOf(key);
    if (place < 0) return new SmallMap([...this.#keys, key], [...this.#values, value]);
    return new SmallMap(this.#keys, this.#values.with(place, value));
  }

  /** The map with every value changed by `change`; the same map where that gives the same ones. */
  map(change: (value: V) => V): SmallMap<V> {
    let values: V[] | undefined;
    for (let place = 0; place < this.#values.length; place += 1) {
      const before = this.#values[place] as V;
      const after = change(before);
      if (after !== before) (values ??= this.#values.slice())[place] = after;
    }
    return values === undefined ? this : new SmallMap(this.#keys, values);
  }

  /** The map with a key removed; the same map where it was not there. */
  without(key: string): SmallMap<V> {
    const place = this.#keys.indexOf(key);
    if (place < 0) return this;
    if (this.size === 1) return SmallMap.empty;
    return new SmallMap(this.#keys.toSpliced(place, 1), this.#values.toSpliced(place, 1));
  }
}
