/**
 * Sends one router advertisement (RFC 4861 section 4.2) to all nodes on a link, as a pod with CAP_NET_RAW can:
 * `node router-advertisement.program.ts <link index> <link-local source>`. Node has no raw sockets, hence the FFI.
 */
import koffi from 'koffi';
import { addressBytes } from '#ipamd/datapath/ip.ts';

const [AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, IPPROTO_IPV6, IPV6_MULTICAST_HOPS] = [10, 3, 58, 41, 18];

const libc = koffi.load(null);
const socket: (domain: number, type: number, protocol: number) => number = libc.func('int socket(int, int, int)');
const bind: (fd: number, address: Uint8Array, length: number) => number = libc.func('int bind(int, void *, uint32)');
const setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number = libc.func(
  'int setsockopt(int, int, int, void *, uint32)',
);
const sendto: (
  fd: number,
  bytes: Uint8Array,
  length: number,
  flags: number,
  to: Uint8Array,
  toLength: number,
) => number = libc.func('int64_t sendto(int, void *, size_t, int, void *, uint32)');

function socketAddress(address: string, link: number): Buffer {
  const bytes = Buffer.alloc(28);
  bytes.writeUInt16LE(AF_INET6, 0);
  addressBytes(address).copy(bytes, 8);
  bytes.writeUInt32LE(link, 24);
  return bytes;
}

/** A router for half an hour; the kernel fills in the checksum. */
function advertisement(): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt8(134, 0);
  bytes.writeUInt8(64, 4);
  bytes.writeUInt16BE(1800, 6);
  return bytes;
}

const [link = '', source = ''] = process.argv.slice(2);
const fd = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
const hops = Buffer.from([255, 0, 0, 0]);
const from = socketAddress(source, Number(link));
const to = socketAddress('ff02::1', Number(link));
const message = advertisement();
const done =
  fd >= 0 &&
  setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops, hops.length) === 0 &&
  bind(fd, from, from.length) === 0 &&
  sendto(fd, message, message.length, 0, to, to.length) === message.length;
if (!done) throw new Error(`the advertisement could not be sent: errno ${koffi.errno()}`);
