/**
 * Token bucket queueing disciplines: linux/pkt_sched.h, behind struct tcmsg {u8 family, u8 pad, u16 pad, i32 index, u32 handle,
 * u32 parent, u32 info} of linux/rtnetlink.h. Pure.
 */
import {
  attribute,
  decodeAttributes,
  plainNestedAttribute,
  readText,
  textAttribute,
  u32Attribute,
} from '../netlink/attributes.ts';
import { NLM_F } from '../netlink/constants.ts';
import { NetlinkDecodeError } from '../netlink/errors.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import type { TokenBucket } from './limits.ts';

const RTM = { newQdisc: 36, getQdisc: 38 } as const;
const HEADER_LENGTH = 20;
const TC_H_ROOT = 0xffff_ffff;
const TCA = { kind: 1, options: 2 } as const;
const TCA_TBF = { parameters: 1, rate64: 4, burst: 6 } as const;
/** struct tc_tbf_qopt: two struct tc_ratespec of 12 bytes, then u32 limit, buffer and mtu. */
const PARAMETERS_LENGTH = 36;
const U32_MAX = 0xffff_ffff;
/** PSCHED_SHIFT: the kernel's tick is 64 ns, 15.625 of them a microsecond. */
const TICKS_A_MICROSECOND = 15.625;

function header(link: number, parent: number): Buffer {
  const bytes = Buffer.alloc(HEADER_LENGTH);
  bytes.writeInt32LE(link, 4);
  bytes.writeUInt32LE(parent, 12);
  return bytes;
}

/** The time that a full bucket takes to fill, in ticks; the kernel takes it from TCA_TBF_BURST, where that is known to it. */
function bufferTicks({ rate, burst }: TokenBucket): number {
  const microseconds = Math.floor((1e6 * burst) / Math.min(rate, U32_MAX));
  return Math.min(Math.floor(microseconds * TICKS_A_MICROSECOND), U32_MAX);
}

/** struct tc_ratespec as tc fills it for Ethernet: cell size 8, no overhead; and the rate, as far as it fits. */
function parameters(bucket: TokenBucket): Buffer {
  const bytes = Buffer.alloc(PARAMETERS_LENGTH);
  bytes.writeUInt8(3, 0);
  bytes.writeUInt8(1, 1);
  bytes.writeInt16LE(-1, 4);
  bytes.writeUInt32LE(Math.min(bucket.rate, U32_MAX), 8);
  bytes.writeUInt32LE(bucket.queue, 24);
  bytes.writeUInt32LE(bufferTicks(bucket), 28);
  return bytes;
}

function rate64({ rate }: TokenBucket): readonly Buffer[] {
  if (rate <= U32_MAX) return [];
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(rate));
  return [attribute(TCA_TBF.rate64, bytes)];
}

/**
 * Puts a token bucket before a link, in the place of whatever is there. The table of transmission times that tc sends along
 * is left out: the kernel has not read it since 3.8, where the link layer is given.
 */
export function replaceTokenBucket(link: number, bucket: TokenBucket, label: string): NetlinkRequest {
  const options = plainNestedAttribute(TCA.options, [
    attribute(TCA_TBF.parameters, parameters(bucket)),
    u32Attribute(TCA_TBF.burst, bucket.burst),
    ...rate64(bucket),
  ]);
  const body = Buffer.concat([header(link, TC_H_ROOT), textAttribute(TCA.kind, 'tbf'), options]);
  const what = `tc qdisc replace dev ${label} root ${bucketText(bucket)}`;
  return { type: RTM.newQdisc, flags: NLM_F.create | NLM_F.replace, body, what };
}

/** A bucket in words of tc. */
export function bucketText({ rate, burst, queue }: TokenBucket): string {
  return `tbf rate ${rate * 8}bit burst ${burst}b limit ${queue}b`;
}

/** Asks for the queueing disciplines of all links. */
export function dumpQdiscs(): NetlinkRequest {
  return { type: RTM.getQdisc, flags: 0, body: header(0, 0), what: 'tc qdisc show' };
}

/** A queueing discipline as the kernel shows it. */
export interface Qdisc {
  readonly link: number;
  readonly isRoot: boolean;
  readonly kind: string;
  /** Of a token bucket; the burst is exact to a tick's worth of bytes, and 2^32 ticks at most. */
  readonly bucket: TokenBucket | undefined;
}

/** Reads the body of RTM_NEWQDISC. Throws `NetlinkDecodeError`. */
export function decodeQdisc(body: Buffer): Qdisc {
  if (body.length < HEADER_LENGTH) throw new NetlinkDecodeError(`qdisc message of ${body.length} bytes`);
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  const kind = readText(attributes, TCA.kind) ?? '';
  return {
    link: body.readInt32LE(4),
    isRoot: body.readUInt32LE(12) === TC_H_ROOT,
    kind,
    bucket: kind === 'tbf' ? decodeBucket(attributes.get(TCA.options)) : undefined,
  };
}

function decodeBucket(options: Buffer | undefined): TokenBucket | undefined {
  const attributes = decodeAttributes(options ?? Buffer.alloc(0));
  const bytes = attributes.get(TCA_TBF.parameters);
  if (bytes === undefined || bytes.length < PARAMETERS_LENGTH) return undefined;
  const large = attributes.get(TCA_TBF.rate64);
  const rate = large?.length === 8 ? Number(large.readBigUInt64LE()) : bytes.readUInt32LE(8);
  const burst = Math.round((bytes.readUInt32LE(28) / TICKS_A_MICROSECOND / 1e6) * rate);
  return { rate, burst, queue: bytes.readUInt32LE(24) };
}

/** Whether what the kernel shows is this bucket, as exactly as it shows it. */
export function isBucket(found: TokenBucket | undefined, wanted: TokenBucket): boolean {
  if (found?.rate !== wanted.rate || found.queue !== wanted.queue) return false;
  const shown = U32_MAX / TICKS_A_MICROSECOND / 1e6;
  // The kernel keeps the time in 64 bits, and shows 32 of them.
  if (wanted.burst / wanted.rate >= shown) return true;
  return Math.abs(found.burst - wanted.burst) <= 1 + (2 * wanted.rate) / 1e6 + wanted.burst / 1000;
}
