/**
 * The netlink message (linux/netlink.h, struct nlmsghdr): u32 length, u16 type, u16 flags, u32 sequence, u32 port, body.
 * Pure: requests to bytes, bytes to messages, error messages to errno and text.
 */
import { align, decodeAttributes, readText, zeros } from './attributes.ts';
import { NLM_F, NLMSG_DONE, NLMSG_HEADER_LENGTH, NLMSGERR_ATTR_MSG } from './constants.ts';
import { NetlinkDecodeError } from './errors.ts';

/** One thing to ask of the kernel. NLM_F_REQUEST is implied. */
export interface NetlinkRequest {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
  /** The request in words, for error messages. */
  readonly what: string;
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

/** A request as it goes over the socket. */
export function encodeRequest(request: NetlinkRequest, sequence: number, extraFlags = 0): Buffer {
  const length = NLMSG_HEADER_LENGTH + request.body.length;
  const bytes = zeros(align(length));
  bytes.writeUInt32LE(length, 0);
  bytes.writeUInt16LE(request.type, 4);
  bytes.writeUInt16LE(request.flags | extraFlags | NLM_F.request, 6);
  bytes.writeUInt32LE(sequence, 8);
  bytes.set(request.body, NLMSG_HEADER_LENGTH);
  return bytes;
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
