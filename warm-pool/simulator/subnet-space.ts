/** The addresses of one subnet as nodes share them: which are taken, how many are free, how many aligned /28 blocks are whole. */

import { type Ipv4, type Ipv4Block, blockSize } from '../address.ts';
import { between, type Random } from './random.ts';

const PREFIX_SIZE = 16;
/** EC2 keeps the first four addresses of a subnet and the last (VPC user guide, "Subnet sizing"). */
const RESERVED_FIRST = 4;

/** `lowest` packs; `random` is how EC2's choice looks from outside, and what fragments a subnet. */
export type AddressPlacement = 'lowest' | 'random';

export class SubnetSpace {
  readonly id: string;
  readonly size: number;
  readonly range: Ipv4Block;
  readonly #base: Ipv4;
  readonly #taken: Uint8Array;
  /** Taken addresses by /28. */
  readonly #used: Uint8Array;
  readonly #placement: AddressPlacement;
  readonly #random: Random;
  #free: number;
  #freeBlocks: number;

  /** A subnet must be /28 or larger. */
  constructor(id: string, range: Ipv4Block, placement: AddressPlacement, random: Random) {
    this.id = id;
    this.size = blockSize(range);
    this.range = range;
    this.#base = range.base;
    this.#taken = new Uint8Array(this.size);
    this.#used = new Uint8Array(this.size / PREFIX_SIZE);
    this.#placement = placement;
    this.#random = random;
    this.#free = this.size;
    this.#freeBlocks = this.#used.length;
    for (let offset = 0; offset < RESERVED_FIRST; offset += 1) this.#mark(offset);
    this.#mark(this.size - 1);
  }

  /** AvailableIpAddressCount. */
  get free(): number {
    return this.#free;
  }

  /** Aligned /28 blocks of which nothing is taken. */
  get freeBlocks(): number {
    return this.#freeBlocks;
  }

  /** Part of the free addresses, 0 to 1, that lies in no whole /28; 0 in a full subnet. */
  get fragmentation(): number {
    return this.#free === 0 ? 0 : 1 - (this.#freeBlocks * PREFIX_SIZE) / this.#free;
  }

  /** Takes single addresses; undefined, and nothing is taken, where there are not that many. */
  takeAddresses(count: number): readonly Ipv4[] | undefined {
    if (count > this.#free) return undefined;
    const chosen: Ipv4[] = [];
    for (let n = 0; n < count; n += 1) {
      const offset = this.#nextFree(this.#start(this.size));
      this.#mark(offset);
      chosen.push(this.#base + offset);
    }
    return chosen;
  }

  /** Takes whole /28 blocks; undefined, and nothing is taken, where there are not that many. */
  takePrefixes(count: number): readonly Ipv4[] | undefined {
    if (count > this.#freeBlocks) return undefined;
    const chosen: Ipv4[] = [];
    for (let n = 0; n < count; n += 1) {
      let block = this.#start(this.#used.length);
      while (this.#used[block] !== 0) block = (block + 1) % this.#used.length;
      const offset = block * PREFIX_SIZE;
      this.#taken.fill(1, offset, offset + PREFIX_SIZE);
      this.#used[block] = PREFIX_SIZE;
      this.#free -= PREFIX_SIZE;
      this.#freeBlocks -= 1;
      chosen.push(this.#base + offset);
    }
    return chosen;
  }

  /** Takes back `size` addresses from `address` on; those that are free already stay free. */
  give(address: Ipv4, size: number): void {
    for (let offset = address - this.#base; offset < address - this.#base + size; offset += 1) {
      if (this.#taken[offset] !== 1) continue;
      this.#taken[offset] = 0;
      this.#free += 1;
      const block = Math.floor(offset / PREFIX_SIZE);
      this.#used[block] = (this.#used[block] ?? 1) - 1;
      if (this.#used[block] === 0) this.#freeBlocks += 1;
    }
  }

  #start(bound: number): number {
    return this.#placement === 'lowest' ? 0 : between(this.#random, 0, bound - 1);
  }

  #nextFree(from: number): number {
    let offset = from;
    while (this.#taken[offset] === 1) {
      const block = offset >>> 4;
      offset = this.#used[block] === PREFIX_SIZE ? (block + 1) * PREFIX_SIZE : offset + 1;
      if (offset >= this.size) offset = 0;
    }
    return offset;
  }

  #mark(offset: number): void {
    const block = offset >>> 4;
    if (this.#used[block] === 0) this.#freeBlocks -= 1;
    this.#taken[offset] = 1;
    this.#used[block] = (this.#used[block] ?? 0) + 1;
    this.#free -= 1;
  }
}
