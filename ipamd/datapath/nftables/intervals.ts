/** Address blocks as nf_tables' interval sets hold them: sorted points where membership begins and ends. Pure. */
import { ipv4Bytes, ipv4FromNumber, ipv4Range, parseIpv4Cidr } from '../ipv4.ts';

/** Where an interval begins, or the first address after it. */
export interface IntervalPoint {
  readonly address: Buffer;
  readonly isEnd: boolean;
}

const ADDRESS_SPACE_END = 2 ** 32;

/**
 * The points of the union of all blocks. Blocks that overlap or touch become one interval, because the kernel refuses
 * overlaps. An interval that reaches 255.255.255.255 has no end point; where the first begins after 0.0.0.0, an end point
 * stands there, as `nft` has it.
 */
export function intervalPoints(cidrs: readonly string[]): readonly IntervalPoint[] {
  const ranges = cidrs.map((cidr) => ipv4Range(parseIpv4Cidr(cidr))).toSorted((a, b) => a.first - b.first);
  const merged: { first: number; end: number }[] = [];
  for (const range of ranges) {
    const previous = merged.at(-1);
    if (previous !== undefined && range.first <= previous.end) previous.end = Math.max(previous.end, range.end);
    else merged.push({ ...range });
  }
  const points = merged.flatMap(({ first, end }) => [
    point(first, false),
    ...(end === ADDRESS_SPACE_END ? [] : [point(end, true)]),
  ]);
  return merged[0] === undefined || merged[0].first === 0 ? points : [point(0, true), ...points];
}

function point(value: number, isEnd: boolean): IntervalPoint {
  return { address: ipv4Bytes(ipv4FromNumber(value)), isEnd };
}
