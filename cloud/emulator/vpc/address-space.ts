/**
 * The free and used addresses of one subnet as a bitmap, one bit an address. Values are never changed in place: a change
 * copies the bitmap (8 KiB for a /16, under a microsecond), so that a state that failed to become is simply dropped.
 */
export interface AddressSpace {
  readonly size: number;
  readonly words: Uint32Array;
  readonly free: number;
}

/** A run of addresses; offsets count from the first address of the subnet. */
export interface AddressRange {
  readonly offset: number;
  readonly size: number;
}

/** How an automatic choice starts: at 0 for the lowest free address, anywhere for a random one. */
export type StartingPoint = (size: number) => number;

/** A /28 prefix. */
export const PREFIX_SIZE = 16;

/** A space of `size` addresses, a multiple of 16, all free. */
export function emptySpace(size: number): AddressSpace {
  return { size, words: new Uint32Array(Math.ceil(size / 32)), free: size };
}

export function isFree(space: AddressSpace, range: AddressRange): boolean {
  for (let offset = range.offset; offset < range.offset + range.size; offset += 1) {
    if (isUsed(space.words, offset)) return false;
  }
  return true;
}

/** Marks ranges as used. They must be free, and disjoint. */
export function claim(space: AddressSpace, ranges: readonly AddressRange[]): AddressSpace {
  return mark(space, ranges, true);
}

/** Marks ranges as free. They must be in use. */
export function release(space: AddressSpace, ranges: readonly AddressRange[]): AddressSpace {
  return mark(space, ranges, false);
}

/** Chooses `count` free addresses outside of `avoid`; `undefined` where there are not that many. Claims nothing. */
export function chooseAddresses(
  space: AddressSpace,
  count: number,
  avoid: readonly AddressRange[],
  start: StartingPoint,
): readonly AddressRange[] | undefined {
  const words = space.words.slice();
  const chosen: AddressRange[] = [];
  let from = start(space.size);
  while (chosen.length < count) {
    const offset = nextFree(words, space.size, from, avoid) ?? nextFree(words, from, 0, avoid);
    if (offset === undefined) return undefined;
    words[offset >>> 5]! |= 1 << (offset & 31);
    chosen.push({ offset, size: 1 });
    from = start(space.size) || offset;
  }
  return chosen;
}

/** Chooses `count` aligned, wholly free /28 blocks: those in `prefer` first, none that touches `avoid`. Claims nothing. */
export function choosePrefixes(
  space: AddressSpace,
  count: number,
  prefer: readonly AddressRange[],
  avoid: readonly AddressRange[],
  start: StartingPoint,
): readonly AddressRange[] | undefined {
  return chooseAligned(space, PREFIX_SIZE, count, prefer, avoid, start);
}

/** The same for blocks of any size that divides 32. */
export function chooseAligned(
  space: AddressSpace,
  blockSize: number,
  count: number,
  prefer: readonly AddressRange[],
  avoid: readonly AddressRange[],
  start: StartingPoint,
): readonly AddressRange[] | undefined {
  const blocks = space.size / blockSize;
  const first = Math.floor(start(space.size) / blockSize);
  const chosen: AddressRange[] = [];
  const others: AddressRange[] = [];
  for (let step = 0; step < blocks && chosen.length < count; step += 1) {
    const range = { offset: ((first + step) % blocks) * blockSize, size: blockSize };
    if (!isBlockFree(space.words, range)) continue;
    if (prefer.some((wanted) => within(wanted, range))) chosen.push(range);
    else if (!avoid.some((banned) => overlap(banned, range)) && others.length < count) others.push(range);
    if (prefer.length === 0 && others.length === count) break;
  }
  chosen.push(...others.slice(0, count - chosen.length));
  return chosen.length === count ? chosen : undefined;
}

export function overlap(one: AddressRange, other: AddressRange): boolean {
  return one.offset < other.offset + other.size && other.offset < one.offset + one.size;
}

function within(outer: AddressRange, inner: AddressRange): boolean {
  return inner.offset >= outer.offset && inner.offset + inner.size <= outer.offset + outer.size;
}

function isUsed(words: Uint32Array, offset: number): boolean {
  return ((words[offset >>> 5]! >>> (offset & 31)) & 1) === 1;
}

/** For an aligned block that lies in one word. */
function isBlockFree(words: Uint32Array, block: AddressRange): boolean {
  return ((words[block.offset >>> 5]! >>> (block.offset & 31)) & (2 ** block.size - 1)) === 0;
}

function mark(space: AddressSpace, ranges: readonly AddressRange[], used: boolean): AddressSpace {
  const words = space.words.slice();
  let changed = 0;
  for (const range of ranges) {
    for (let offset = range.offset; offset < range.offset + range.size; offset += 1) {
      if (isUsed(words, offset) === used)
        throw new RangeError(`address ${offset} is ${used ? 'not free' : 'not in use'}`);
      words[offset >>> 5]! ^= 1 << (offset & 31);
      changed += 1;
    }
  }
  return { size: space.size, words, free: space.free + (used ? -changed : changed) };
}

/** The first free address in [from, end) outside of `avoid`. Full words are passed over 32 addresses at a time. */
function nextFree(words: Uint32Array, end: number, from: number, avoid: readonly AddressRange[]): number | undefined {
  let offset = from;
  while (offset < end) {
    if ((offset & 31) === 0 && words[offset >>> 5] === 0xffffffff) {
      offset += 32;
      continue;
    }
    const candidate = offset;
    const banned = avoid.find((range) => candidate >= range.offset && candidate < range.offset + range.size);
    if (banned !== undefined) offset = banned.offset + banned.size;
    else if (isUsed(words, offset)) offset += 1;
    else return offset;
  }
  return undefined;
}
