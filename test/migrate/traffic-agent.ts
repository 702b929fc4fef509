/**
 * Traffic that counts its losses. A process in one network namespace serves TCP and UDP echoes, and talks to others: one TCP
 * connection and one UDP socket for each, a numbered message every few milliseconds. Commands and answers are JSON lines.
 */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { connect, createServer, isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';

export type TrafficCommand =
  | { readonly op: 'listen'; readonly port: number }
  /** Resolves when both have had their first answer. */
  | { readonly op: 'talk'; readonly to: string; readonly port: number; readonly everyMs: number }
  | { readonly op: 'stop' };

/** Of all that this process talked to. */
export interface TrafficCount {
  readonly tcpSent: number;
  readonly tcpAnswered: number;
  /** Connections that ended or never began. */
  readonly broken: readonly string[];
  readonly udpSent: number;
  readonly udpAnswered: number;
  /**
   * TCP segments of this whole namespace that were sent again since all were talking, because they had not arrived. What was sent
   * again in vain, because a busy machine answered late, is told by the other side (RFC 2883) and taken off.
   */
  readonly segmentsLost: number;
  /** What the others saw this side as. */
  readonly seenAs: readonly string[];
}

export type TrafficAnswer = { readonly error?: string } & Partial<TrafficCount>;

const broken: string[] = [];
const seenAs = new Set<string>();
const count = { tcpSent: 0, tcpAnswered: 0, udpSent: 0, udpAnswered: 0 };
const timers: NodeJS.Timeout[] = [];
/**
 * Datagrams of one socket that are on their way. More would overflow the receive buffers of a process that a busy machine
 * does not let run, and be lost there.
 */
const WINDOW = 8;
/** A late answer is none that was lost. */
const PATIENCE_MS = 15_000;
let lostBefore: number | undefined;

/** A counter of this namespace. */
function counter(file: 'snmp' | 'netstat', group: string, name: string): number {
  const lines = readFileSync(`/proc/self/net/${file}`, 'utf8').split('\n');
  const [names = '', values = ''] = lines.filter((line) => line.startsWith(`${group}:`));
  return Number(values.split(' ')[names.split(' ').indexOf(name)] ?? 0);
}

function segmentsLost(): number {
  return counter('snmp', 'Tcp', 'RetransSegs') - counter('netstat', 'TcpExt', 'TCPDSACKRecv');
}

function listen(port: number): Promise<void> {
  const udp = createSocket('udp6');
  udp.on('message', (message, { address, port: remote }) => {
    udp.send(`${message.toString()} ${address.replace('::ffff:', '')}`, remote, address);
  });
  const tcp = createServer({ noDelay: true }, (socket) => {
    const seen = (socket.remoteAddress ?? '').replace('::ffff:', '');
    socket.on('error', () => socket.destroy());
    socket.setEncoding('latin1').on('data', (text: string) => {
      for (const line of text.split('\n').slice(0, -1)) socket.write(`${line} ${seen}\n`);
    });
  });
  return new Promise((resolve) => {
    udp.bind(port, '::', () => tcp.listen(port, '::', resolve));
  });
}

function talk({ to, port, everyMs }: Extract<TrafficCommand, { op: 'talk' }>): Promise<void> {
  const udp = createSocket(isIPv6(to) ? 'udp6' : 'udp4');
  let onTheWay = 0;
  const firstUdp = new Promise<void>((resolve) => {
    udp.on('message', (message) => {
      count.udpAnswered += 1;
      onTheWay -= 1;
      seenAs.add(message.toString().split(' ')[1] ?? '');
      resolve();
    });
  });
  const tcp = connect({ host: to, port, noDelay: true });
  tcp.on('error', (error) => broken.push(`${to}: ${error.message}`));
  tcp.on('close', () => broken.push(`${to}: closed`));
  const firstTcp = new Promise<void>((resolve) => {
    tcp.setEncoding('latin1').on('data', (text: string) => {
      const lines = text.split('\n').slice(0, -1);
      count.tcpAnswered += lines.length;
      for (const line of lines) seenAs.add(line.split(' ')[1] ?? '');
      resolve();
    });
  });
  tcp.on('connect', () => {
    timers.push(
      setInterval(() => {
        tcp.write(`${(count.tcpSent += 1)}\n`);
        if (onTheWay >= WINDOW) return;
        onTheWay += 1;
        udp.send(String((count.udpSent += 1)), port, to);
      }, everyMs),
    );
  });
  return Promise.all([firstUdp, firstTcp]).then(() => {
    // What a neighbour that was not known yet cost at the beginning is nobody's loss.
    lostBefore = segmentsLost();
  });
}

async function stop(): Promise<TrafficCount> {
  for (const timer of timers) clearInterval(timer);
  const isOver = () => count.tcpAnswered >= count.tcpSent && count.udpAnswered >= count.udpSent;
  const giveUpAt = performance.now() + PATIENCE_MS;
  while (!isOver() && performance.now() < giveUpAt) await new Promise((next) => setTimeout(next, 20));
  return {
    ...count,
    broken: [...broken],
    segmentsLost: Math.max(0, segmentsLost() - (lostBefore ?? 0)),
    seenAs: [...seenAs].toSorted(),
  };
}

async function run(command: TrafficCommand): Promise<TrafficAnswer> {
  switch (command.op) {
    case 'listen':
      await listen(command.port);
      return {};
    case 'talk':
      await talk(command);
      return {};
    case 'stop':
      return stop();
    default:
      return command satisfies never;
  }
}

if (process.argv[1] === import.meta.filename) {
  const lines = createInterface({ input: process.stdin });
  lines.on('line', (line) => {
    const { id, command } = JSON.parse(line) as { readonly id: number; readonly command: TrafficCommand };
    run(command).then(
      (answer) => process.stdout.write(`${JSON.stringify({ id, answer })}\n`),
      (error: unknown) => process.stdout.write(`${JSON.stringify({ id, answer: { error: String(error) } })}\n`),
    );
  });
  // The parent is gone: so is the reason to live.
  lines.on('close', () => process.exit(0));
}
