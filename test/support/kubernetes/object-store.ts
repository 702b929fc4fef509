/** Objects by path, with versions and a history that can be compacted: what lists and watches are made of. */
import { randomUUID } from 'node:crypto';
import type { Json } from './patch.ts';

export interface StoredObject extends Json {
  metadata: Json & { name: string; namespace?: string; uid: string; resourceVersion: string };
}

export interface StoreEvent {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** Of the collection, e.g. `/api/v1/namespaces/x/pods`. */
  readonly collection: string;
  readonly object: StoredObject;
}

export class ObjectStore {
  readonly #objects = new Map<string, StoredObject>();
  readonly #listeners = new Set<() => void>();
  #history: StoreEvent[] = [];
  #version = 10;
  #oldest = 10;

  get version(): number {
    return this.#version;
  }

  /** Versions below this one are forgotten: watches from there get 410. */
  get oldest(): number {
    return this.#oldest;
  }

  get(path: string): StoredObject | undefined {
    return this.#objects.get(path);
  }

  /** Makes or replaces an object; undefined removes it. */
  put(collection: string, name: string, object: Json | undefined): StoredObject | undefined {
    const path = `${collection}/${name}`;
    const before = this.#objects.get(path);
    this.#version += 1;
    if (object === undefined) {
      this.#objects.delete(path);
      if (before !== undefined) this.#note('DELETED', collection, before);
      return before;
    }
    const metadata = object['metadata'] as Json;
    const stored = {
      ...object,
      metadata: {
        uid: before?.metadata.uid ?? randomUUID(),
        ...metadata,
        name,
        resourceVersion: String(this.#version),
      },
    } as StoredObject;
    this.#objects.set(path, stored);
    this.#note(before === undefined ? 'ADDED' : 'MODIFIED', collection, stored);
    return stored;
  }

  /** Every object of a collection, across namespaces where `collection` names none. */
  list(isIn: (collection: string) => boolean): StoredObject[] {
    return [...this.#objects]
      .filter(([path]) => isIn(path.slice(0, path.lastIndexOf('/'))))
      .map(([, object]) => object);
  }

  since(version: number): readonly StoreEvent[] {
    return this.#history.filter((event) => event.version > version);
  }

  compact(): void {
    this.#history = [];
    this.#oldest = this.#version;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #note(type: StoreEvent['type'], collection: string, object: StoredObject): void {
    const current = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    this.#history.push({ version: this.#version, type, collection, object: current });
    for (const listener of this.#listeners) listener();
  }
}
