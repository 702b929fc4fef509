/**
 * Host ports as values: what a pod asks for (capability `portMappings` of the CNI conventions), what that publishes on the
 * node, and what two pods cannot both have. Pure.
 */
import { isIP, isIPv4 } from 'node:net';
import type { PortMapping } from '#cni/spec/runtime-config.ts';
import { canonicalAddress, familyOf, type IpFamily } from '../ip.ts';

/** One port of the node in one family that leads to a pod. */
export interface PublishedPort {
  readonly family: IpFamily;
  /** The node's address that it is bound to; undefined: every address of the node. */
  readonly hostIp: string | undefined;
  readonly protocol: PortMapping['protocol'];
  readonly hostPort: number;
  /** The pod's address and port. */
  readonly address: string;
  readonly containerPort: number;
}

/** The whole of a family, as `hostIP` writes it. */
const EVERY_ADDRESS: Readonly<Record<string, IpFamily>> = { '0.0.0.0': 'ipv4', '::': 'ipv6' };

/**
 * What a pod with these addresses publishes. Without hostIP that is one port for each of its addresses; a mapping whose
 * hostIP is of a family that the pod lacks publishes nothing (`mappingProblem` refuses it before).
 */
export function publishedPorts(
  mappings: readonly PortMapping[],
  addresses: readonly string[],
): readonly PublishedPort[] {
  const all = mappings.flatMap(({ hostIp: asked, ...ports }) => {
    const every = asked === undefined ? undefined : EVERY_ADDRESS[canonicalAddress(asked)];
    const hostIp = asked === undefined || every !== undefined ? undefined : canonicalAddress(asked);
    const family = every ?? (hostIp === undefined ? undefined : familyOf(hostIp));
    return addresses
      .filter((address) => family === undefined || familyOf(address) === family)
      .map((address) => ({ family: familyOf(address), hostIp, ...ports, address }));
  });
  // The same mapping twice is one element.
  return [...new Map(all.map((port) => [`${portKey(port)} ${port.address} ${port.containerPort}`, port])).values()];
}

/** What makes two published ports the same port of the node, in words. */
export function portKey({ family, hostIp, protocol, hostPort }: PublishedPort): string {
  const where = hostIp ?? `every ${family === 'ipv4' ? 'IPv4' : 'IPv6'} address`;
  return `${hostPort}/${protocol} on ${where}`;
}

/** Why a pod with these addresses cannot have these mappings, with the key at fault; undefined if it can. */
export function mappingProblem(mappings: readonly PortMapping[], addresses: readonly string[]): string | undefined {
  for (const { hostIp, hostPort, protocol } of mappings) {
    const problem = hostIp === undefined ? undefined : hostIpProblem(hostIp, addresses);
    if (problem !== undefined)
      return `runtimeConfig.portMappings: hostIP of host port ${hostPort}/${protocol}: ${problem}`;
  }
  const targets = new Map<string, string>();
  for (const port of publishedPorts(mappings, addresses)) {
    const [key, target] = [portKey(port), `port ${port.containerPort}`];
    const other = targets.get(key);
    if (other !== undefined && other !== target)
      return `runtimeConfig.portMappings: hostPort ${key} is asked for twice, for ${other} and ${target} of the container`;
    targets.set(key, target);
  }
  return undefined;
}

/** `addresses` empty: the pod's families are not known yet. */
function hostIpProblem(hostIp: string, addresses: readonly string[]): string | undefined {
  const shown = `${JSON.stringify(hostIp.slice(0, 100))} is not allowed; expected`;
  if (isIP(hostIp) === 0 || hostIp.includes('%')) return `${shown} an IPv4 or IPv6 address without zone, or nothing`;
  // The kernel sends nothing from ::1 to another host, so connections from there never reach a pod.
  if (canonicalAddress(hostIp) === '::1') return `${shown} another address of this node: no pod can be reached by ::1`;
  if (isMulticast(hostIp)) return `${shown} an address of this node, not a multicast group`;
  const family = familyOf(hostIp);
  if (addresses.length > 0 && !addresses.some((address) => familyOf(address) === family))
    return `${shown} an address of the pod's own family: it has ${addresses.join(' and ')}`;
  return undefined;
}

function isMulticast(address: string): boolean {
  if (isIPv4(address)) return Number(address.split('.')[0]) >= 224;
  return canonicalAddress(address).startsWith('ff') && canonicalAddress(address).split(':')[0]?.length === 4;
}

/** A pod and what it publishes. */
export interface Publisher<Name> {
  readonly name: Name;
  readonly ports: readonly PublishedPort[];
}

/** The first port of `wanted` that another pod has already, and which; undefined if there is none. */
export function takenPort<Name>(
  wanted: readonly PublishedPort[],
  others: Iterable<Publisher<Name>>,
): { readonly port: string; readonly by: Name } | undefined {
  if (wanted.length === 0) return undefined;
  const keys = new Set(wanted.map(portKey));
  for (const { name, ports } of others) {
    const port = ports.map(portKey).find((key) => keys.has(key));
    if (port !== undefined) return { port, by: name };
  }
  return undefined;
}
