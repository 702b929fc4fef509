/** Address blocks as nf_tables' interval sets hold them: sorted points where membership begins and ends. Pure. */
import { isIPv4, isIPv6 } from 'node:net';
import { DatapathError } from '../datapath.ts';
import { addressBytes, hostPrefixLength, type IpFamily } from '../ip.ts';

/** Where an interval begins, or the first address after it. */
export interface IntervalPoint {
  readonly address: Buffer;
  readonly isEnd: boolean;
}

/** The first address of a block and the one after its last, as numbers; the latter may be the end of the address space. */
interface Range {
  readonly first: bigint;
  readonly end: bigint;
}

/**
 * The points of the union of all blocks, which are of one family. Blocks that overlap or touch become one interval, because
 * the kernel refuses overlaps. An interval that reaches the last address has no end point; where the first begins after the
 * first address, an end point stands there, as `nft` has it. Throws `DatapathError` for text that is no block of the family.
 */
export function intervalPoints(cidrs: readonly string[], family: IpFamily = 'ipv4'): readonly IntervalPoint[] {
  const bits = hostPrefixLength(family);
  const ranges = cidrs.map((cidr) => rangeOf(cidr, family)).toSorted((a, b) => (a.first < b.first ? -1 : 1));
  const merged: { first: bigint; end: bigint }[] = [];
  for (const range of ranges) {
    const previous = merged.at(-1);
    if (previous === undefined || range.first > previous.end) merged.push({ ...range });
    else if (range.end > previous.end) previous.end = range.end;
  }
  const point = (value: bigint, isEnd: boolean): IntervalPoint => ({ address: bytesOf(value, bits), isEnd });
  const points = merged.flatMap(({ first, end }) => [
    point(first, false),
    ...(end === 1n << BigInt(bits) ? [] : [point(end, true)]),
  ]);
  return merged[0] === undefined || merged[0].first === 0n ? points : [point(0n, true), ...points];
}

/** Host bits may be set. */
function rangeOf(cidr: string, family: IpFamily): Range {
  const bits = hostPrefixLength(family);
  const [address = '', length = '', ...rest] = cidr.split('/');
  const isAddress = family === 'ipv4' ? isIPv4(address) : isIPv6(address) && !address.includes('%');
  if (!isAddress || !/^\d{1,3}$/.test(length) || Number(length) > bits || rest.length > 0) {
    const name = family === 'ipv4' ? 'IPv4' : 'IPv6';
    throw new DatapathError('kernel-refused', `not an ${name} CIDR: ${JSON.stringify(cidr)}`);
  }
  const size = 1n << BigInt(bits - Number(length));
  const value = BigInt(`0x${addressBytes(address).toString('hex')}`);
  const first = value - (value % size);
  return { first, end: first + size };
}

function bytesOf(value: bigint, bits: number): Buffer {
  return Buffer.from(value.toString(16).padStart(bits / 4, '0'), 'hex');
}
