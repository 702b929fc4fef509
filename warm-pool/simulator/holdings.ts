/** What the cloud has given to one node: the cloud's side of the books, whatever the node believes. */

import type { Ipv4 } from '../address.ts';
import { type Outcome, ok, refused } from './account.ts';
import type { Measures } from './measures.ts';
import type { SubnetSpace } from './subnet-space.ts';
import type { Timeline } from './timeline.ts';

export interface Granted {
  readonly id: string;
  readonly primary: Ipv4;
  readonly blocks: readonly Ipv4[];
}

interface HeldInterface {
  readonly subnet: SubnetSpace;
  readonly primary: Ipv4;
  /** First addresses of its blocks. */
  readonly singles: Ipv4[];
  readonly prefixes: Ipv4[];
}

const SIZES = [1, 16] as const;

function blocksOf({ singles, prefixes }: HeldInterface, size: 1 | 16): Ipv4[] {
  return size === 16 ? prefixes : singles;
}

export class Holdings {
  readonly #interfaces = new Map<string, HeldInterface>();
  readonly #measures: Measures;
  readonly #timeline: Timeline;
  readonly #name: string;
  #made = 0;

  constructor(name: string, { measures, timeline }: { measures: Measures; timeline: Timeline }) {
    this.#name = name;
    this.#measures = measures;
    this.#timeline = timeline;
  }

  get size(): number {
    return this.#interfaces.size;
  }

  /** A new interface with `count` blocks of a size, all or nothing. */
  create(subnet: SubnetSpace, size: 1 | 16, count: number): Outcome<Granted> {
    const [primary] = subnet.takeAddresses(1) ?? [];
    if (primary === undefined) return refused('subnet-exhausted');
    const blocks = size === 16 ? subnet.takePrefixes(count) : subnet.takeAddresses(count);
    if (blocks === undefined) {
      subnet.give(primary, 1);
      return refused(size === 16 ? 'no-free-prefix' : 'subnet-exhausted');
    }
    this.#made += 1;
    const id = `${this.#name}-${this.#made}`;
    const held = { subnet, primary, singles: [], prefixes: [] };
    blocksOf(held, size).push(...blocks);
    this.#interfaces.set(id, held);
    this.#count(blocks.length * size, 1);
    return ok({ id, primary, blocks });
  }

  assign(id: string, size: 1 | 16, count: number): Outcome<readonly Ipv4[]> {
    const held = this.#interfaces.get(id);
    if (held === undefined) return refused('in-use');
    const blocks = size === 16 ? held.subnet.takePrefixes(count) : held.subnet.takeAddresses(count);
    if (blocks === undefined) return refused(size === 16 ? 'no-free-prefix' : 'subnet-exhausted');
    blocksOf(held, size).push(...blocks);
    this.#count(blocks.length * size, 0);
    return ok(blocks);
  }

  unassign(id: string, blocks: readonly Ipv4[]): void {
    const held = this.#interfaces.get(id);
    if (held === undefined) return;
    for (const size of SIZES) {
      const mine = blocksOf(held, size);
      for (const block of blocks) {
        const place = mine.indexOf(block);
        if (place < 0) continue;
        mine.splice(place, 1);
        this.#give(held, block, size);
      }
    }
  }

  delete(id: string): void {
    const held = this.#interfaces.get(id);
    if (held === undefined) return;
    for (const size of SIZES) for (const block of blocksOf(held, size)) this.#give(held, block, size);
    held.subnet.give(held.primary, 1);
    this.#interfaces.delete(id);
    this.#count(0, -1);
  }

  deleteAll(): void {
    for (const id of this.#interfaces.keys()) this.delete(id);
  }

  #give({ subnet }: HeldInterface, block: Ipv4, size: 1 | 16): void {
    subnet.give(block, size);
    this.#count(-size, 0);
  }

  /** `idle` is all that the node holds; a pod's address is taken off when it gets one. */
  #count(addresses: number, interfaces: number): void {
    this.#measures.idle.change(addresses, this.#timeline.now);
    if (interfaces !== 0) this.#measures.interfaces.change(interfaces, this.#timeline.now);
  }
}
