/**
 * Arithmetic on IPv6 addresses as far as the pool needs it: /80 prefixes, the one size that EC2 gives to an interface,
 * and the addresses in them. An address is its prefix and a position of 48 bits, which a number holds exactly.
 */

/** Bits of the prefix; the rest of an address is its position. */
export const IPV6_PREFIX_LENGTH = 80;

/** Positions in a /80, the first one included. */
export const IPV6_PREFIX_SIZE = 2 ** (128 - IPV6_PREFIX_LENGTH);

/** An address, taken apart. */
export interface Ipv6 {
  /** The upper 80 bits as five groups of hexadecimal digits; equal texts are equal prefixes. */
  readonly network: string;
  /** The lower 48 bits, 0 to 2^48 - 1. */
  readonly position: number;
}

const NETWORK_GROUPS = IPV6_PREFIX_LENGTH / 16;
const GROUP = /^[0-9a-f]{1,4}$/i;

/** Reads an address in any of the forms of RFC 4291, section 2.2, without zone; `undefined` where it is none. */
export function parseIpv6(text: string): Ipv6 | undefined {
  const groups = groupsOf(text);
  if (groups === undefined) return undefined;
  const [high = 0, middle = 0, low = 0] = groups.slice(NETWORK_GROUPS);
  return {
    network: groups.slice(0, NETWORK_GROUPS).map(hex).join(':'),
    position: high * 2 ** 32 + middle * 2 ** 16 + low,
  };
}

/** Writes an address as RFC 5952, section 4, recommends: the one text by which it is compared. */
export function formatIpv6({ network, position }: Ipv6): string {
  const host = [Math.floor(position / 2 ** 32), Math.floor(position / 2 ** 16) % 2 ** 16, position % 2 ** 16];
  return compressed([...network.split(':'), ...host.map(hex)]);
}

/** The canonical text of an address, IPv6 or not; what is no IPv6 address is returned as it is. */
export function canonicalIpv6(text: string): string {
  const address = parseIpv6(text);
  return address === undefined ? text : formatIpv6(address);
}

/** Reads `2001:db8::/80`; the positions must be zero. `undefined` for every other length: EC2 gives no other. */
export function parseIpv6Prefix(text: string): Ipv6 | undefined {
  const [address = '', length, ...rest] = text.split('/');
  if (rest.length > 0 || length !== String(IPV6_PREFIX_LENGTH)) return undefined;
  const base = parseIpv6(address);
  return base?.position === 0 ? base : undefined;
}

/** Reads a /80 that is known to be well formed; throws RangeError where it is not. */
export function ipv6Prefix(text: string): Ipv6 {
  const prefix = parseIpv6Prefix(text);
  if (prefix === undefined) throw new RangeError(`not an IPv6 prefix of length ${IPV6_PREFIX_LENGTH}: ${text}`);
  return prefix;
}

/** Writes the /80 of an address. */
export function formatIpv6Prefix({ network }: Pick<Ipv6, 'network'>): string {
  return `${formatIpv6({ network, position: 0 })}/${IPV6_PREFIX_LENGTH}`;
}

/** Whether a text is meant as IPv6 rather than IPv4: an address or a CIDR. */
export function isIpv6Text(text: string): boolean {
  return text.includes(':');
}

function groupsOf(text: string): readonly number[] | undefined {
  const [head = '', tail, ...rest] = withoutDottedQuad(text).split('::');
  if (rest.length > 0) return undefined;
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = 8 - left.length - right.length;
  if (tail === undefined ? zeros !== 0 : zeros < 1) return undefined;
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return groups.every((group) => GROUP.test(group)) ? groups.map((group) => Number.parseInt(group, 16)) : undefined;
}

/** `::ffff:10.0.0.1` as `::ffff:a00:1`. */
function withoutDottedQuad(text: string): string {
  const match = /^(.*:)(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})\.(0|[1-9]\d{0,2})$/.exec(text);
  if (match === null) return text;
  const [a = 0, b = 0, c = 0, d = 0] = match.slice(2).map(Number);
  return Math.max(a, b, c, d) > 255 ? text : `${match[1]}${hex(a * 256 + b)}:${hex(c * 256 + d)}`;
}

function compressed(groups: readonly string[]): string {
  let [start, length] = [-1, 1];
  for (let from = 0; from < groups.length; from += 1) {
    let to = from;
    while (groups[to] === '0') to += 1;
    // Of several runs the longest, of equal ones the first; a single group is not shortened (RFC 5952, 4.2).
    if (to - from > length) [start, length] = [from, to - from];
  }
  if (start < 0) return groups.join(':');
  return `${groups.slice(0, start).join(':')}::${groups.slice(start + length).join(':')}`;
}

function hex(group: number): string {
  return group.toString(16);
}
