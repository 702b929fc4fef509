/**
 * The daemon's standing access to the kernel: one rtnetlink and one nf_tables socket in the host's namespace, and the
 * way into a pod's. Also the reads that several parts need.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatapathError } from './datapath.ts';
import { familyOfNumber } from './ip.ts';
import { NetlinkError } from './netlink/errors.ts';
import { dump, getOne } from './netlink/exchange.ts';
import type { NetlinkRequest } from './netlink/message.ts';
import { decodeAddress, dumpAddresses, type LinkAddress } from './netlink/route/address.ts';
import { decodeNeighbour, dumpNeighbours, type Neighbour } from './netlink/route/neighbour.ts';
import { decodeIpv6Settings, type Ipv6Settings } from './netlink/route/ipv6-settings.ts';
import { decodeLink, dumpLinks, getLinkByIndex, getLinkByName, type Link } from './netlink/route/link.ts';
import { decodeRoute, dumpRoutes, type Route } from './netlink/route/route.ts';
import { decodeRule, dumpRules, type Rule } from './netlink/route/rule.ts';
import {
  currentNamespace,
  namespaceIdentity,
  openNamespace,
  openNetlink,
  warmThreadPool,
  withinNamespace,
  type NamespaceHandle,
  type NetlinkOptions,
  type OpenNetlinkSocket,
} from './netlink/transport.ts';

/** Open until disposed. */
export interface Kernel extends Disposable {
  readonly route: OpenNetlinkSocket;
  readonly nft: OpenNetlinkSocket;
  /** Opens a further socket in the host's namespace. */
  openInHost(options: NetlinkOptions): OpenNetlinkSocket;
  /** For the host's network namespace; in the order of the names. */
  readonly setSysctls: SetSysctls;
  /** The host's sysctls as they are; those that do not exist are left out. */
  readonly getSysctls: (names: readonly string[]) => ReadonlyMap<string, string>;
  /** Runs a synchronous exchange with a pod's namespace over a socket that lives as long. */
  withPod<T>(netns: string, work: PodWork<T>): T;
}

/** What is done with a pod's namespace: messages by the socket, sysctls by the functions. */
export type PodWork<T> = (
  socket: OpenNetlinkSocket,
  netnsFd: number,
  setSysctls: SetSysctls,
  getSysctls: Kernel['getSysctls'],
) => T;

/**
 * Sets sysctls of a network namespace that differ, or without a look where that is known; the names are paths below /proc/sys. Throws
 * `DatapathError`.
 */
export type SetSysctls = (values: Readonly<Record<string, string>>, differ?: boolean) => void;

/** Where the host's side is; the defaults are this process's own namespace and /proc/sys. */
export interface KernelOptions {
  readonly hostNetns?: string | undefined;
  readonly procSys?: string | undefined;
}

/** Opens the sockets. Throws `DatapathError`. */
export async function openKernel(options: KernelOptions = {}): Promise<Kernel> {
  await warmThreadPool();
  const resources = new DisposableStack();
  try {
    const home = resources.use(currentNamespace());
    const host = options.hostNetns === undefined ? undefined : resources.use(openHost(options.hostNetns, home));
    const inHost = <T>(work: () => T): T => (host === undefined ? work() : withinNamespace(host, home, work));
    const openInHost = (netlink: NetlinkOptions): OpenNetlinkSocket => inHost(() => openNetlink(netlink));
    const procSys = options.procSys ?? '/proc/sys';
    // It stays while somebody holds the namespace open, as we do.
    const hostIdentity = namespaceIdentity(host ?? home);
    const route = resources.use(openInHost({ family: 'route' }));
    const nft = resources.use(openInHost({ family: 'netfilter' }));
    const owned = resources.move();
    return {
      route,
      nft,
      openInHost,
      setSysctls: (values, differ) => inHost(() => setSysctls(procSys, values, differ)),
      getSysctls: (names) => inHost(() => getSysctls(procSys, names)),
      withPod: (netns, work) => withPod({ home, hostIdentity, procSys, netns }, work),
      [Symbol.dispose]: () => owned.dispose(),
    };
  } catch (error) {
    resources.dispose();
    throw asDatapathError(error);
  }
}

