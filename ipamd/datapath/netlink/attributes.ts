/**
 * Netlink attributes (linux/netlink.h, struct nlattr): u16 length, u16 type, value, padding to four bytes. Pure.
 * Integers are in host order, which is little-endian on every platform that we run on (`transport.ts` refuses others);
 * nf_tables wants big-endian integers, hence the second form.
 */
import { NLA_F_NESTED, NLA_TYPE_MASK } from './constants.ts';
import { NetlinkDecodeError } from './errors.ts';

const HEADER_LENGTH = 4;

/** Rounds up to the next multiple of four (NLA_ALIGN, NLMSG_ALIGN). */
export function align(length: number): number {
  return (length + 3) & ~3;
}

/**
 * So many zeros, out of the pool from which Node cuts small buffers: `Buffer.alloc` gets memory of its own each time, and a
 * pod is made of a hundred pieces.
 */
export function zeros(length: number): Buffer {
  return Buffer.allocUnsafe(length).fill(0);
}

/** Header and padding of an attribute whose value, of so many bytes, is still to be written. */
function emptyAttribute(type: number, valueLength: number): Buffer {
  const length = HEADER_LENGTH + valueLength;
  const bytes = Buffer.allocUnsafe(align(length));
  bytes.writeUInt16LE(length, 0);
  bytes.writeUInt16LE(type, 2);
  for (let at = length; at < bytes.length; at += 1) bytes[at] = 0;
  return bytes;
}

/** One attribute with a value of raw bytes. */
export function attribute(type: number, value: Uint8Array): Buffer {
  const bytes = emptyAttribute(type, value.length);
  bytes.set(value, HEADER_LENGTH);
  return bytes;
}

/** An unsigned byte. */
export function u8Attribute(type: number, value: number): Buffer {
  const bytes = emptyAttribute(type, 1);
  bytes[HEADER_LENGTH] = value;
  return bytes;
}

/** Four bytes in host order. */
export function u32Attribute(type: number, value: number): Buffer {
  const bytes = emptyAttribute(type, 4);
  bytes.writeUInt32LE(value >>> 0, HEADER_LENGTH);
  return bytes;
}

/** Four bytes in network order, as nf_tables has them. */
export function u32BigEndianAttribute(type: number, value: number): Buffer {
  const bytes = emptyAttribute(type, 4);
  bytes.writeInt32BE(value | 0, HEADER_LENGTH);
  return bytes;
}

/** A string with its terminating zero byte. */
export function textAttribute(type: number, value: string): Buffer {
  const length = Buffer.byteLength(value);
  const bytes = emptyAttribute(type, length + 1);
  bytes.write(value, HEADER_LENGTH);
  bytes[HEADER_LENGTH + length] = 0;
  return bytes;
}

/** Attributes within an attribute, flagged as nested (nf_tables insists on the flag). */
export function nestedAttribute(type: number, children: readonly Uint8Array[]): Buffer {
  return plainNestedAttribute(type | NLA_F_NESTED, children);
}

/** Attributes within an attribute without the flag, as iproute2 sends them to rtnetlink. */
export function plainNestedAttribute(type: number, children: readonly Uint8Array[]): Buffer {
  const bytes = emptyAttribute(
    type,
    children.reduce((length, child) => length + child.length, 0),
  );
  let at = HEADER_LENGTH;
  for (const child of children) {
    bytes.set(child, at);
    at += child.length;
  }
  return bytes;
}

/** Four bytes in host order, without an attribute around them. */
export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

/** One decoded attribute; the flags are taken off the type. */
export interface DecodedAttribute {
  readonly type: number;
  readonly value: Buffer;
}

/** All attributes in order. Throws `NetlinkDecodeError` when a length points outside the bytes. */
export function decodeAttributeList(bytes: Buffer): readonly DecodedAttribute[] {
  const found: DecodedAttribute[] = [];
  eachAttribute(bytes, 0, (type, start, end) => found.push({ type, value: bytes.subarray(start, end) }));
  return found;
}

/** Attributes by type; of several with the same type the last one counts, as in the kernel's nla_parse. */
export function decodeAttributes(bytes: Buffer): ReadonlyMap<number, Buffer> {
  return selectAttributes(bytes, 0, () => true);
}

/** The same of those from `start` on whose type is wanted: a link has fifty, of which nobody wants more than ten. */
export function selectAttributes(
  bytes: Buffer,
  start: number,
  isWanted: (type: number) => boolean,
): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>();
  eachAttribute(bytes, start, (type, from, to) => {
    if (isWanted(type)) found.set(type, bytes.subarray(from, to));
  });
  return found;
}

function eachAttribute(bytes: Buffer, from: number, see: (type: number, start: number, end: number) => void): void {
  let offset = from;
  while (bytes.length - offset >= HEADER_LENGTH) {
    const length = bytes.readUInt16LE(offset);
    if (length < HEADER_LENGTH || offset + length > bytes.length) {
      throw new NetlinkDecodeError(`attribute at ${offset} claims ${length} bytes of ${bytes.length - offset}`);
    }
    see(bytes.readUInt16LE(offset + 2) & NLA_TYPE_MASK, offset + HEADER_LENGTH, offset + length);
    offset += align(length);
  }
}

/** A host-order u32, or undefined if the attribute is missing. Throws if it is shorter than four bytes. */
export function readU32(attributes: ReadonlyMap<number, Buffer>, type: number): number | undefined {
  const value = attributes.get(type);
  if (value === undefined) return undefined;
  if (value.length < 4) throw new NetlinkDecodeError(`attribute ${type} has ${value.length} bytes, expected 4`);
  return value.readUInt32LE(0);
}

/** A byte, or undefined if the attribute is missing or empty. */
export function readU8(attributes: ReadonlyMap<number, Buffer>, type: number): number | undefined {
  return attributes.get(type)?.at(0);
}

/** Text up to the first zero byte; undefined if the attribute is missing. */
export function readText(attributes: ReadonlyMap<number, Buffer>, type: number): string | undefined {
  const value = attributes.get(type);
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end < 0 ? value.length : end);
}
