/**
 * The only file with native calls: sockets of family AF_NETLINK, setns(2), and what a namespace is found by. Between the two setns calls of
 * `withinNamespace` there is no await, callback or thread-pool job, because libuv's threads are created lazily and
 * inherit the namespace of the thread that creates them (the pool is warmed first for the same reason).
 */
import { closeSync, constants, openSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { constants as osConstants, endianness } from 'node:os';
import koffi from 'koffi';
import {
  NETLINK_ADD_MEMBERSHIP,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  SOL_NETLINK,
} from './constants.ts';
import { errnoName, NetlinkError } from './errors.ts';
import type { NetlinkSocket } from './exchange.ts';

/** sys/socket.h, sched.h, poll.h, fcntl.h, linux/openat2.h. */
const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 3 | 0x80000;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SO_ATTACH_FILTER = 26;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const CLONE_NEWNET = 0x40000000;
const O_CLOEXEC = 0x80000;
/** The same number on every machine. */
const SYS_OPENAT2 = 437;
const AT_FDCWD = -100;
const O_PATH = 0x200000;
const RESOLVE_CACHED = 0x20;
const AT_EMPTY_PATH = 0x1000;
const AT_STATX_DONT_SYNC = 0x4000;
const POLLIN = 1;
const INFINITE = -1;

/** A dump's datagram is at most 32 KiB (netlink_dump in af_netlink.c); a request's error may quote the request. */
const RECEIVE_BUFFER_BYTES = 256 * 1024;
/** A batch is one datagram: a table with ten thousands of host ports must fit (212 KiB by default). */
const BATCH_BUFFER_BYTES = 16 * 1024 * 1024;
/** Room for bursts of link events while the listener is busy. */
const MULTICAST_BUFFER_BYTES = 4 * 1024 * 1024;

const libc = koffi.load(null);
const socketCall: (domain: number, type: number, protocol: number) => number = libc.func('int socket(int, int, int)');
const bindCall: (fd: number, address: Uint8Array, length: number) => number = libc.func(
  'int bind(int, void *, uint32)',
);
const setsockoptCall: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number =
  libc.func('int setsockopt(int, int, int, void *, uint32)');
const sendCall = libc.func('int64_t send(int, void *, size_t, int)');
const recvCall: (fd: number, bytes: Uint8Array, length: number, flags: number) => number = libc.func(
  'int64_t recv(int, void *, size_t, int)',
);
const setnsCall: (fd: number, kind: number) => number = libc.func('int setns(int, int)');
const unshareCall: (flags: number) => number = libc.func('int unshare(int)');
const getsocknameCall: (fd: number, address: Uint8Array, length: Uint8Array) => number = libc.func(
  'int getsockname(int, void *, void *)',
);
/** linux/filter.h, struct sock_fprog. */
const filterProgram = koffi.struct({ len: 'uint16', filter: 'void *' });
const attachFilterCall: (
  fd: number,
  level: number,
  name: number,
  program: { readonly len: number; readonly filter: Uint8Array },
  length: number,
) => number = libc.func('setsockopt', 'int', ['int', 'int', 'int', koffi.pointer(filterProgram), 'uint32']);
const pollCall: (entries: Uint8Array, count: number, timeoutMs: number) => number = libc.func(
  'int poll(void *, size_t, int)',
);
const pipeCall: (fds: Uint8Array, flags: number) => number = libc.func('int pipe2(void *, int)');
/** C libraries have no function for it yet. */
const openat2Call: (call: number, at: number, path: string, how: Uint8Array, length: number) => number = libc.func(
  'long syscall(long, long, str, void *, size_t)',
);
const statxCall: (at: number, path: string, flags: number, mask: number, answer: Uint8Array) => number = libc.func(
  'int statx(int, str, int, unsigned int, void *)',
);

function failure(request: string): NetlinkError {
  return new NetlinkError(errnoName(koffi.errno()), request);
}

/** A netlink socket with a lifetime. All calls but `sendInThreadPool` are synchronous and never wait. */
export interface OpenNetlinkSocket extends NetlinkSocket, Disposable {
  readonly fd: number;
  /** Its port (linux/netlink.h, nl_pid): the kernel names it in its news of what was done by this socket. */
  readonly port: number;
  /** Sends from a thread of libuv's pool, for requests that wait in the kernel (RTM_DELLINK waits for RCU). */
  sendInThreadPool(bytes: Uint8Array): Promise<void>;
  close(): void;
}

/** How to open a netlink socket. */
export interface NetlinkOptions {
  readonly family: 'route' | 'netfilter';
  /** For the few messages of one pod: without what takes further calls, which are dump filters and a port before the first message. */
  readonly isBrief?: boolean;
  /** Multicast groups to join (RTNLGRP_*). */
  readonly groups?: readonly number[];
  /** How much news the kernel keeps until it is fetched; what is too much is lost, and `receive` says ENOBUFS. */
  readonly newsBytes?: number | undefined;
  /** News of what was done by these sockets is dropped in the kernel. */
  readonly notFrom?: readonly OpenNetlinkSocket[];
}

/** Opens a socket in the namespace that the calling thread is in now. Throws `NetlinkError`. */
export function openNetlink(options: NetlinkOptions): OpenNetlinkSocket {
  const protocol = options.family === 'route' ? NETLINK_ROUTE : NETLINK_NETFILTER;
  const fd = socketCall(AF_NETLINK, SOCK_RAW_CLOEXEC, protocol);
  if (fd < 0) throw failure(`open a netlink socket (${options.family})`);
  try {
    if (options.isBrief !== true && bindCall(fd, ANY_PORT, ANY_PORT.length) !== 0)
      throw failure('bind a netlink socket');
    // Kernels before 4.12 and 4.20 lack these two; error texts and dump filters are then missing, nothing else.
    setOption(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
    if (options.isBrief === true) return socketOf(fd);
    if (options.family === 'route') setOption(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
    else setOption(fd, SOL_SOCKET, SO_SNDBUFFORCE, BATCH_BUFFER_BYTES);
    if (options.notFrom !== undefined) ignoreNewsOf(fd, options.notFrom);
    for (const group of options.groups ?? []) {
      if (setOption(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group) !== 0) throw failure(`join netlink group ${group}`);
      setOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, options.newsBytes ?? MULTICAST_BUFFER_BYTES);
    }
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return socketOf(fd);
}

/** struct sockaddr_nl with port 0: the kernel chooses one. */
const ANY_PORT = Buffer.alloc(12);
ANY_PORT.writeUInt16LE(AF_NETLINK, 0);
const optionValue = Buffer.alloc(4);

function setOption(fd: number, level: number, name: number, value: number): number {
  optionValue.writeUInt32LE(value);
  return setsockoptCall(fd, level, name, optionValue, optionValue.length);
}

/** linux/filter.h, struct sock_filter {u16 code, u8 jumpTrue, u8 jumpFalse, u32 k}. */
const BPF = { loadWord: 0x20, jumpEqual: 0x15, return: 0x06 } as const;
const NLMSG_PID_OFFSET = 12;

/** A filter reads words in network order; the port in the message's header is in the machine's. */
function ignoreNewsOf(fd: number, sockets: readonly OpenNetlinkSocket[]): void {
  const swapped = (port: number): number => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(port);
    return bytes.readUInt32BE();
  };
  const steps: readonly (readonly [code: number, jumpTrue: number, k: number])[] = [
    [BPF.loadWord, 0, NLMSG_PID_OFFSET],
    ...sockets.map(({ port }, at) => [BPF.jumpEqual, sockets.length - at, swapped(port)] as const),
    [BPF.return, 0, 0xffffffff],
    [BPF.return, 0, 0],
  ];
  const filter = Buffer.alloc(8 * steps.length);
  steps.forEach(([code, jumpTrue, k], at) => {
    filter.writeUInt16LE(code, 8 * at);
    filter.writeUInt8(jumpTrue, 8 * at + 2);
    filter.writeUInt32LE(k, 8 * at + 4);
  });
  const program = { len: steps.length, filter };
  if (attachFilterCall(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, 16) !== 0) throw failure('filter netlink news');
}

/** struct sockaddr_nl: the port is at 4. */
function portOf(fd: number): number {
  const [address, length] = [Buffer.alloc(12), Buffer.alloc(4)];
  length.writeUInt32LE(address.length);
  if (getsocknameCall(fd, address, length) !== 0) throw failure('ask for the port of a netlink socket');
  return address.readUInt32LE(4);
}

/** One buffer for all sockets: a datagram is copied out before the next call. */
const receiveBuffer = Buffer.alloc(RECEIVE_BUFFER_BYTES);

/** The next datagram of a descriptor; undefined if none is queued. Throws ENOBUFS when the kernel had to drop some. */
export function receiveFrom(fd: number): Buffer | undefined {
  const length = recvCall(fd, receiveBuffer, receiveBuffer.length, MSG_DONTWAIT | MSG_TRUNC);
  if (length < 0) {
    const errno = koffi.errno();
    if (errno === osConstants.errno.EAGAIN) return undefined;
    throw new NetlinkError(errnoName(errno), 'receive from netlink');
  }
  if (length > receiveBuffer.length) throw new NetlinkError('EMSGSIZE', `receive a datagram of ${length} bytes`);
  return Buffer.from(receiveBuffer.subarray(0, length));
}

function socketOf(fd: number): OpenNetlinkSocket {
  let sequence = 0;
  let open = true;
  const close = (): void => {
    if (open) closeSync(fd);
    open = false;
  };
  return {
    fd,
    get port() {
      return portOf(fd);
    },
    send: (bytes) => {
      if (sendCall(fd, bytes, bytes.length, 0) !== bytes.length) throw failure('send to netlink');
    },
    sendInThreadPool: (bytes) =>
      new Promise((resolve, reject) => {
        sendCall.async(fd, bytes, bytes.length, 0, (error: Error | null, sent: number) => {
          if (error === null && sent === bytes.length) resolve();
          // The errno stays with the pool's thread; EIO stands for it.
          else reject(new NetlinkError('EIO', 'send to netlink in the background', error?.message));
        });
      }),
    receive: () => receiveFrom(fd),
    nextSequence: () => (sequence = (sequence + 1) >>> 0),
    close,
    [Symbol.dispose]: close,
  };
}

/** A reference to a network namespace, by which threads can enter it. Keeps the namespace alive until closed. */
export interface NamespaceHandle extends Disposable {
  readonly fd: number;
  readonly path: string;
}

/** Opens a namespace path. Throws what `openSync` throws; O_NONBLOCK, so that a FIFO in its place cannot hang us. */
export function openNamespace(path: string): NamespaceHandle {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | O_CLOEXEC);
  return { fd, path, [Symbol.dispose]: () => closeSync(fd) };
}

/** linux/openat2.h, struct open_how {u64 flags, mode, resolve}. */
const HOW_CACHED = Buffer.alloc(24);
HOW_CACHED.writeBigUInt64LE(BigInt(O_PATH | O_CLOEXEC), 0);
HOW_CACHED.writeBigUInt64LE(BigInt(RESOLVE_CACHED), 16);
/** linux/stat.h, struct statx: where the number of the file and, in two parts, that of its file system are. */
const STATX = { bytes: 256, inode: 32, device: 136 } as const;
const statxAnswer = Buffer.alloc(STATX.bytes);

/**
 * Whether a path leads to a namespace (of whatever kind), found out without waiting for any file system: opening it then returns at once.
 * False is no answer: the path is to be followed by a thread that may wait. openat2(2), RESOLVE_CACHED: only as far as the kernel remembers the
 * way; O_PATH: the file itself is not opened; statx(2), AT_STATX_DONT_SYNC: its server is not asked. Kernels before 5.12 refuse.
 */
export function isNamespaceForSure(path: string): boolean {
  const fd = openat2Call(SYS_OPENAT2, AT_FDCWD, path, HOW_CACHED, HOW_CACHED.length);
  if (fd < 0) return false;
  try {
    ofNamespaces ??= deviceOfNamespaces();
    return deviceOf(fd) === ofNamespaces;
  } finally {
    closeSync(fd);
  }
}

let ofNamespaces: string | undefined;

/** All namespaces are files of one file system (fs/nsfs.c). */
function deviceOfNamespaces(): string {
  using namespace = currentNamespace();
  return deviceOf(namespace.fd);
}

/** What tells an open namespace from others (ioctl_ns(2)). Throws `NetlinkError`. */
export function namespaceIdentity({ fd }: NamespaceHandle): string {
  return deviceOf(fd) + statxAnswer.toString('latin1', STATX.inode, STATX.inode + 8);
}

/** Its number's bytes, to be compared. Nobody is asked whether anything changed. */
function deviceOf(fd: number): string {
  if (statxCall(fd, '', AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, statxAnswer) !== 0) throw failure('ask for a file');
  return statxAnswer.toString('latin1', STATX.device, STATX.device + 8);
}

/** The namespace of the calling thread. */
export function currentNamespace(): NamespaceHandle {
  return openNamespace('/proc/thread-self/ns/net');
}

/**
 * Runs a synchronous function with this thread inside another network namespace. Throws `NetlinkError` EINVAL if the
 * handle is no network namespace. If the way back fails, the process ends: a thread in the wrong namespace would program
 * the wrong kernel tables.
 */
export function withinNamespace<T>(target: NamespaceHandle, home: NamespaceHandle, work: () => T): T {
  if (setnsCall(target.fd, CLONE_NEWNET) !== 0) throw failure(`enter the network namespace ${target.path}`);
  try {
    return work();
  } finally {
    if (setnsCall(home.fd, CLONE_NEWNET) !== 0) process.abort();
  }
}

/** A network namespace that nobody else has; it ends with its handle. Throws `NetlinkError`. As `withinNamespace` if the way back fails. */
export function newNamespace(home: NamespaceHandle): NamespaceHandle {
  if (unshareCall(CLONE_NEWNET) !== 0) throw failure('make a network namespace');
  try {
    return currentNamespace();
  } finally {
    if (setnsCall(home.fd, CLONE_NEWNET) !== 0) process.abort();
  }
}

/** Makes libuv create its threads now, in the daemon's own namespace. Must be awaited before the first `withinNamespace`. */
export async function warmThreadPool(): Promise<void> {
  if (endianness() !== 'LE') throw new Error('the netlink codec is for little-endian machines');
  const threads = Math.max(4, Number(process.env['UV_THREADPOOL_SIZE'] ?? 4) || 4);
  await Promise.all(Array.from({ length: threads }, () => access('/')));
}

/** A pipe whose writing end wakes a `waitReadable` on the reading end. */
export function openPipe(): { readonly readEnd: number; readonly writeEnd: number } {
  const fds = Buffer.alloc(8);
  if (pipeCall(fds, O_CLOEXEC) !== 0) throw failure('make a pipe');
  return { readEnd: fds.readInt32LE(0), writeEnd: fds.readInt32LE(4) };
}

/** Blocks the calling thread until one of the descriptors is readable; for worker threads only. Says which are. */
export function waitReadable(fds: readonly number[]): readonly boolean[] {
  const entries = Buffer.alloc(8 * fds.length);
  fds.forEach((fd, index) => {
    entries.writeInt32LE(fd, 8 * index);
    entries.writeInt16LE(POLLIN, 8 * index + 4);
  });
  const ready = pollCall(entries, fds.length, INFINITE);
  if (ready < 0 && koffi.errno() !== osConstants.errno.EINTR) throw failure('poll');
  return fds.map((_, index) => ready > 0 && entries.readInt16LE(8 * index + 6) !== 0);
}