function setSysctls(procSys: string, values: Readonly<Record<string, string>>, differ = false): void {
  for (const [name, value] of Object.entries(values)) setSysctl(join(procSys, name), value, differ);
}

function getSysctls(procSys: string, names: readonly string[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const name of names) {
    try {
      values.set(name, readFileSync(join(procSys, name), 'utf8').trim());
    } catch (error) {
      // A link that went takes its settings with it.
      if (errnoOf(error) !== 'ENOENT') throw asDatapathError(error);
    }
  }
  return values;
}

/** Reads first unless it is known to differ: in a container /proc/sys is often read-only and the value right already. */
function setSysctl(path: string, value: string, differs: boolean): void {
  try {
    if (differs || readFileSync(path, 'utf8').trim() !== value) writeFileSync(path, value);
  } catch (error) {
    const errno = errnoOf(error);
    throw new DatapathError('kernel-refused', `set ${path} to ${value}: ${errno ?? String(error)}`, {
      ...withErrno(errno),
      cause: error,
    });
  }
}

function openNetns(path: string): NamespaceHandle {
  try {
    return openNamespace(path);
  } catch (error) {
    throw noSuchNetns(path, error);
  }
}

/** Entered once, to find out now whether it is a network namespace. */
function openHost(path: string, home: NamespaceHandle): NamespaceHandle {
  const host = openNetns(path);
  try {
    withinNamespace(host, home, () => undefined);
    return host;
  } catch (error) {
    host[Symbol.dispose]();
    throw noSuchNetns(path, error);
  }
}

interface PodPlace {
  readonly home: NamespaceHandle;
  readonly hostIdentity: string;
  readonly procSys: string;
  readonly netns: string;
}

function withPod<T>({ home, hostIdentity, procSys, netns }: PodPlace, work: PodWork<T>): T {
  using target = openNetns(netns);
  // Plumbing a pod there would replace the node's default route.
  if (namespaceIdentity(target) === hostIdentity) throw noSuchNetns(netns, undefined, "it is the host's own");
  let socket: OpenNetlinkSocket;
  try {
    socket = withinNamespace(target, home, () => openNetlink({ family: 'route', isBrief: true }));
  } catch (error) {
    // setns(2): EINVAL is a descriptor of something that is no network namespace.
    if (error instanceof NetlinkError && error.errno === 'EINVAL') throw noSuchNetns(netns, error);
    throw error;
  }
  using pod = socket;
  // /proc/sys/net shows the namespace of the thread that opens a file in it (net/sysctl_net.c).
  const inside = <R>(sysctls: () => R): R => withinNamespace(target, home, sysctls);
  return work(
    pod,
    target.fd,
    (values, differ) => inside(() => setSysctls(procSys, values, differ)),
    (names) => inside(() => getSysctls(procSys, names)),
  );
}

function noSuchNetns(path: string, cause: unknown, why = 'not there, or no network namespace'): DatapathError {
  return new DatapathError('no-such-netns', `network namespace ${path}: ${why}`, {
    ...withErrno(errnoOf(cause)),
    cause,
  });
}

