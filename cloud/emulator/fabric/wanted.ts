import { formatAddress4, parseCidr4 } from '../vpc/cidr.ts';
import { internetIpv6Setup, ipv6State, nodeIpv6Preparation, nodeIpv6Setup, routerIpv6Setup } from './wanted-ipv6.ts';
import type { RouterLink, RouterState } from './router.ts';
import { DROP_RULE_PRIORITY, INTERNET_RULE_PRIORITY, INTERNET_TABLE, VPC_MTU } from './router.ts';
import type { FabricEndpoint, FabricState, FabricSubnet } from './state.ts';
import { EC2_ENDPOINT_ADDRESS, METADATA_ADDRESS } from './state.ts';

/** The internet side: one namespace with one host in it. */
export interface InternetSide {
  /** Its namespace; also the name of the router's link to it. */
  readonly namespace: string;
  readonly address: string;
  readonly ipv6Address: string;
}

export interface Surroundings {
  readonly prefix: string;
  /** Instance id to namespace; interfaces of other instances are left out. */
  readonly nodes: ReadonlyMap<string, string>;
  readonly internet: InternetSide | undefined;
}

const INTERNET_MTU = 1500;
const INTERNET_ROUTER_MAC = '0e:00:cb:00:71:01';
const INTERNET_HOST_MAC = '0e:00:cb:00:71:0a';
/** The internet host's next hop; a permanent neighbour, so nobody has to hold it. */
const INTERNET_NEXT_HOP = '169.254.254.1';

/** IFNAMSIZ less its terminating zero. */
const LONGEST_LINK_NAME = 15;

/**
 * The router that realises `state`. Pure, and independent of the order of anything in it. Throws a `RangeError` for a
 * CIDR that is none, and for two interfaces whose ids end alike in the 14 digits that fit into a link's name.
 */
export function wantedRouter(state: FabricState, around: Surroundings): RouterState {
  const present = state.endpoints.filter((endpoint) => around.nodes.has(endpoint.instanceId));
  const ends = present.map((endpoint) => ({ endpoint, name: routerEndName(endpoint.id) }));
  const names = new Set(ends.map((end) => end.name));
  if (names.size !== ends.length)
    throw new RangeError('two network interfaces have ids that end in the same 14 digits');
  const internet = around.internet;
  const hasIpv6 = (state.vpcIpv6Cidrs ?? []).length > 0;
  const ipv6 = ipv6State(state.vpcIpv6Cidrs ?? [], ends, internet && { ...internet, mac: INTERNET_HOST_MAC });
  return {
    links: [
      ...ends.map(({ endpoint, name }) => endpointLink(endpoint, name, around)),
      ...(internet === undefined ? [] : [internetLink(internet, around.prefix, hasIpv6)]),
    ],
    addresses: [...state.subnets.map(gateway), METADATA_ADDRESS, EC2_ENDPOINT_ADDRESS].map(
      (address) => `${address}/32`,
    ),
    neighbours: [
      ...ends.map(
        ({ endpoint, name }) => `${endpoint.primaryAddress} lladdr ${endpoint.mac.toLowerCase()} dev ${name}`,
      ),
      ...(internet === undefined ? [] : [`${internet.address} lladdr ${INTERNET_HOST_MAC} dev ${internet.namespace}`]),
      ...ipv6.neighbours,
    ],
    routes: [
      ...state.vpcCidrs.map((cidr) => `blackhole ${cidr}`),
      ...ends.flatMap(({ endpoint, name }) => endpointRoutes(endpoint, name)),
      ...(internet === undefined ? [] : [internetRoute(internet)]),
      ...ipv6.routes,
    ],
    rules: [
      ...present.filter((endpoint) => endpoint.isPrimary && internet !== undefined).map(internetRule),
      `not iif lo blackhole pref ${DROP_RULE_PRIORITY}`,
    ],
    ipv6Rules: ipv6.rules,
  };
}

