/** HTTP/1.1 as bytes: a tee that writes down what passes between a client and a server, and what of it must be the same. */
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';
import { until } from './until.ts';

export interface Exchanged {
  readonly request: Buffer;
  readonly answer: Buffer;
}

export interface Tee extends AsyncDisposable {
  readonly url: URL;
  /** What has passed since the last time it was asked. */
  take(): Exchanged;
}

/** Passes connections on to `target` and keeps a copy of both directions. */
export async function tee(target: URL): Promise<Tee> {
  let passed: { readonly request: Buffer[]; readonly answer: Buffer[] } = { request: [], answer: [] };
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(target.port), target.hostname);
    near.on('data', (bytes: Buffer) => passed.request.push(bytes));
    far.on('data', (bytes: Buffer) => passed.answer.push(bytes));
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => [near, far].forEach((one) => one.destroy()));
      socket.on('close', () => sockets.delete(socket));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    take: () => {
      const taken = { request: Buffer.concat(passed.request), answer: Buffer.concat(passed.answer) };
      passed = { request: [], answer: [] };
      return taken;
    },
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}

/** Sends bytes on a connection of their own and reads until a whole message has come back. */
export async function exchange(target: URL, bytes: Buffer): Promise<Buffer> {
  const socket = connect(Number(target.port), target.hostname);
  const received: Buffer[] = [];
  let ended = false;
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  socket.on('close', () => (ended = true));
  socket.on('error', () => (ended = true));
  socket.write(bytes);
  try {
    await until('the answer is there', 30_000, () => ended || isWhole(Buffer.concat(received)));
  } finally {
    socket.destroy();
  }
  return Buffer.concat(received);
}

export interface Message {
  readonly startLine: string;
  /** In their order and spelling, without those of one connection. */
  readonly headers: readonly string[];
  /** Without the framing of chunks, whose lengths are each connection's own. */
  readonly body: string;
}

const OF_ONE_HOP = /^(connection|keep-alive):/i;

/** What of a message may not change on its way. The body is told as latin1 text, one character a byte. */
export function messageOf(bytes: Buffer): Message {
  const text = bytes.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  const [startLine = '', ...headers] = text.slice(0, end).split('\r\n');
  const body = text.slice(end + 4);
  const chunked = headers.some((header) => /^transfer-encoding:\s*chunked/i.test(header));
  return {
    startLine,
    headers: headers.filter((header) => !OF_ONE_HOP.test(header)),
    body: chunked ? dechunked(body) : body,
  };
}

function dechunked(text: string): string {
  let [rest, body] = [text, ''];
  for (;;) {
    const line = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, line), 16);
    if (!(size > 0)) return body;
    body += rest.slice(line + 2, line + 2 + size);
    rest = rest.slice(line + 2 + size + 2);
  }
}

function isWhole(bytes: Buffer): boolean {
  const text = bytes.toString('latin1');
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const head = text.slice(0, end).toLowerCase();
  if (/\r\ntransfer-encoding:\s*chunked/.test(head)) return text.endsWith('\r\n0\r\n\r\n');
  const length = /\r\ncontent-length:\s*(\d+)/.exec(head)?.[1];
  return length === undefined ? /^http\/1\.1 (204|304)/.test(head) : bytes.length >= end + 4 + Number(length);
}
