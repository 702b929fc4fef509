import { Address4, Address6 } from 'ip-address';

/** An IPv4 block: `base` is the network address as an unsigned 32-bit number. */
export interface Cidr4 {
  readonly base: number;
  readonly length: number;
}

/** An IPv6 block: `base` is the network address as an unsigned 128-bit number. */
export interface Cidr6 {
  readonly base: bigint;
  readonly length: number;
}

const ALL_ONES_6 = (1n << 128n) - 1n;

/** The number of addresses in the block. */
export function sizeOf4(cidr: Cidr4): number {
  return 2 ** (32 - cidr.length);
}

/** The block with its host bits cleared, as EC2 does; `undefined` where the text is no CIDR with a mask. */
export function parseCidr4(text: string): Cidr4 | undefined {
  const [address, mask] = splitCidr(text);
  const base = address === undefined ? undefined : parseAddress4(address);
  const length = parseMask(mask, 32);
  if (base === undefined || length === undefined) return undefined;
  const size = 2 ** (32 - length);
  return { base: Math.floor(base / size) * size, length };
}

export function parseCidr6(text: string): Cidr6 | undefined {
  const [address, mask] = splitCidr(text);
  const base = address === undefined ? undefined : parseAddress6(address);
  const length = parseMask(mask, 128);
  if (base === undefined || length === undefined) return undefined;
  return { base: base & (ALL_ONES_6 ^ (ALL_ONES_6 >> BigInt(length))), length };
}

export function parseAddress4(text: string): number | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text) || !Address4.isValid(text)) return undefined;
  return Number(new Address4(text).bigInt());
}

export function parseAddress6(text: string): bigint | undefined {
  if (text.includes('/') || text.includes('%') || !Address6.isValid(text)) return undefined;
  return new Address6(text).bigInt();
}

export function formatAddress4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** RFC 5952 text. */
export function formatAddress6(address: bigint): string {
  return Address6.fromBigInt(address).correctForm();
}

export function formatCidr4(cidr: Cidr4): string {
  return `${formatAddress4(cidr.base)}/${cidr.length}`;
}

export function formatCidr6(cidr: Cidr6): string {
  return `${formatAddress6(cidr.base)}/${cidr.length}`;
}

export function contains4(outer: Cidr4, inner: Cidr4): boolean {
  return inner.base >= outer.base && inner.base + sizeOf4(inner) <= outer.base + sizeOf4(outer);
}

export function overlaps4(one: Cidr4, other: Cidr4): boolean {
  return one.base < other.base + sizeOf4(other) && other.base < one.base + sizeOf4(one);
}

export function contains6(outer: Cidr6, inner: Cidr6): boolean {
  const shift = BigInt(128 - outer.length);
  return inner.length >= outer.length && inner.base >> shift === outer.base >> shift;
}

export function overlaps6(one: Cidr6, other: Cidr6): boolean {
  return contains6(one, other) || contains6(other, one);
}

function splitCidr(text: string): readonly [string | undefined, string | undefined] {
  const parts = text.split('/');
  return parts.length === 2 ? [parts[0], parts[1]] : [undefined, undefined];
}

function parseMask(text: string | undefined, longest: number): number | undefined {
  if (text === undefined || !/^\d{1,3}$/.test(text)) return undefined;
  const length = Number(text);
  return length <= longest ? length : undefined;
}
