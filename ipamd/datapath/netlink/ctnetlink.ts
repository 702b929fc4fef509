/**
 * Connection tracking over netlink: linux/netfilter/nfnetlink_conntrack.h, behind struct nfgenmsg {u8 family, u8 version,
 * be16 resource}. Only what is needed to find the entries of an address and to delete exactly those. Pure.
 */
import { addressFamily, addressText, familyOfNumber, type IpFamily } from '../ip.ts';
import { attribute, decodeAttributes, nestedAttribute } from './attributes.ts';
import { NetlinkDecodeError } from './errors.ts';
import type { NetlinkRequest } from './message.ts';

const HEADER_LENGTH = 4;
const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT = { new: 0, get: 1, delete: 2 } as const;
const CTA = { tupleOriginal: 1, tupleReply: 2, id: 12, zone: 18 } as const;
const CTA_TUPLE_IP = 1;
const CTA_IP = { v4Source: 1, v4Destination: 2, v6Source: 3, v6Destination: 4 } as const;

/** One connection as the kernel tracks it. */
export interface ConnectionEntry {
  /** Every address of it, as sent and as answered; the two differ where it is translated. */
  readonly addresses: ReadonlySet<string>;
  /** What names this entry and no later one of the same ports, as the kernel sent it. */
  readonly key: EntryKey;
}

interface EntryKey {
  readonly family: IpFamily;
  readonly tuple: Buffer;
  readonly zone: Buffer | undefined;
  readonly id: Buffer;
}

/** AF_UNSPEC stands for every family. */
const header = (family: IpFamily | 'any'): Buffer =>
  Buffer.from([family === 'any' ? 0 : addressFamily(family), 0, 0, 0]);
const type = (message: number): number => (NFNL_SUBSYS_CTNETLINK << 8) | message;

/** Asks for all entries of the namespace of one family, or of any. */
export function dumpConnections(family: IpFamily | 'any'): NetlinkRequest {
  return { type: type(IPCTNL_MSG_CT.get), flags: 0, body: header(family), what: `conntrack -L (${family})` };
}

/** Deletes one entry. That it is gone already, or that its ports are another entry's by now, is fine. */
export function deleteConnection({ family, tuple, zone, id }: EntryKey): NetlinkRequest {
  const attributes = [
    nestedAttribute(CTA.tupleOriginal, [tuple]),
    ...(zone === undefined ? [] : [attribute(CTA.zone, zone)]),
    attribute(CTA.id, id),
  ];
  return {
    type: type(IPCTNL_MSG_CT.delete),
    flags: 0,
    body: Buffer.concat([header(family), ...attributes]),
    what: 'conntrack -D',
    tolerate: ['ENOENT'],
  };
}

/** Reads the body of IPCTNL_MSG_CT_NEW; undefined for an entry of neither IPv4 nor IPv6. Throws `NetlinkDecodeError`. */
export function decodeConnection(body: Buffer): ConnectionEntry | undefined {
  if (body.length < HEADER_LENGTH) throw new NetlinkDecodeError(`conntrack message of ${body.length} bytes`);
  const family = familyOfNumber(body[0]);
  if (family === undefined) return undefined;
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  const [tuple, reply, id] = [
    attributes.get(CTA.tupleOriginal),
    attributes.get(CTA.tupleReply),
    attributes.get(CTA.id),
  ];
  if (tuple === undefined || reply === undefined || id === undefined) {
    throw new NetlinkDecodeError('conntrack message without its tuples or its id');
  }
  const addresses = new Set([...tupleAddresses(tuple), ...tupleAddresses(reply)]);
  return { addresses, key: { family, tuple, zone: attributes.get(CTA.zone), id } };
}

function tupleAddresses(tuple: Buffer): readonly string[] {
  const ip = decodeAttributes(decodeAttributes(tuple).get(CTA_TUPLE_IP) ?? Buffer.alloc(0));
  return Object.values(CTA_IP).flatMap((end) => {
    const address = ip.get(end);
    return address === undefined ? [] : [addressText(address)];
  });
}
