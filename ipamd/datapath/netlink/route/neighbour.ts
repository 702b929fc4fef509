/** Neighbours: linux/neighbour.h, struct ndmsg {u8 family, pad[3], i32 index, u16 state, u8 flags, u8 type}. Pure. */
import { addressBytes, addressFamily, addressText, familyOf } from '../../ip.ts';
import { attribute, decodeAttributes, zeros } from '../attributes.ts';
import { NDA, NLM_F, NUD_PERMANENT, RTM } from '../constants.ts';
import { NetlinkDecodeError } from '../errors.ts';
import type { NetlinkRequest } from '../message.ts';
import { macBytes, macText } from './link.ts';

const HEADER_LENGTH = 12;

/** A neighbour. */
export interface Neighbour {
  readonly index: number;
  readonly address: string;
  readonly mac: string;
  readonly permanent: boolean;
}

function header(family: number, index: number, state: number): Buffer {
  const bytes = zeros(HEADER_LENGTH);
  bytes.writeUInt8(family, 0);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt16LE(state, 8);
  return bytes;
}

/** A permanent entry: neither ARP nor neighbour discovery is needed, and neither can change it. */
export function replaceNeighbour(index: number, address: string, mac: string): NetlinkRequest {
  const body = Buffer.concat([
    header(addressFamily(familyOf(address)), index, NUD_PERMANENT),
    attribute(NDA.destination, addressBytes(address)),
    attribute(NDA.linkAddress, macBytes(mac)),
  ]);
  const what = `neigh replace ${address} lladdr ${mac} dev #${index}`;
  return { type: RTM.newNeighbour, flags: NLM_F.create | NLM_F.replace, body, what };
}

/** Removes an entry; absence is fine. */
export function deleteNeighbour(index: number, address: string): NetlinkRequest {
  const body = Buffer.concat([
    header(addressFamily(familyOf(address)), index, 0),
    attribute(NDA.destination, addressBytes(address)),
  ]);
  return {
    type: RTM.delNeighbour,
    flags: 0,
    body,
    what: `neigh del ${address} dev #${index}`,
    tolerate: ['ENOENT', 'ENODEV'],
  };
}

/** Asks for all neighbours of every family. */
export function dumpNeighbours(): NetlinkRequest {
  return { type: RTM.getNeighbour, flags: 0, body: header(0, 0, 0), what: 'neigh show' };
}

/** Reads the body of RTM_NEWNEIGH. Throws `NetlinkDecodeError`. */
export function decodeNeighbour(body: Buffer): Neighbour {
  if (body.length < HEADER_LENGTH) throw new NetlinkDecodeError(`neighbour message of ${body.length} bytes`);
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  return {
    index: body.readInt32LE(4),
    address: addressText(attributes.get(NDA.destination) ?? Buffer.alloc(4)),
    mac: macText(attributes.get(NDA.linkAddress) ?? Buffer.alloc(0)),
    permanent: (body.readUInt16LE(8) & NUD_PERMANENT) !== 0,
  };
}
