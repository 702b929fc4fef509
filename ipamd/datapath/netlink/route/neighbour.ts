/** Neighbours: linux/neighbour.h, struct ndmsg {u8 family, pad[3], i32 index, u16 state, u8 flags, u8 type}. Pure. */
import { ipv4Bytes, ipv4Text } from '../../ipv4.ts';
import { attribute, decodeAttributes } from '../attributes.ts';
import { AF_INET, NDA, NLM_F, NUD_PERMANENT, RTM } from '../constants.ts';
import { NetlinkDecodeError } from '../errors.ts';
import type { NetlinkRequest } from '../message.ts';
import { macBytes, macText } from './link.ts';

const HEADER_LENGTH = 12;

/** An IPv4 neighbour. */
export interface Neighbour {
  readonly index: number;
  readonly address: string;
  readonly mac: string;
  readonly permanent: boolean;
}

function header(index: number, state: number): Buffer {
  const bytes = Buffer.alloc(HEADER_LENGTH);
  bytes.writeUInt8(AF_INET, 0);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt16LE(state, 8);
  return bytes;
}

/** A permanent entry: no ARP is needed, and none can change it. */
export function replaceNeighbour(index: number, address: string, mac: string): NetlinkRequest {
  const body = Buffer.concat([
    header(index, NUD_PERMANENT),
    attribute(NDA.destination, ipv4Bytes(address)),
    attribute(NDA.linkAddress, macBytes(mac)),
  ]);
  const what = `neigh replace ${address} lladdr ${mac} dev #${index}`;
  return { type: RTM.newNeighbour, flags: NLM_F.create | NLM_F.replace, body, what };
}

/** Removes an entry; absence is fine. */
export function deleteNeighbour(index: number, address: string): NetlinkRequest {
  const body = Buffer.concat([header(index, 0), attribute(NDA.destination, ipv4Bytes(address))]);
  return {
    type: RTM.delNeighbour,
    flags: 0,
    body,
    what: `neigh del ${address} dev #${index}`,
    tolerate: ['ENOENT', 'ENODEV'],
  };
}

/** Asks for all IPv4 neighbours. */
export function dumpNeighbours(): NetlinkRequest {
  return { type: RTM.getNeighbour, flags: 0, body: header(0, 0), what: 'neigh show' };
}

/** Reads the body of RTM_NEWNEIGH. Throws `NetlinkDecodeError`. */
export function decodeNeighbour(body: Buffer): Neighbour {
  if (body.length < HEADER_LENGTH) throw new NetlinkDecodeError(`neighbour message of ${body.length} bytes`);
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  return {
    index: body.readInt32LE(4),
    address: ipv4Text(attributes.get(NDA.destination) ?? Buffer.alloc(4)),
    mac: macText(attributes.get(NDA.linkAddress) ?? Buffer.alloc(0)),
    permanent: (body.readUInt16LE(8) & NUD_PERMANENT) !== 0,
  };
}
