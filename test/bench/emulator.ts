/** The emulator as a process: filled with 10,000 ENIs, then asked 300 times a second, as nodes ask, then as often as it answers. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { figure, type Figure } from './figures.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { atMost } from './reach.ts';

const MAIN = new URL('../../cloud/emulator/main.ts', import.meta.url).pathname;
const INTERFACES = 10_000;
const RATE = 300;
const SECONDS = 20;
const AT_ONCE = 16;
const ROUNDS = 5;
const ROUND_MS = 2000;
const TICKS_PER_SECOND = 100;
const YAML = 'vpcs: [{ name: v, cidr: 10.0.0.0/16, subnets: [{ name: s, cidr: 10.0.0.0/16 }] }]';

export const emulatorPart: Part = {
  about: `the emulator alone: ${INTERFACES} ENIs, then ${RATE} requests/s for ${SECONDS} s, then all that it answers`,
  run: runEmulator,
};

interface Emulator extends AsyncDisposable {
  readonly pid: number;
  readonly subnetId: string;
  /** The answer's text. Rejects where it is a refusal. */
  readonly ask: (query: string) => Promise<string>;
}

async function runEmulator({ say, signal }: PartOptions): Promise<Measured> {
  await using emulator = await start();
  say(`  filling it with ${INTERFACES} ENIs`);
  const began = performance.now();
  const ids = await fill(emulator, signal);
  const perSecond = INTERFACES / ((performance.now() - began) / 1000);
  say(`  ${RATE} requests/s for ${SECONDS} s`);
  const cpuBefore = cpuSeconds(emulator.pid);
  const load = await offer(emulator, ids, signal);
  const share = (cpuSeconds(emulator.pid) - cpuBefore) / load.seconds;
  say(`  ${AT_ONCE} requests at a time, ${ROUNDS} x ${ROUND_MS / 1000} s`);
  const most: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) most.push(await saturate(emulator, ids, signal));
  const figures: readonly (Figure | undefined)[] = [
    figure('emulator/creates', 'per s', [perSecond]),
    figure('emulator/latency', 'ms', load.latencies),
    figure('emulator/answered', 'per s', [load.latencies.length / load.seconds]),
    figure('emulator/saturated', 'per s', most),
    figure('emulator/failed', 'count', [load.failed]),
    figure('emulator/cores', 'ratio', [share]),
    figure('emulator/rss', 'MB', [rssMb(emulator.pid)]),
  ];
  return {
    figures: figures.filter((one) => one !== undefined),
    reach: [atMost('emulator.failed', 0, load.failed), atMost('emulator.cores', 1, share)],
  };
}

async function start(): Promise<Emulator> {
  const child = spawn(
    process.execPath,
    ['--no-warnings', MAIN, 'up', '--file', '-', '--listen', '127.0.0.1:0', '--json'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  child.stdin.end(YAML);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const ready = JSON.parse(line.toString()) as {
    readonly endpoint: string;
    readonly pid: number;
    readonly names: { readonly subnets: Readonly<Record<string, string>> };
  };
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  return {
    pid: ready.pid,
    subnetId: ready.names.subnets['s'] ?? '',
    ask: (query) => get(agent, `${ready.endpoint}/?Version=2016-11-15&${query}`),
    [Symbol.asyncDispose]: async () => {
      agent.destroy();
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    },
  };
}

function get(agent: Agent, url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
    });
    request.on('error', reject);
    request.end();
  });
}

async function fill({ ask, subnetId }: Emulator, signal: AbortSignal): Promise<readonly string[]> {
  const ids: string[] = [];
  let left = INTERFACES;
  const client = async (): Promise<void> => {
    while (left > 0) {
      signal.throwIfAborted();
      left -= 1;
      const answer = await ask(`Action=CreateNetworkInterface&SubnetId=${subnetId}&SecondaryPrivateIpAddressCount=1`);
      ids.push(/<networkInterfaceId>([^<]+)/.exec(answer)?.[1] ?? '');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  return ids;
}

interface Load {
  readonly latencies: readonly number[];
  readonly failed: number;
  readonly seconds: number;
}

/** Sends on time, whatever the answers take: an emulator that falls behind shows it in its latencies. */
async function offer({ ask, subnetId }: Emulator, ids: readonly string[], signal: AbortSignal): Promise<Load> {
  const latencies: number[] = [];
  let failed = 0;
  const underWay = new Set<Promise<void>>();
  const began = performance.now();
  for (let sent = 0; sent < RATE * SECONDS; sent += 1) {
    signal.throwIfAborted();
    const due = began + (sent * 1000) / RATE;
    const wait = due - performance.now();
    // A timer takes whole milliseconds, and one that fires early would make latencies too small.
    if (wait > 0) await pause(Math.ceil(wait));
    const work = exchange(ask, subnetId, ids[(sent * 7919) % ids.length] ?? '', sent).then(
      () => void latencies.push(performance.now() - due),
      () => void (failed += 1),
    );
    underWay.add(work);
    void work.finally(() => underWay.delete(work));
  }
  await Promise.all(underWay);
  return { latencies, failed, seconds: (performance.now() - began) / 1000 };
}

/** Requests answered a second, where the next follows each answer; a refusal ends the measurement. */
async function saturate({ ask, subnetId }: Emulator, ids: readonly string[], signal: AbortSignal): Promise<number> {
  const from = performance.now();
  let sent = 0;
  const client = async (): Promise<void> => {
    while (performance.now() - from < ROUND_MS) {
      signal.throwIfAborted();
      sent += 1;
      // Not those that give addresses away: ENIs would be full in the end.
      await exchange(ask, subnetId, ids[(sent * 7919) % ids.length] ?? '', 1 + (sent % 4));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, client));
  return (1000 * sent) / (performance.now() - from);
}

/** What nodes ask for, in turn: an address more and less, their own interfaces, and the subnet. */
async function exchange(ask: Emulator['ask'], subnetId: string, id: string, turn: number): Promise<void> {
  switch (turn % 5) {
    case 0:
      await ask(`Action=AssignPrivateIpAddresses&NetworkInterfaceId=${id}&SecondaryPrivateIpAddressCount=1`);
      return;
    case 1:
      await ask(`Action=DescribeNetworkInterfaces&NetworkInterfaceId.1=${id}`);
      return;
    case 2:
      await ask(`Action=DescribeNetworkInterfaces&Filter.1.Name=network-interface-id&Filter.1.Value.1=${id}`);
      return;
    case 3:
      await ask(`Action=DescribeSubnets&SubnetId.1=${subnetId}`);
      return;
    default:
      await ask(`Action=CreateTags&ResourceId.1=${id}&Tag.1.Key=turn&Tag.1.Value=${turn}`);
  }
}

/** User and system time of a process: fields 14 and 15 of /proc/PID/stat (proc(5)). */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function rssMb(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}