function errnoOf(error: unknown): string | undefined {
  if (error instanceof NetlinkError) return error.errno;
  // By its shape: under a test runner Node's own errors are of another realm's class.
  const isObject = typeof error === 'object' && error !== null;
  return isObject && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function withErrno(errno: string | undefined): { errno?: string } {
  return errno === undefined ? {} : { errno };
}

/** Any failure of this folder as the contract's error. */
export function asDatapathError(error: unknown): DatapathError {
  if (error instanceof DatapathError) return error;
  const errno = errnoOf(error);
  const code = errno === 'EPERM' || errno === 'EACCES' ? 'not-permitted' : 'kernel-refused';
  return new DatapathError(code, error instanceof Error ? error.message : String(error), {
    ...withErrno(errno),
    cause: error,
  });
}

/** Kinds that carry the MAC of the link below them and so must not be taken for an ENI. */
const STACKED_KINDS: ReadonlySet<string> = new Set([
  'vlan',
  'macvlan',
  'macvtap',
  'ipvlan',
  'ipvtap',
  'bridge',
  'bond',
  'team',
]);

/** Whether a link is the ENI with this MAC. */
export function isInterfaceWithMac(link: Link, mac: string): boolean {
  const wanted = mac.toLowerCase();
  return (link.mac === wanted || link.permanentMac === wanted) && !STACKED_KINDS.has(link.kind ?? '');
}

/** All links of the host. */
export function readLinks(kernel: Kernel): readonly Link[] {
  return dump(kernel.route, dumpLinks()).map(({ body }) => decodeLink(body));
}

/** Where links with a MAC were found last: a start asks for one ENI after the other, among the links of all pods. */
const lastIndexes = new WeakMap<Kernel, ReadonlyMap<string, number>>();

/** The ENI's link. Throws `DatapathError` no-such-link. */
export function requireLinkByMac(kernel: Kernel, mac: string): Link {
  const index = lastIndexes.get(kernel)?.get(mac.toLowerCase());
  const last = index === undefined ? undefined : getOne(kernel.route, getLinkByIndex(index));
  const known = last === undefined ? undefined : decodeLink(last.body);
  if (known !== undefined && isInterfaceWithMac(known, mac)) return known;
  const links = readLinks(kernel);
  lastIndexes.set(kernel, indexesByMac(links));
  const link = links.find((candidate) => isInterfaceWithMac(candidate, mac));
  if (link === undefined) throw new DatapathError('no-such-link', `no link with MAC ${mac} on this host`);
  return link;
}

/** The first of several wins, as where the list is searched. */
function indexesByMac(links: readonly Link[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const { index, kind, mac, permanentMac = mac } of links.toReversed()) {
    if (STACKED_KINDS.has(kind ?? '')) continue;
    found.set(permanentMac, index).set(mac, index);
  }
  return found;
}

/** A link of the namespace of the socket. */
export function readLinkByName(socket: OpenNetlinkSocket, name: string): Link | undefined {
  const answer = getOne(socket, getLinkByName(name));
  return answer === undefined ? undefined : decodeLink(answer.body);
}

/** Undefined where the link has no IPv6, or is not there. */
export function readIpv6Settings(socket: OpenNetlinkSocket, link: number): Ipv6Settings | undefined {
  const answer = getOne(socket, getLinkByIndex(link));
  return answer === undefined ? undefined : decodeIpv6Settings(answer.body);
}

/** The bodies of a dump over all families that are of IPv4 or IPv6. */
function dumpIp(socket: OpenNetlinkSocket, request: NetlinkRequest): readonly Buffer[] {
  const bodies = dump(socket, request).map(({ body }) => body);
  return bodies.filter((body) => familyOfNumber(body[0]) !== undefined);
}

/** The addresses of one link or (0) of all. */
export function readAddresses(socket: OpenNetlinkSocket, link: number): readonly LinkAddress[] {
  const addresses = dumpIp(socket, dumpAddresses(link)).map(decodeAddress);
  return addresses.filter(({ index }) => link === 0 || index === link);
}

/** The neighbours of one link. */
export function readNeighbours(socket: OpenNetlinkSocket, link: number): readonly Neighbour[] {
  const neighbours = dumpIp(socket, dumpNeighbours()).map(decodeNeighbour);
  return neighbours.filter(({ index }) => index === link);
}

/** The routes of one protocol number, of one table or (0) of all. */
export function readRoutes(socket: OpenNetlinkSocket, protocol: number, table: number): readonly Route[] {
  const routes = dumpIp(socket, dumpRoutes(protocol, table)).map(decodeRoute);
  // Kernels before 4.20 send all routes whatever was asked.
  return routes.filter((route) => route.protocol === protocol && (table === 0 || route.table === table));
}

/** The host's rules of one protocol number. */
export function readRules(kernel: Kernel, protocol: number): readonly Rule[] {
  return dumpIp(kernel.route, dumpRules())
    .map(decodeRule)
    .filter((rule) => rule.protocol === protocol);
}
