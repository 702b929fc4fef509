/** Addresses: linux/if_addr.h, struct ifaddrmsg {u8 family, u8 prefixLength, u8 flags, u8 scope, u32 index}. Pure. */
import { addressFamily, addressText, parseAddress } from '../../ip.ts';
import { decodeAttributes, readU32, readU8, zeros } from '../attributes.ts';
import { beginBody } from '../body.ts';
import { IFA, NLM_F, RTM } from '../constants.ts';
import { NetlinkDecodeError } from '../errors.ts';
import type { NetlinkRequest } from '../message.ts';

const HEADER_LENGTH = 8;

/** An address on a link. */
export interface LinkAddress {
  readonly index: number;
  readonly address: string;
  readonly prefixLength: number;
  /** IFA_F_*. */
  readonly flags: number;
  /** RT_SCOPE_*; 0 is global. */
  readonly scope: number;
  /** IFA_PROTO, who added it; 0 if unknown (kernels before 5.18 do not keep it). */
  readonly protocol: number;
}

function encode(address: LinkAddress): Buffer {
  const { family, bytes } = parseAddress(address.address);
  const body = beginBody(HEADER_LENGTH);
  body.setU8(0, addressFamily(family));
  body.setU8(1, address.prefixLength);
  // Flags of more than eight bits have an attribute, which then counts alone.
  if (address.flags <= 0xff) body.setU8(2, address.flags);
  body.setU8(3, address.scope);
  body.setU32(4, address.index);
  body.bytes(IFA.local, bytes);
  if (address.flags > 0xff) body.u32(IFA.flags, address.flags);
  body.bytes(IFA.address, bytes);
  if (address.protocol !== 0) body.u8(IFA.protocol, address.protocol);
  return body.finish();
}

const IS_THERE = ['EEXIST'];

/** Adds an address; one that is there already is fine. */
export function addAddress(address: LinkAddress): NetlinkRequest {
  const what = (): string => `addr add ${address.address}/${address.prefixLength} to link ${address.index}`;
  return {
    type: RTM.newAddress,
    flags: NLM_F.create | NLM_F.exclusive,
    body: encode(address),
    what,
    tolerate: IS_THERE,
  };
}

/** Removes an address; absence is fine. */
export function deleteAddress(address: LinkAddress): NetlinkRequest {
  const what = `addr del ${address.address}/${address.prefixLength} from link ${address.index}`;
  const body = encode({ ...address, flags: 0, protocol: 0 });
  return { type: RTM.delAddress, flags: 0, body, what, tolerate: ['EADDRNOTAVAIL', 'ENODEV'] };
}

/** Asks for all addresses, of every family, of a link, or of all links with index 0. */
export function dumpAddresses(index: number): NetlinkRequest {
  const header = zeros(HEADER_LENGTH);
  header.writeUInt32LE(index, 4);
  return { type: RTM.getAddress, flags: 0, body: header, what: 'addr show', tolerate: ['ENODEV'] };
}

/** Reads the body of RTM_NEWADDR. Throws `NetlinkDecodeError`. */
export function decodeAddress(body: Buffer): LinkAddress {
  if (body.length < HEADER_LENGTH) throw new NetlinkDecodeError(`address message of ${body.length} bytes`);
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  return {
    index: body.readUInt32LE(4),
    address: addressText(attributes.get(IFA.local) ?? attributes.get(IFA.address) ?? Buffer.alloc(4)),
    prefixLength: body.readUInt8(1),
    flags: readU32(attributes, IFA.flags) ?? body.readUInt8(2),
    scope: body.readUInt8(3),
    protocol: readU8(attributes, IFA.protocol) ?? 0,
  };
}
