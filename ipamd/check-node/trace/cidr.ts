/** Whether addresses lie within prefixes, of either family. Pure. */
import { isIPv4, isIPv6 } from 'node:net';
import { addressBytes } from '../../datapath/ip.ts';

/** An address without a zone, of either family. */
export function isAddress(text: string): boolean {
  return isIPv4(text) || (isIPv6(text) && !text.includes('%'));
}

/** False for an address of the other family. */
export function within(address: string, prefix: string, prefixLength: number): boolean {
  const [a, b] = [addressBytes(address), addressBytes(prefix)];
  if (a.length !== b.length) return false;
  const whole = prefixLength >> 3;
  if (a.compare(b, 0, whole, 0, whole) !== 0) return false;
  const mask = (0xff00 >> (prefixLength & 7)) & 0xff;
  return ((a[whole] ?? 0) & mask) === ((b[whole] ?? 0) & mask);
}

/** The same of `ADDRESS/LENGTH`. */
export function withinCidr(address: string, cidr: string): boolean {
  const [prefix = '', length = ''] = cidr.split('/');
  return within(address, prefix, Number(length));
}

/** Whether `address` lies from `first` to `last`, both included; false for addresses of the other family. */
export function between(address: string, first: string, last: string): boolean {
  const [a, low, high] = [addressBytes(address), addressBytes(first), addressBytes(last)];
  return a.length === low.length && a.length === high.length && a.compare(low) >= 0 && a.compare(high) <= 0;
}
