/** Addresses of both families as text and as the bytes of the kernel's messages. Pure. */
import { isIPv4, isIPv6 } from 'node:net';
import { DatapathError } from './datapath.ts';
import { ipv4Text } from './ipv4.ts';
import { AF_INET, AF_INET6 } from './netlink/constants.ts';
import { NetlinkDecodeError } from './netlink/errors.ts';

/** A family of addresses. */
export type IpFamily = 'ipv4' | 'ipv6';

export const IP_FAMILIES: readonly IpFamily[] = ['ipv4', 'ipv6'];

const GROUPS = 8;
const IPV6_BYTES = 16;

/** An address that has been read. */
export interface ParsedAddress {
  readonly family: IpFamily;
  /** Four or sixteen, in network order; not to be written to. */
  readonly bytes: Uint8Array;
  /** As the kernel's answers spell it. */
  readonly text: string;
}

/** Gateways and the node's own addresses are asked for with every pod, a pod's own some ten times while it is made. */
const parsed = new Map<string, ParsedAddress>();
const MOST_PARSED = 512;

/** Throws `DatapathError` for text that is no IP address (a zone, `%eth0`, is not part of an address). */
export function parseAddress(address: string): ParsedAddress {
  const before = parsed.get(address);
  if (before !== undefined) return before;
  const now = parse(address);
  if (parsed.size >= MOST_PARSED) parsed.clear();
  parsed.set(address, now);
  return now;
}

function parse(address: string): ParsedAddress {
  // What Node calls IPv4 has one spelling.
  if (isIPv4(address)) return { family: 'ipv4', bytes: Buffer.from(address.split('.').map(Number)), text: address };
  if (!isIPv6(address) || address.includes('%'))
    throw new DatapathError('kernel-refused', `not an IP address: ${JSON.stringify(address)}`);
  const bytes = ipv6Bytes(address);
  return { family: 'ipv6', bytes, text: ipv6Text(bytes) };
}

/** The family of an address. Throws `DatapathError` as `parseAddress`. */
export function familyOf(address: string): IpFamily {
  return parseAddress(address).family;
}

/** sys/socket.h: AF_INET or AF_INET6. */
export function addressFamily(family: IpFamily): number {
  return family === 'ipv4' ? AF_INET : AF_INET6;
}

/** The family of a kernel message; undefined for those of other protocols (MPLS, bridges, multicast routing). */
export function familyOfNumber(number: number | undefined): IpFamily | undefined {
  if (number === AF_INET) return 'ipv4';
  return number === AF_INET6 ? 'ipv6' : undefined;
}

/** The prefix length of a single address: 32 or 128. */
export function hostPrefixLength(family: IpFamily): number {
  return family === 'ipv4' ? 32 : 128;
}

/** `0.0.0.0` or `::`, the destination of a default route. */
export function anyAddress(family: IpFamily): string {
  return family === 'ipv4' ? '0.0.0.0' : '::';
}

/** Four or sixteen bytes in network order. Throws `DatapathError` for text that is no IP address. */
export function addressBytes(address: string): Buffer {
  return Buffer.from(parseAddress(address).bytes);
}

/** Text of an address; IPv6 as RFC 5952 has it. Throws `NetlinkDecodeError` for any number of bytes but 4 and 16. */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return ipv4Text(bytes);
  if (bytes.length === IPV6_BYTES) return ipv6Text(bytes);
  throw new NetlinkDecodeError(`address of ${bytes.length} bytes`);
}

/** The one way in which the kernel's answers spell this address. Throws `DatapathError` for text that is no IP address. */
export function canonicalAddress(address: string): string {
  return parseAddress(address).text;
}

function ipv6Bytes(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const first = groupsOf(head);
  const last = tail === undefined ? [] : groupsOf(tail);
  const zeros = Array.from({ length: GROUPS - first.length - last.length }, () => 0);
  return Buffer.from([...first, ...zeros, ...last].flatMap((group) => [group >> 8, group & 0xff]));
}

/** Groups of 16 bits; the last two may be written as an IPv4 address (RFC 4291 section 2.2). */
function groupsOf(text: string): readonly number[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [Number.parseInt(group, 16)];
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number);
    return [a * 256 + b, c * 256 + d];
  });
}

/** The longest run of at least two zero groups is shortened, the first of equals. */
function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: GROUPS }, (_, at) => (bytes[2 * at] ?? 0) * 256 + (bytes[2 * at + 1] ?? 0));
  let start = 0;
  let length = 1;
  for (let at = 0; at < GROUPS; at += 1) {
    let end = at;
    while (end < GROUPS && groups[end] === 0) end += 1;
    if (end - at > length) [start, length] = [at, end - at];
  }
  const words = groups.map((group) => group.toString(16));
  if (length < 2) return words.join(':');
  return `${words.slice(0, start).join(':')}::${words.slice(start + length).join(':')}`;
}
