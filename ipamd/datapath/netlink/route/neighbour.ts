/** Neighbours: linux/neighbour.h, struct ndmsg {u8 family, pad[3], i32 index, u16 state, u8 flags, u8 type}. Pure. */
import { addressFamily, addressText, parseAddress } from '../../ip.ts';
import { decodeAttributes, zeros } from '../attributes.ts';
import { beginBody, type BodyWriter } from '../body.ts';
import { NDA, NLM_F, NUD_PERMANENT, RTM } from '../constants.ts';
import { NetlinkDecodeError } from '../errors.ts';
import type { NetlinkRequest } from '../message.ts';
import { macText, writeMac } from './link.ts';

const HEADER_LENGTH = 12;

/** A neighbour. */
export interface Neighbour {
  readonly index: number;
  readonly address: string;
  readonly mac: string;
  readonly permanent: boolean;
}

function begin(index: number, address: string, state: number): BodyWriter {
  const { family, bytes } = parseAddress(address);
  const body = beginBody(HEADER_LENGTH);
  body.setU8(0, addressFamily(family));
  body.setU32(4, index);
  body.setU16(8, state);
  body.bytes(NDA.destination, bytes);
  return body;
}

/** A permanent entry: neither ARP nor neighbour discovery is needed, and neither can change it. */
export function replaceNeighbour(index: number, address: string, mac: string): NetlinkRequest {
  const body = begin(index, address, NUD_PERMANENT);
  writeMac(body, NDA.linkAddress, mac);
  const what = (): string => `neigh replace ${address} lladdr ${mac} dev #${index}`;
  return { type: RTM.newNeighbour, flags: NLM_F.create | NLM_F.replace, body: body.finish(), what };
}

/** Removes an entry; absence is fine. */
export function deleteNeighbour(index: number, address: string): NetlinkRequest {
  return {
    type: RTM.delNeighbour,
    flags: 0,
    body: begin(index, address, 0).finish(),
    what: () => `neigh del ${address} dev #${index}`,
    tolerate: ['ENOENT', 'ENODEV'],
  };
}

/** Asks for all neighbours of every family. */
export function dumpNeighbours(): NetlinkRequest {
  return { type: RTM.getNeighbour, flags: 0, body: zeros(HEADER_LENGTH), what: 'neigh show' };
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
