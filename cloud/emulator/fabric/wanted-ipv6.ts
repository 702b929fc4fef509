/**
 * The IPv6 half of the wanted router. Addresses and prefixes are routed to the link-local address that their interface's
 * MAC gives (EUI-64), a permanent neighbour, so that delivery asks nobody; nodes find the router by neighbour discovery.
 */
import { formatAddress6 } from '../vpc/cidr.ts';
import type { RouterState } from './router.ts';
import {
  INTERNET_TABLE,
  IPV6_DROP_RULE_PRIORITY,
  IPV6_INTERNET_RULE_PRIORITY,
  IPV6_VPC_RULE_PRIORITY,
} from './router.ts';
import type { FabricEndpoint } from './state.ts';

/** The VPC router's address on every link (VPC User Guide, "Route tables": fe80:ec2::1). */
const GATEWAY = 'fe80:ec2::1';
/** Next hops between router and internet; permanent neighbours, so nobody has to hold them. */
const INTERNET_NEXT_HOP = 'fe80::1';
const INTERNET_HOST = 'fe80::a';

/** An interface and the router's end of its link. */
export interface EndpointEnd {
  readonly endpoint: FabricEndpoint;
  readonly name: string;
}

/** What IPv6 asks of the internet side. */
export interface Ipv6Internet {
  readonly namespace: string;
  readonly mac: string;
}

/** Neighbours, routes and rules of IPv6; nothing for a VPC without an IPv6 block. */
export function ipv6State(
  vpcCidrs: readonly string[],
  ends: readonly EndpointEnd[],
  internet: Ipv6Internet | undefined,
): Pick<RouterState, 'neighbours' | 'routes' | 'rules'> {
  if (vpcCidrs.length === 0) return { neighbours: [], routes: [], rules: [] };
  const ready = ends.filter(({ endpoint }) => endpoint.subnetIpv6Cidr !== undefined);
  const held = ready.flatMap(({ endpoint, name }) =>
    heldBy(endpoint).map((block) => ({ block, name, via: linkLocalAddress(endpoint.mac) })),
  );
  return {
    neighbours: [
      ...ready.map(
        ({ endpoint, name }) => `${linkLocalAddress(endpoint.mac)} lladdr ${endpoint.mac.toLowerCase()} dev ${name}`,
      ),
      ...(internet === undefined ? [] : [`${INTERNET_HOST} lladdr ${internet.mac} dev ${internet.namespace}`]),
    ],
    routes: [
      ...vpcCidrs.map((cidr) => `blackhole ${cidr}`),
      ...held.map(({ block, name, via }) => `${block} via ${via} dev ${name}`),
      ...(internet === undefined
        ? []
        : [`default via ${INTERNET_HOST} dev ${internet.namespace} table ${INTERNET_TABLE}`]),
    ],
    rules: [
      ...held.flatMap(({ block, name }) => sourceRules(block, name, internet !== undefined)),
      ...(internet === undefined ? [] : [`iif ${internet.namespace} lookup main pref ${IPV6_VPC_RULE_PRIORITY}`]),
      `not iif lo blackhole pref ${IPV6_DROP_RULE_PRIORITY}`,
    ],
  };
}

/** First what the VPC knows, then the internet: an IPv6 address is good for both. */
function sourceRules(block: string, name: string, hasInternet: boolean): readonly string[] {
  const from = `from ${block} iif ${name} lookup`;
  return [
    `${from} main pref ${IPV6_VPC_RULE_PRIORITY}`,
    ...(hasInternet ? [`${from} ${INTERNET_TABLE} pref ${IPV6_INTERNET_RULE_PRIORITY}`] : []),
  ];
}

function heldBy(endpoint: FabricEndpoint): readonly string[] {
  return [...(endpoint.ipv6Addresses ?? []), ...(endpoint.ipv6Prefixes ?? [])].map((block) =>
    block.replace(/\/128$/, ''),
  );
}

/** The router's address on a new link of a subnet with IPv6. */
export function routerIpv6Setup(endpoint: FabricEndpoint, name: string): readonly string[] {
  return endpoint.subnetIpv6Cidr === undefined ? [] : [`addr add ${GATEWAY}/64 dev ${name} nodad`];
}

/** Before a primary interface is up: its link-local address is given to it, the kernel's own would be good after a second. */
export function nodeIpv6Preparation(endpoint: FabricEndpoint, link: string): readonly string[] {
  return endpoint.subnetIpv6Cidr === undefined ? [] : [`link set dev ${link} addrgenmode none`];
}

/** A primary interface that is up, as DHCPv6 and router advertisements leave it. */
export function nodeIpv6Setup(endpoint: FabricEndpoint, link: string): readonly string[] {
  if (endpoint.subnetIpv6Cidr === undefined) return [];
  return [
    `addr add ${linkLocalAddress(endpoint.mac)}/64 dev ${link} nodad`,
    ...(endpoint.ipv6Addresses ?? []).map((address) => `addr add ${address}/128 dev ${link} nodad`),
    `route add default via ${GATEWAY} dev ${link} proto ra`,
  ];
}

/** The internet's host. */
export function internetIpv6Setup(internet: { readonly ipv6Address: string }, routerMac: string): readonly string[] {
  return [
    `addr add ${internet.ipv6Address}/128 dev eth0 nodad`,
    `neigh replace ${INTERNET_NEXT_HOP} lladdr ${routerMac} dev eth0 nud permanent`,
    `route add default via ${INTERNET_NEXT_HOP} dev eth0`,
  ];
}

/** RFC 4291, appendix A: the MAC with ff:fe in the middle and the universal bit turned over. */
export function linkLocalAddress(mac: string): string {
  const digits = mac.replaceAll(':', '');
  const identifier = BigInt(`0x${digits.slice(0, 6)}fffe${digits.slice(6)}`) ^ (2n << 56n);
  return formatAddress6((0xfe80n << 112n) | identifier);
}
