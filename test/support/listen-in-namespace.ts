/**
 * TCP sockets inside another network namespace, for a server or a client of this process. The thread enters the
 * namespace, makes the socket and returns, with nothing asynchronous in between.
 */
import { closeSync, openSync } from 'node:fs';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const setns = libc.func('int setns(int fd, int nstype)');
const socket = libc.func('int socket(int domain, int type, int protocol)');
const bind = libc.func('int bind(int fd, const void *address, uint32_t length)');
const listen = libc.func('int listen(int fd, int backlog)');
const connect = libc.func('int connect(int fd, const void *address, uint32_t length)');
const setsockopt = libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)');

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const CLONE_NEWNET = 0x4000_0000;

/** File descriptor of a socket that listens on every IPv4 address of the namespace. */
export function listenInNamespace(netns: string, port: number): number {
  return socketIn(netns, port, (fd) => {
    const one = Buffer.from([1, 0, 0, 0]);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one, one.length);
    const address = addressOf([0, 0, 0, 0], port);
    if (bind(fd, address, address.length) !== 0) return 'bind';
    return listen(fd, 128) === 0 ? undefined : 'listen';
  });
}

/** File descriptor of a socket that is connected to the port on the namespace's 127.0.0.1. Throws where nobody listens. */
export function connectInNamespace(netns: string, port: number): number {
  return socketIn(netns, port, (fd) => {
    const address = addressOf([127, 0, 0, 1], port);
    return connect(fd, address, address.length) === 0 ? undefined : 'connect';
  });
}

/** A struct sockaddr_in. */
function addressOf(ip: readonly number[], port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set(ip, 4);
  return address;
}

/** `prepare` names the call that failed. */
function socketIn(netns: string, port: number, prepare: (fd: number) => string | undefined): number {
  const own = openSync('/proc/thread-self/ns/net', 'r');
  const target = openSync(`/run/netns/${netns}`, 'r');
  let fd = -1;
  let failed: string | undefined;
  if (setns(target, CLONE_NEWNET) !== 0) failed = 'setns';
  else {
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) as number;
    failed = prepare(fd);
    if (failed !== undefined) failed += `, errno ${koffi.errno()}`;
    // In the wrong namespace nothing this process does can be trusted.
    if (setns(own, CLONE_NEWNET) !== 0) process.abort();
  }
  closeSync(own);
  closeSync(target);
  if (failed === undefined) return fd;
  if (fd >= 0) closeSync(fd);
  throw new Error(`no socket for port ${port} in ${netns}: ${failed}`);
}