/** The router's end of an interface's link: `v` and as many of the id's last digits as fit. */
export function routerEndName(endpointId: string): string {
  return `v${endpointId.replace(/^eni-/, '').slice(1 - LONGEST_LINK_NAME)}`;
}

/** A subnet's second address (VPC User Guide, "Subnet CIDR blocks": reserved for the VPC router). */
function gateway(subnet: Pick<FabricSubnet, 'cidr'>): string {
  const block = parseCidr4(subnet.cidr);
  if (block === undefined) throw new RangeError(`${subnet.cidr} is no IPv4 CIDR`);
  return formatAddress4(block.base + 1);
}

function endpointLink(endpoint: FabricEndpoint, name: string, around: Surroundings): RouterLink {
  const namespace = around.nodes.get(endpoint.instanceId) ?? '';
  const peerName = `eth${endpoint.deviceIndex}`;
  const peerMac = endpoint.mac.toLowerCase();
  const address = `${endpoint.primaryAddress}/${endpoint.subnetCidr.split('/')[1] ?? ''}`;
  const setup = endpoint.isPrimary
    ? [
        `addr add ${address} brd + dev ${peerName}`,
        ...nodeIpv6Preparation(endpoint, peerName),
        `link set dev ${peerName} up`,
        `route add default via ${gateway({ cidr: endpoint.subnetCidr })} dev ${peerName} src ${endpoint.primaryAddress} proto dhcp`,
        ...nodeIpv6Setup(endpoint, peerName),
      ]
    : [];
  const facts = [around.prefix, endpoint.id, namespace, peerName, peerMac, ...(endpoint.isPrimary ? [address] : [])];
  const ipv6 = endpoint.subnetIpv6Cidr === undefined ? [] : ['ipv6'];
  return {
    name,
    alias: [...facts, ...ipv6].join(','),
    routerMac: undefined,
    mtu: VPC_MTU,
    namespace,
    peerName,
    peerMac,
    routerSetup: routerIpv6Setup(endpoint, name),
    setup,
  };
}

/** `onlink` with a permanent neighbour: delivery asks no ARP question about addresses that only pods answer for. */
function endpointRoutes(endpoint: FabricEndpoint, name: string): readonly string[] {
  const held = [...endpoint.addresses, ...endpoint.prefixes];
  return [
    `${endpoint.primaryAddress} dev ${name}`,
    ...held.map(
      (destination) => `${destination.replace(/\/32$/, '')} via ${endpoint.primaryAddress} dev ${name} onlink`,
    ),
  ];
}

function internetLink(internet: InternetSide, prefix: string, hasIpv6: boolean): RouterLink {
  return {
    name: internet.namespace,
    alias: [prefix, 'internet', internet.address, ...(hasIpv6 ? [internet.ipv6Address] : [])].join(','),
    routerMac: INTERNET_ROUTER_MAC,
    mtu: INTERNET_MTU,
    namespace: internet.namespace,
    peerName: 'eth0',
    peerMac: INTERNET_HOST_MAC,
    routerSetup: [],
    setup: [
      `addr add ${internet.address}/32 dev eth0`,
      'link set dev eth0 up',
      `neigh replace ${INTERNET_NEXT_HOP} lladdr ${INTERNET_ROUTER_MAC} dev eth0 nud permanent`,
      `route add default via ${INTERNET_NEXT_HOP} dev eth0 onlink`,
      ...(hasIpv6 ? internetIpv6Setup(internet, INTERNET_ROUTER_MAC) : []),
    ],
  };
}

function internetRoute(internet: InternetSide): string {
  return `default via ${internet.address} dev ${internet.namespace} onlink table ${INTERNET_TABLE}`;
}

function internetRule(endpoint: FabricEndpoint): string {
  return `from ${endpoint.primaryAddress} lookup ${INTERNET_TABLE} pref ${INTERNET_RULE_PRIORITY}`;
}
