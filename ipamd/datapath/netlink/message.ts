/**
 * The netlink message (linux/netlink.h, struct nlmsghdr): u32 length, u16 type, u16 flags, u32 sequence, u32 port, body.
 * Pure: requests to bytes, bytes to messages, error messages to errno and text.
 */
import { align, decodeAttributes, readText } from './attributes.ts';
import { NLM_F, NLMSG_DONE, NLMSG_HEADER_LENGTH, NLMSGERR_ATTR_MSG } from './constants.ts';
import { NetlinkDecodeError } from './errors.ts';

/** One thing to ask of the kernel. NLM_F_REQUEST is implied. */
export interface NetlinkRequest {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
  /** The request in words, for error messages; a function where they are many, as they are seldom wanted. */
  readonly what: string | (() => string);
  /** Errno names that mean the wanted state is there already (EEXIST of an add, ESRCH of a delete). */
  readonly tolerate?: readonly string[];
}

/** One message from the kernel. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly body: Buffer;
}

/** What an NLMSG_ERROR message says; errno 0 is an acknowledgement. */
export interface Acknowledgement {
  readonly errno: number;
  readonly kernelText: string;
}

/** The request in words. */
export function wordsOf({ what }: Pick<NetlinkRequest, 'what'>): string {
  return typeof what === 'string' ? what : what();
}

/** A request as it goes over the socket. */
export function encodeRequest(request: NetlinkRequest, sequence: number, extraFlags = 0): Buffer {
  const bytes = Buffer.allocUnsafe(encodedLength(request));
  writeRequest(bytes, 0, request, sequence, extraFlags);
  return bytes;
}

/** Several requests as one datagram, whose sequence numbers are still to be written. */
export interface Batch {
  readonly bytes: Buffer;
  /** Where each request begins. */
  readonly starts: readonly number[];
  /** What was encoded, in that order. */
  readonly requests: () => readonly NetlinkRequest[];
}

/** `acknowledged` is the place of the request that asks for an acknowledgement, the last one unless given. */
export function batchOf(requests: readonly NetlinkRequest[], acknowledged = requests.length - 1): Batch {
  const bytes = Buffer.allocUnsafe(requests.reduce((length, request) => length + encodedLength(request), 0));
  let at = 0;
  const starts = requests.map((request, index) => {
    const start = at;
    at = writeRequest(bytes, at, request, 0, index === acknowledged ? NLM_F.acknowledge : 0);
    return start;
  });
  return { bytes, starts, requests: () => requests };
}

/** Numbers a request of a batch. */
export function numberRequest({ bytes, starts }: Batch, index: number, sequence: number): void {
  bytes.writeUInt32LE(sequence, (starts[index] ?? 0) + 8);
}

function encodedLength({ body }: NetlinkRequest): number {
  return align(NLMSG_HEADER_LENGTH + body.length);
}

/** Returns where the next one is to be. */
function writeRequest(bytes: Buffer, at: number, request: NetlinkRequest, sequence: number, flags: number): number {
  const { type, body } = request;
  const length = NLMSG_HEADER_LENGTH + body.length;
  bytes.writeUInt32LE(length, at);
  bytes.writeUInt16LE(type, at + 4);
  bytes.writeUInt16LE(request.flags | flags | NLM_F.request, at + 6);
  bytes.writeUInt32LE(sequence, at + 8);
  bytes.writeUInt32LE(0, at + 12);
  bytes.set(body, at + NLMSG_HEADER_LENGTH);
  const end = at + align(length);
  for (let padding = at + length; padding < end; padding += 1) bytes[padding] = 0;
  return end;
}

/** The messages of one datagram. Throws `NetlinkDecodeError` when a length points outside of it. */
export function decodeMessages(datagram: Buffer): readonly NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  let offset = 0;
  while (datagram.length - offset >= NLMSG_HEADER_LENGTH) {
    const length = datagram.readUInt32LE(offset);
    if (length < NLMSG_HEADER_LENGTH || offset + length > datagram.length) {
      throw new NetlinkDecodeError(`message at ${offset} claims ${length} bytes of ${datagram.length - offset}`);
    }
    messages.push({
      type: datagram.readUInt16LE(offset + 4),
      flags: datagram.readUInt16LE(offset + 6),
      sequence: datagram.readUInt32LE(offset + 8),
      body: datagram.subarray(offset + NLMSG_HEADER_LENGTH, offset + length),
    });
    offset += align(length);
  }
  return messages;
}

/**
 * Reads struct nlmsgerr: i32 errno, the header of the request (and its body unless capped), then attributes. The message
 * that ends a dump (NLMSG_DONE) has no request between errno and attributes.
 */
export function decodeAcknowledgement(message: NetlinkMessage): Acknowledgement {
  const { body, flags } = message;
  if (body.length < 4) throw new NetlinkDecodeError(`error message of ${body.length} bytes`);
  const errno = -body.readInt32LE(0);
  if ((flags & NLM_F.extendedAck) === 0) return { errno, kernelText: '' };
  const attributes = decodeAttributes(body.subarray(Math.min(body.length, 4 + requestLength(message))));
  return { errno, kernelText: readText(attributes, NLMSGERR_ATTR_MSG) ?? '' };
}

function requestLength({ type, flags, body }: NetlinkMessage): number {
  if (type === NLMSG_DONE || body.length < 8) return 0;
  return (flags & NLM_F.capped) === 0 ? align(body.readUInt32LE(4)) : NLMSG_HEADER_LENGTH;
}
