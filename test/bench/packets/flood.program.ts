/**
 * Sends small UDP datagrams and says what they cost. One line on standard input, a number, sends so many; one line of JSON
 * on standard output answers: `{"packets", "cpuNs"}`. A veth hands a packet on within the send call, so the processor time
 * of this process holds the whole way of the packet through the node, and the waiting of this process is not in it.
 *
 * Arguments: destination (of either family) and its port, and the port to send from.
 */
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import koffi from 'koffi';
import { addressBytes } from '#ipamd/datapath/ip.ts';

const BATCH = 64;
const PAYLOAD_BYTES = 18;
/** x86_64 and arm64: struct mmsghdr {msghdr{name, namelen, iov, iovlen, control, controllen, flags}, len}; struct iovec. */
const MMSGHDR_BYTES = 64;
const [AF_INET, AF_INET6, SOCK_DGRAM] = [2, 10, 2];

const libc = koffi.load(null);
const socket: (domain: number, type: number, protocol: number) => number = libc.func('int socket(int, int, int)');
type WithAddress = (fd: number, address: Uint8Array, length: number) => number;
const connect: WithAddress = libc.func('int connect(int, void *, uint32)');
const bind: WithAddress = libc.func('int bind(int, void *, uint32)');
const sendmmsg: (fd: number, messages: Uint8Array, count: number, flags: number) => number = libc.func(
  'int sendmmsg(int, void *, uint32, int)',
);

/** struct sockaddr_in {family, port, address, zeros} or sockaddr_in6 {family, port, flow, address, scope}. */
function socketAddress(address: Buffer, port: number): Buffer {
  const isIpv6 = address.length === 16;
  const bytes = Buffer.alloc(isIpv6 ? 28 : 16);
  bytes.writeUInt16LE(isIpv6 ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address, isIpv6 ? 8 : 4);
  return bytes;
}

function connected(destination: string, port: number, from: number): number {
  const address = addressBytes(destination);
  const fd = socket(address.length === 16 ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
  const [here, there] = [socketAddress(Buffer.alloc(address.length), from), socketAddress(address, port)];
  if (fd < 0 || bind(fd, here, here.length) !== 0 || connect(fd, there, there.length) !== 0)
    throw new Error(`cannot reach ${destination}: ${koffi.errno()}`);
  return fd;
}

const payload = Buffer.alloc(PAYLOAD_BYTES, 'w');
const iovec = Buffer.alloc(16);
iovec.writeBigUInt64LE(koffi.address(payload), 0);
iovec.writeBigUInt64LE(BigInt(PAYLOAD_BYTES), 8);
const messages = Buffer.alloc(MMSGHDR_BYTES * BATCH);
for (let index = 0; index < BATCH; index += 1) {
  messages.writeBigUInt64LE(koffi.address(iovec), MMSGHDR_BYTES * index + 16);
  messages.writeBigUInt64LE(1n, MMSGHDR_BYTES * index + 24);
}

/** Nanoseconds on a processor so far (proc(5), task/TID/schedstat): exact, unlike the ticks of getrusage(2). */
function cpuNs(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]);
}

function send(fd: number, count: number): { readonly packets: number; readonly cpuNs: number } {
  const before = cpuNs();
  let packets = 0;
  while (packets < count) {
    const sent = sendmmsg(fd, messages, Math.min(BATCH, count - packets), 0);
    if (sent <= 0) throw new Error(`sendmmsg: ${koffi.errno()}`);
    packets += sent;
  }
  return { packets, cpuNs: cpuNs() - before };
}

const [destination = '', port = '', from = ''] = process.argv.slice(2);
const fd = connected(destination, Number(port), Number(from));
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${JSON.stringify(send(fd, Number(line)))}\n`);
}
