/** What the kernel tests of the fabric stand on: a router namespace, hosts in namespaces, kernel state as text. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { FabricEndpoint, FabricOptions, FabricState } from '#cloud/emulator/fabric/fabric.ts';
import { Fabric } from '#cloud/emulator/fabric/fabric.ts';

const PROGRAM = fileURLToPath(new URL('./fabric-host.program.ts', import.meta.url));
const LIMIT_MS = 60_000;
let beds = 0;

export interface FabricBed extends AsyncDisposable {
  readonly fabric: Fabric;
  readonly prefix: string;
  readonly router: string;
}

/** Short enough for link names and unique on this machine. */
export function uniquePrefix(): string {
  beds += 1;
  return `wf${process.pid.toString(36)}${beds.toString(36)}-`;
}

/** A fabric in a router namespace made for it; both go when it is disposed of. */
export async function fabricBed(options: Partial<FabricOptions> = {}): Promise<FabricBed> {
  const prefix = options.prefix ?? uniquePrefix();
  const router = options.routerNetns ?? `router-${prefix}`;
  ip(['netns', 'add', router]);
  try {
    const fabric = await Fabric.create({ ...options, prefix, routerNetns: router });
    const dispose = async (): Promise<void> => {
      try {
        await fabric[Symbol.asyncDispose]();
      } finally {
        ip(['netns', 'del', router]);
      }
    };
    return { fabric, prefix, router, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    ip(['netns', 'del', router]);
    throw error;
  }
}

/** Runs iproute2 and returns what it prints. */
export function ip(args: readonly string[], namespace?: string): string {
  return execFileSync('ip', [...(namespace === undefined ? [] : ['-n', namespace]), ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs a program in a namespace; rejects when it fails. */
export async function runIn(namespace: string, command: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('nsenter', [`--net=/run/netns/${namespace}`, command, ...args], {
    timeout: LIMIT_MS,
  });
  return stdout;
}

/** Whether one echo request is answered within a second: for those that are not, so that waiting would cost. */
export function pings(namespace: string, destination: string): Promise<boolean> {
  return isAnswered(namespace, destination, 1);
}

/** Whether one echo request is answered; a lost neighbour solicitation costs a second. */
export function reaches(namespace: string, destination: string): Promise<boolean> {
  return isAnswered(namespace, destination, 10);
}

function isAnswered(namespace: string, destination: string, seconds: number): Promise<boolean> {
  return runIn(namespace, 'ping', '-c1', `-W${seconds}`, destination).then(
    () => true,
    () => false,
  );
}

export const sendUdp = (namespace: string, source: string, destination: string, payload: string): Promise<string> =>
  runIn(namespace, process.execPath, PROGRAM, 'udp', source, destination, payload);

/** Resolves with what the listener answers: the source it saw, and how many bytes reached it. */
export const sendTcp = (namespace: string, source: string, destination: string, bytes: number): Promise<string> =>
  runIn(namespace, process.execPath, PROGRAM, 'tcp', source, destination, String(bytes));

export interface Listener extends AsyncDisposable {
  readonly lines: readonly string[];
  /** Resolves once a line with this text was printed. */
  heard(text: string): Promise<void>;
}

/** Starts the listening program in a namespace and waits until it listens. */
export async function listenIn(namespace: string): Promise<Listener> {
  const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, process.execPath, PROGRAM, 'listen'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const heard = (text: string): Promise<void> =>
    until(`the listener in ${namespace} prints ${text}`, () => lines.some((line) => line.includes(text)));
  const dispose = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  try {
    await heard('ready');
  } catch (error) {
    await dispose();
    throw error;
  }
  return { lines, heard, [Symbol.asyncDispose]: dispose };
}

/** Polls a condition, with a bound. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited ${LIMIT_MS} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** `link proxy_delay` of every link but lo; a proxied ARP answer waits for up to so many milliseconds. */
export function proxyDelays(namespace?: string): readonly string[] {
  const tables = ip(['ntable', 'show', 'name', 'arp_cache'], namespace).split('inet arp_cache');
  return tables.flatMap((table) => {
    const [, link = 'lo'] = /dev (\S+)/.exec(table) ?? [];
    return link === 'lo' ? [] : [`${link} ${/proxy_delay (\d+)/.exec(table)?.[1]}`];
  });
}

/** All that the fabric may have put into a namespace, one object a line, exactly as iproute2 prints it. */
export function kernelText(namespace: string): string {
  const commands = [
    ['-o', 'addr'],
    ['-o', 'link'],
    ['route', 'show', 'table', 'all'],
    ['rule'],
    ['-6', 'rule'],
    ['neigh', 'show', 'nud', 'permanent'],
  ];
  return commands.map((command) => ip(command, namespace)).join('');
}

/**
 * The same without what depends on history: order, link numbers, MACs that the kernel draws, and the name of an absent
 * carrier (the kernel says LOWERLAYERDOWN unless both ends of a veth pair happen to have the same number).
 */
export function comparableText(namespace: string): readonly string[] {
  return kernelText(namespace)
    .split('\n')
    .map((line) =>
      line
        .replace(/^\d+: /, '')
        .replace(/@if\d+/, '')
        .replace('state LOWERLAYERDOWN', 'state DOWN')
        .replace(/link\/ether [0-9a-f:]+ brd/, '')
        .trimEnd(),
    )
    .sort();
}

/** An interface of a /16 VPC 10.0.0.0/16: subnet and host number make its address, and both make its id and MAC. */
export function endpoint(
  instanceId: string,
  deviceIndex: number,
  subnet: number,
  host: number,
  held: Partial<Pick<FabricEndpoint, 'addresses' | 'prefixes' | 'ipv6Addresses' | 'ipv6Prefixes'>> = {},
): FabricEndpoint {
  const digits = (subnet * 256 + host).toString(16).padStart(4, '0');
  return {
    id: `eni-0aa0000000000${digits}`,
    instanceId,
    mac: `02:aa:00:00:${digits.slice(0, 2)}:${digits.slice(2)}`,
    deviceIndex,
    primaryAddress: `10.0.${subnet}.${host}`,
    addresses: [],
    prefixes: [],
    subnetCidr: `10.0.${subnet}.0/24`,
    isPrimary: deviceIndex === 0,
    ...held,
  };
}

export function vpc(...endpoints: readonly FabricEndpoint[]): FabricState {
  return {
    vpcCidrs: ['10.0.0.0/16'],
    subnets: [0, 1].map((subnet) => ({ id: `subnet-${subnet}`, cidr: `10.0.${subnet}.0/24` })),
    endpoints,
  };
}

/** The same VPC with IPv6: 2600:1f13:0:100::/56, and a /64 for each subnet. */
export function dualStack(state: FabricState): FabricState {
  const endpoints = state.endpoints.map((each) => ({
    ...each,
    subnetIpv6Cidr: `2600:1f13:0:10${each.subnetCidr.split('.')[2] ?? ''}::/64`,
  }));
  return { ...state, vpcIpv6Cidrs: ['2600:1f13:0:100::/56'], endpoints };
}
