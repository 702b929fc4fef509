/** The peer's data store on one node: interfaces, their blocks, who has which address. Changed in place, as the peer's is. */

import type { Ipv4 } from '../address.ts';
import type { AllocationMode } from '../model.ts';
import type { PeerPool } from './peer-rules.ts';
import { between, type Random } from './random.ts';

export interface PeerBlock {
  readonly address: Ipv4;
  readonly size: 1 | 16;
  /** Who has each position; undefined for nobody. */
  readonly holders: (number | undefined)[];
  /** When each position was given back; absent where it never was, or has been given out since. */
  readonly returnedAt: Map<number, number>;
  assigned: number;
}

export interface PeerInterface {
  readonly id: string;
  readonly isPrimary: boolean;
  readonly createdAt: number;
  blocks: PeerBlock[];
}

interface Place {
  readonly block: PeerBlock;
  readonly position: number;
}

export class PeerStore {
  readonly interfaces: PeerInterface[] = [];
  readonly #places = new Map<number, Place>();
  readonly #coolDownMs: number;
  readonly #random: Random;

  constructor(coolDownMs: number, random: Random) {
    this.#coolDownMs = coolDownMs;
    this.#random = random;
  }

  get assigned(): number {
    return this.#places.size;
  }

  counts(mode: AllocationMode): PeerPool {
    let [total, prefixes, freePrefixes] = [0, 0, 0];
    for (const { blocks } of this.interfaces) {
      for (const block of blocks) {
        total += block.size;
        if (mode !== 'prefix') continue;
        prefixes += 1;
        if (block.assigned === 0) freePrefixes += 1;
      }
    }
    return { total, assigned: this.assigned, prefixes, freePrefixes };
  }

  /** Interfaces and blocks in an order of chance, as maps of Go are walked. False where no address can be given out. */
  assign(pod: number, now: number): boolean {
    if (this.#places.has(pod)) return true;
    for (const { blocks } of this.#walk(this.interfaces)) {
      for (const block of this.#walk(blocks)) {
        const position = this.#positionIn(block, now);
        if (position === undefined) continue;
        block.holders[position] = pod;
        block.returnedAt.delete(position);
        block.assigned += 1;
        this.#places.set(pod, { block, position });
        return true;
      }
    }
    return false;
  }

  /** False for a pod that has no address. */
  unassign(pod: number, now: number): boolean {
    const place = this.#places.get(pod);
    if (place === undefined) return false;
    this.#places.delete(pod);
    place.block.holders[place.position] = undefined;
    place.block.assigned -= 1;
    place.block.returnedAt.set(place.position, now);
    return true;
  }

  /** Whether any address of an interface rests. */
  isCooling({ blocks }: PeerInterface, now: number): boolean {
    return blocks.some(({ returnedAt }) => [...returnedAt.values()].some((at) => now - at <= this.#coolDownMs));
  }

  *#walk<T>(items: readonly T[]): Generator<T> {
    const first = items.length === 0 ? 0 : between(this.#random, 0, items.length - 1);
    for (let step = 0; step < items.length; step += 1) yield items[(first + step) % items.length] as T;
  }

  /** One that was in use and has rested is taken before one that never was. */
  #positionIn(block: PeerBlock, now: number): number | undefined {
    if (block.assigned === block.size) return undefined;
    for (const [position, at] of block.returnedAt) {
      if (block.holders[position] === undefined && now - at > this.#coolDownMs) return position;
    }
    for (let position = 0; position < block.size; position += 1) {
      if (block.holders[position] === undefined && !block.returnedAt.has(position)) return position;
    }
    return undefined;
  }
}

export function peerBlock(address: Ipv4, size: 1 | 16): PeerBlock {
  return { address, size, holders: Array.from({ length: size }, () => undefined), returnedAt: new Map(), assigned: 0 };
}
