/**
 * Arithmetic on IPv4 addresses and CIDR blocks.
 *
 * An address in text form is parsed to an unsigned 32-bit number, compared and counted as a number, and written back in
 * dotted-quad form. Blocks of the other family get a module of their own; callers here never look inside a number.
 */

/** An IPv4 address as an unsigned number, 0 to 2^32 - 1. */
export type Ipv4 = number;

/** A CIDR block: its first address and the length of its prefix in bits. */
export interface Ipv4Block {
  readonly base: Ipv4;
  readonly prefixLength: number;
}

/** Reads a dotted quad. Leading zeros, signs, spaces and short forms are refused: `undefined`. */
export function parseIpv4(text: string): Ipv4 | undefined {
  let [value, octet, dots] = [0, NO_DIGIT, 0];
  for (let place = 0; place < text.length; place += 1) {
    const code = text.charCodeAt(place);
    if (code === DOT) {
      if (octet === NO_DIGIT || dots === 3) return undefined;
      value = value * 256 + octet;
      octet = NO_DIGIT;
      dots += 1;
      continue;
    }
    const digit = code - ZERO;
    if (digit < 0 || digit > 9 || octet === 0) return undefined;
    octet = octet === NO_DIGIT ? digit : octet * 10 + digit;
    if (octet > 255) return undefined;
  }
  return dots === 3 && octet !== NO_DIGIT ? value * 256 + octet : undefined;
}

const DOT = 0x2e;
const ZERO = 0x30;
const NO_DIGIT = -1;

/** Reads an address that is known to be well formed; throws RangeError where it is not. */
export function ipv4(text: string): Ipv4 {
  const value = parseIpv4(text);
  if (value === undefined) throw new RangeError(`not an IPv4 address: ${text}`);
  return value;
}

/** Writes an address as a dotted quad. */
export function formatIpv4(address: Ipv4): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** Reads `a.b.c.d/n`. Bits below the prefix must be zero, as EC2 demands of every CIDR; otherwise `undefined`. */
export function parseCidr(text: string): Ipv4Block | undefined {
  const slash = text.indexOf('/');
  const base = slash < 0 ? undefined : parseIpv4(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (base === undefined || !/^(3[0-2]|[12]?\d)$/.test(length)) return undefined;
  const block = { base, prefixLength: Number(length) };
  return base % blockSize(block) === 0 ? block : undefined;
}

/** Reads a CIDR block that is known to be well formed; throws RangeError where it is not. */
export function cidr(text: string): Ipv4Block {
  const block = parseCidr(text);
  if (block === undefined) throw new RangeError(`not an IPv4 CIDR block: ${text}`);
  return block;
}

/** Writes a block as `a.b.c.d/n`. */
export function formatCidr(block: Ipv4Block): string {
  return `${formatIpv4(block.base)}/${block.prefixLength}`;
}

/** How many addresses a block holds, the first and the last included. */
export function blockSize(block: Ipv4Block): number {
  return block.prefixLength === 0 ? 2 ** 32 : (1 << (32 - block.prefixLength)) >>> 0;
}

/** Whether an address lies in a block. */
export function contains(block: Ipv4Block, address: Ipv4): boolean {
  return address >= block.base && address < block.base + blockSize(block);
}

/** Whether two blocks have an address in common; one of them then holds the other. */
export function overlaps(a: Ipv4Block, b: Ipv4Block): boolean {
  return a.prefixLength <= b.prefixLength ? contains(a, b.base) : contains(b, a.base);
}

/** The address at a position in a block, counted from 0; throws RangeError outside it. */
export function nthAddress(block: Ipv4Block, position: number): Ipv4 {
  if (!Number.isInteger(position) || position < 0 || position >= blockSize(block)) {
    throw new RangeError(`${formatCidr(block)} has no address number ${position}`);
  }
  return block.base + position;
}

/** Order of two addresses, for sorting: negative, zero or positive. */
export function compareIpv4(a: Ipv4, b: Ipv4): number {
  return a - b;
}

/** Order of two blocks by first address, then the larger block first. */
export function compareBlocks(a: Ipv4Block, b: Ipv4Block): number {
  return compareIpv4(a.base, b.base) || a.prefixLength - b.prefixLength;
}
