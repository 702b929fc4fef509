/**
 * A process that lives in one network namespace and sends and receives packets on command, so that what is claimed about
 * paths is proved by packets. Commands come as JSON lines on standard input, answers go out as JSON lines.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, createServer, isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';

export type ProbeCommand =
  /** UDP and TCP echo on this port: each answer is the address and port the request came from. */
  | { readonly op: 'listen'; readonly port: number }
  /** One UDP request; `seenFrom` is what the listener saw, absent when no answer came in time. */
  | {
      readonly op: 'udp';
      readonly to: string;
      readonly port: number;
      readonly from?: string;
      readonly timeoutMs: number;
    }
  | { readonly op: 'tcp'; readonly to: string; readonly port: number; readonly timeoutMs: number }
  /** One TCP connection with a request each `everyMs`, until `stream-stop`; counts requests without their answer. */
  | { readonly op: 'stream-start'; readonly to: string; readonly port: number; readonly everyMs: number }
  | { readonly op: 'stream-stop' }
  /** How many datagrams the listener has received from this source address. */
  | { readonly op: 'received'; readonly from: string };

export interface ProbeAnswer {
  readonly seenFrom?: string;
  readonly sent?: number;
  readonly answered?: number;
  readonly count?: number;
  readonly error?: string;
}

/** A late answer is none that was lost. */
const PATIENCE_MS = 15_000;
const received = new Map<string, number>();
let stream: { readonly stop: () => Promise<ProbeAnswer> } | undefined;

function listen(port: number): Promise<ProbeAnswer> {
  const udp = createSocket('udp6');
  udp.on('message', (_message, { address, port: remote }) => {
    const source = plain(address);
    received.set(source, (received.get(source) ?? 0) + 1);
    udp.send(source, remote, address);
  });
  const tcp = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    // One answer a line, however TCP cut or joined them.
    socket.setEncoding('latin1').on('data', (text: string) => {
      for (let lines = text.split('\n').length - 1; lines > 0; lines -= 1)
        socket.write(`${plain(socket.remoteAddress)}\n`);
    });
  });
  return new Promise((resolve, reject) => {
    tcp.once('error', reject);
    udp.once('error', reject);
    udp.bind(port, '::', () => tcp.listen(port, '::', () => resolve({})));
  });
}

/** An IPv4 client of a socket for both families shows as `::ffff:10.0.0.1`. */
function plain(address: string | undefined): string {
  return (address ?? '').replace('::ffff:', '');
}

function udp(command: Extract<ProbeCommand, { op: 'udp' }>): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    const socket: UdpSocket = createSocket(isIPv6(command.to) ? 'udp6' : 'udp4');
    const done = (answer: ProbeAnswer) => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => done({}), command.timeoutMs);
    socket.on('message', (message) => done({ seenFrom: message.toString() }));
    socket.on('error', (error) => done({ error: error.message }));
    socket.bind(0, command.from, () => socket.send('?', command.port, command.to));
  });
}

function tcp(command: Extract<ProbeCommand, { op: 'tcp' }>): Promise<ProbeAnswer> {
  return new Promise((resolve) => {
    const socket = connect({ host: command.to, port: command.port, timeout: command.timeoutMs });
    const done = (answer: ProbeAnswer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('connect', () => socket.write('?\n'));
    socket.on('data', (data) => done({ seenFrom: data.toString().trim() }));
    socket.on('timeout', () => done({}));
    socket.on('error', (error) => done({ error: error.message }));
  });
}

function startStream(command: Extract<ProbeCommand, { op: 'stream-start' }>): Promise<ProbeAnswer> {
  let sent = 0;
  let answered = 0;
  const socket = connect({ host: command.to, port: command.port, noDelay: true });
  return new Promise((resolve, reject) => {
    socket.on('error', (error) => reject(error));
    socket.on('data', (data) => (answered += data.toString().split('\n').length - 1));
    socket.on('connect', () => {
      // One request at a time, so that every answer is a line of its own.
      const timer = setInterval(() => {
        sent += 1;
        socket.write('?\n');
      }, command.everyMs);
      stream = {
        async stop() {
          clearInterval(timer);
          const giveUpAt = performance.now() + PATIENCE_MS;
          while (answered < sent && performance.now() < giveUpAt) await new Promise((next) => setTimeout(next, 20));
          socket.destroy();
          return { sent, answered };
        },
      };
      resolve({});
    });
  });
}

async function run(command: ProbeCommand): Promise<ProbeAnswer> {
  switch (command.op) {
    case 'listen':
      return listen(command.port);
    case 'udp':
      return udp(command);
    case 'tcp':
      return tcp(command);
    case 'stream-start':
      return startStream(command);
    case 'stream-stop':
      return stream?.stop() ?? { error: 'no stream runs' };
    case 'received':
      return { count: received.get(command.from) ?? 0 };
    default:
      return command satisfies never;
  }
}

if (process.argv[1] === import.meta.filename) {
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const { id, command } = JSON.parse(line) as { readonly id: number; readonly command: ProbeCommand };
    run(command).then(
      (answer) => process.stdout.write(`${JSON.stringify({ id, answer })}\n`),
      (error: unknown) => process.stdout.write(`${JSON.stringify({ id, answer: { error: String(error) } })}\n`),
    );
  });
  // The parent is gone: so is the reason to live.
  lines.on('close', () => process.exit(0));
}
