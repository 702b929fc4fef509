/** Addresses: linux/if_addr.h, struct ifaddrmsg {u8 family, u8 prefixLength, u8 flags, u8 scope, u32 index}. Pure. */
import { addressBytes, addressFamily, addressText, familyOf } from '../../ip.ts';
import { attribute, decodeAttributes, readU32, readU8, u32Attribute, u8Attribute, zeros } from '../attributes.ts';
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
  const header = zeros(HEADER_LENGTH);
  header.writeUInt8(addressFamily(familyOf(address.address)), 0);
  header.writeUInt8(address.prefixLength, 1);
  // Flags of more than eight bits have an attribute, which then counts alone.
  if (address.flags <= 0xff) header.writeUInt8(address.flags, 2);
  header.writeUInt8(address.scope, 3);
  header.writeUInt32LE(address.index, 4);
  const bytes = addressBytes(address.address);
  return Buffer.concat([
    header,
    attribute(IFA.local, bytes),
    ...(address.flags <= 0xff ? [] : [u32Attribute(IFA.flags, address.flags)]),
    attribute(IFA.address, bytes),
    ...(address.protocol === 0 ? [] : [u8Attribute(IFA.protocol, address.protocol)]),
  ]);
}

/** Adds an address; one that is there already is fine. */
export function addAddress(address: LinkAddress): NetlinkRequest {
  const what = `addr add ${address.address}/${address.prefixLength} to link ${address.index}`;
  return {
    type: RTM.newAddress,
    flags: NLM_F.create | NLM_F.exclusive,
    body: encode(address),
    what,
    tolerate: ['EEXIST'],
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
