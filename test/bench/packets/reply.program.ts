/**
 * Sends one datagram of UDP from a namespace to a node, as the answer to what a pod sends: from then on the kernel takes the
 * connection for established. The whole frame is made here, because many nodes with the same addresses share the namespace.
 *
 * Arguments: link to send by, MAC to send to, and source, destination and ports of the answer.
 */
import koffi from 'koffi';
import { addressBytes } from '#ipamd/datapath/ip.ts';

const [AF_PACKET, SOCK_RAW] = [17, 3];
const [UDP, HOP_LIMIT] = [17, 64];
const ETHERTYPE = { ipv4: 0x0800, ipv6: 0x86dd } as const;

const libc = koffi.load(null);
const socket: (domain: number, type: number, protocol: number) => number = libc.func('int socket(int, int, int)');
const sendTo: (
  fd: number,
  bytes: Uint8Array,
  length: number,
  flags: number,
  address: Uint8Array,
  size: number,
) => number = libc.func('int64_t sendto(int, void *, size_t, int, void *, uint32)');

const linkIndex: (name: string) => number = libc.func('uint32 if_nametoindex(const char *)');

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function ipv4Header(source: Buffer, destination: Buffer, payload: number): Buffer {
  const bytes = Buffer.alloc(20);
  bytes[0] = 0x45;
  bytes.writeUInt16BE(bytes.length + payload, 2);
  bytes.set([HOP_LIMIT, UDP], 8);
  bytes.set(source, 12);
  bytes.set(destination, 16);
  bytes.writeUInt16BE(checksum(bytes), 10);
  return bytes;
}

function ipv6Header(source: Buffer, destination: Buffer, payload: number): Buffer {
  const bytes = Buffer.alloc(40);
  bytes[0] = 0x60;
  bytes.writeUInt16BE(payload, 4);
  bytes.set([UDP, HOP_LIMIT], 6);
  bytes.set(source, 8);
  bytes.set(destination, 24);
  return bytes;
}

/** A datagram of two bytes. With IPv6 it needs its checksum, over the addresses too (RFC 8200 section 8.1). */
function udp(source: Buffer, destination: Buffer, from: number, to: number): Buffer {
  const bytes = Buffer.from([0, 0, 0, 0, 0, 10, 0, 0, 0x6f, 0x6b]);
  bytes.writeUInt16BE(from, 0);
  bytes.writeUInt16BE(to, 2);
  const pseudo = Buffer.concat([source, destination, Buffer.from([0, 0, 0, bytes.length, 0, 0, 0, UDP])]);
  bytes.writeUInt16BE(checksum(Buffer.concat([pseudo, bytes])), 6);
  return bytes;
}

const [link = '', mac = '', source = '', destination = '', from = '', to = ''] = process.argv.slice(2);
const [here, there] = [addressBytes(source), addressBytes(destination)];
const datagram = udp(here, there, Number(from), Number(to));
const isIpv6 = here.length === 16;
const header = (isIpv6 ? ipv6Header : ipv4Header)(here, there, datagram.length);
const type = Buffer.alloc(2);
type.writeUInt16BE(isIpv6 ? ETHERTYPE.ipv6 : ETHERTYPE.ipv4);
const target = Buffer.from(mac.replaceAll(':', ''), 'hex');
const frame = Buffer.concat([target, Buffer.alloc(6), type, header, datagram]);
/** struct sockaddr_ll {family, protocol, index, hatype, pkttype, halen, address}. */
const address = Buffer.alloc(20);
address.writeUInt16LE(AF_PACKET, 0);
address.set(type, 2);
address.writeInt32LE(linkIndex(link), 4);
address[11] = 6;
address.set(target, 12);
const fd = socket(AF_PACKET, SOCK_RAW, 0);
if (fd < 0 || sendTo(fd, frame, frame.length, 0, address, address.length) !== frame.length)
  throw new Error(`cannot send by ${link}: errno ${koffi.errno()}`);
