/**
 * What our table says of host ports. The number of rules does not depend on the number of pods: one element a published
 * port stands in a map, one element a publishing pod's address in a set. Pure.
 *
 *   -300 anti-spoof           drops what a pod sends to the node's loopback addresses: its link accepts them, see `host-ports.ts`
 *    -95 host-ports           connections from elsewhere, after kube-proxy (-100): a Service that has the port goes first, as in
 *                             clusters where the portmap plugin stands behind kube-proxy. A nat chain is asked only while nobody
 *                             has translated the connection, and only for its first packet
 *    -95 host-ports-of-node   the same for connections that begin on the node
 *     95 host-ports-source    who may not be seen as it is: a pod that reaches itself, and 127.0.0.1
 */
import type { PortMapping } from '#cni/spec/runtime-config.ts';
import type { OwnershipMarks } from '../datapath.ts';
import { addressBytes, addressText, anyAddress, IP_FAMILIES, type IpFamily } from '../ip.ts';
import { NF_INET_LOCAL_OUT, NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING } from '../nftables/constants.ts';
import {
  counter,
  destinationIn,
  drop,
  inGroupMasked,
  inInterface,
  setConnectionMark,
} from '../nftables/expressions.ts';
import type { Expression } from '../nftables/expressions.ts';
import { concatenate, createHashSet, type HashElement, type HashSet } from '../nftables/hash-set.ts';
import type { BaseChain, Table } from '../nftables/table.ts';
import {
  addressesIn,
  FAMILY,
  fromAddress,
  isFamily,
  isLoopback,
  mapKey,
  masquerade,
  outGroupMasked,
  returnVerdict,
  toThisHost,
  translateBy,
} from './expressions.ts';
import type { OwnAddresses } from './own-addresses.ts';
import type { PublishedPort } from './published.ts';

/** linux/in.h. */
export const PROTOCOL_NUMBER = { tcp: 6, udp: 17, sctp: 132 } as const;
const PROTOCOLS = ['tcp', 'udp', 'sctp'] as const;

/** The maps and the set of one family. */
interface FamilySets {
  /** Ports on every address of the node. */
  readonly every: HashSet;
  /** Ports on one address of the node; asked first. */
  readonly bound: HashSet;
  /** Publishing pods that may reach themselves: the address twice, because nft compares no two fields with each other. */
  readonly hairpin: HashSet;
}

function familySets(family: IpFamily, suffix: string, ids: readonly [number, number, number]): FamilySets {
  const { address } = FAMILY[family];
  const data = [address, 'inet_service'] as const;
  return {
    every: { name: `host-ports-${suffix}`, id: ids[0], key: mapKey(family, false), data },
    bound: { name: `host-ports-bound-${suffix}`, id: ids[1], key: mapKey(family, true), data },
    hairpin: { name: `hairpin-${suffix}`, id: ids[2], key: [address, address] },
  };
}

/** The numbers are above those of the table's other sets. */
const SETS: Readonly<Record<IpFamily, FamilySets>> = {
  ipv4: familySets('ipv4', 'ip4', [101, 102, 105]),
  ipv6: familySets('ipv6', 'ip6', [103, 104, 106]),
};

/** Every set and map, maps first. */
export const HOST_PORT_SETS: readonly HashSet[] = [
  ...IP_FAMILIES.flatMap((family) => [SETS[family].every, SETS[family].bound]),
  ...IP_FAMILIES.map((family) => SETS[family].hairpin),
];

/** One element and the set that it belongs to. */
export interface PlacedElement {
  readonly set: HashSet;
  readonly element: HashElement;
}

function port(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff]);
}

/** The element of a published port. */
export function portElement(published: PublishedPort): PlacedElement {
  const { family, hostIp, protocol, hostPort, address, containerPort } = published;
  const ports = [Uint8Array.of(PROTOCOL_NUMBER[protocol]), port(hostPort)];
  const data = concatenate([addressBytes(address), port(containerPort)]);
  if (hostIp === undefined) return { set: SETS[family].every, element: { key: concatenate(ports), data } };
  return { set: SETS[family].bound, element: { key: concatenate([addressBytes(hostIp), ...ports]), data } };
}

/** What an element of a map publishes, and for whom; undefined for one of another kind. The reverse of `portElement`. */
export function mappingOfElement(
  set: HashSet,
  { key, data }: HashElement,
): { readonly address: string; readonly mapping: PortMapping } | undefined {
  const family = IP_FAMILIES.find((each) => SETS[each].every === set || SETS[each].bound === set);
  if (family === undefined || data === undefined || data.length < 8 || key.length < 8) return undefined;
  const ports = key.subarray(key.length - 8);
  const protocol = PROTOCOLS.find((each) => PROTOCOL_NUMBER[each] === ports[0]);
  if (protocol === undefined) return undefined;
  const hostIp = key.length === 8 ? anyAddress(family) : addressText(key.subarray(0, key.length - 8));
  const [hostPort, containerPort] = [ports.readUInt16BE(4), data.readUInt16BE(data.length - 4)];
  return {
    address: addressText(data.subarray(0, data.length - 4)),
    mapping: { hostPort, containerPort, protocol, hostIp },
  };
}

/** All elements of one pod. */
export function podElements(ports: readonly PublishedPort[]): readonly PlacedElement[] {
  const addresses = new Map(ports.map(({ address, family }) => [address, family]));
  const hairpins = [...addresses].map(([address, family]) => {
    const bytes = addressBytes(address);
    return { set: SETS[family].hairpin, element: { key: concatenate([bytes, bytes]) } };
  });
  return [...ports.map(portElement), ...hairpins];
}

/** What the rules depend on beside the pods. */
export interface HostPortRules {
  readonly marks: OwnershipMarks;
  /** The primary ENI's link: what comes in by it must be answered by it. */
  readonly primaryLink: string;
  /** The node's own IPv4 address; undefined on a node without. */
  readonly nodeAddress: string | undefined;
  /** Where services' addresses are on the node, its own ones: only they are published on. */
  readonly own?: OwnAddresses | undefined;
}

/** The table with host ports in it. */
export function withHostPorts(table: Table, rules: HostPortRules, ports: readonly PublishedPort[]): Table {
  const elements = podElements(ports);
  const hashSets = HOST_PORT_SETS.flatMap((set) =>
    createHashSet(
      table.name,
      set,
      elements.filter((placed) => placed.set === set).map(({ element }) => element),
    ),
  );
  const chains = table.chains.map((chain) =>
    chain.name === 'anti-spoof' ? { ...chain, rules: [...chain.rules, notToLoopback(rules)] } : chain,
  );
  return {
    ...table,
    sets: [...table.sets, ...Object.values(rules.own ?? {})],
    hashSets: [...(table.hashSets ?? []), ...hashSets],
    chains: [...chains, ...hostPortChains(rules)],
  };
}

function fromPods({ marks }: HostPortRules): readonly Expression[] {
  return inGroupMasked(marks.groupBase, marks.groupMask);
}

function notToLoopback(rules: HostPortRules): readonly Expression[] {
  return [...fromPods(rules), ...isFamily('ipv4'), ...isLoopback('ipv4', 'destination'), ...counter(), ...drop()];
}

/** A port on one address is asked for by name, and may be on any; the others are on the node's own. */
function translation(family: IpFamily, own: OwnAddresses | undefined): readonly (readonly Expression[])[] {
  const { bound, every } = SETS[family];
  const toOwn = own === undefined ? isFamily(family) : destinationIn(own[family].name, own[family].id, family);
  return [
    [...isFamily(family), ...toThisHost(), ...translateBy(family, bound)],
    [...toOwn, ...toThisHost(), ...translateBy(family, every)],
  ];
}

function hostPortChains(rules: HostPortRules): readonly BaseChain[] {
  const { marks, primaryLink } = rules;
  const translate = IP_FAMILIES.flatMap((family) => translation(family, rules.own));
  // A port on 127.0.0.1 is for the node alone, even where somebody lets others send to that address (route_localnet).
  const notLoopback = [...isFamily('ipv4'), ...isLoopback('ipv4', 'destination'), ...returnVerdict()];
  const byPrimary = [...inInterface(primaryLink), ...toThisHost(), ...setConnectionMark(marks.connmark)];
  // The kernel sends nothing from ::1 to another host, whatever it is translated to afterwards.
  const notLoopback6 = [...isFamily('ipv6'), ...isLoopback('ipv6', 'destination'), ...returnVerdict()];
  const common = { type: 'nat', priority: -95 } as const;
  return [
    { ...common, name: 'host-ports', hook: NF_INET_PRE_ROUTING, rules: [notLoopback, byPrimary, ...translate] },
    { ...common, name: 'host-ports-of-node', hook: NF_INET_LOCAL_OUT, rules: [notLoopback6, ...translate] },
    { ...common, name: 'host-ports-source', hook: NF_INET_POST_ROUTING, priority: 95, rules: hideSource(rules) },
  ];
}

function hideSource({ marks, nodeAddress }: HostPortRules): readonly (readonly Expression[])[] {
  // Masquerading would take whatever IPv4 address comes first on the node, because pods' links have none.
  const fromNode = nodeAddress === undefined ? masquerade() : fromAddress(addressBytes(nodeAddress));
  const toPods = outGroupMasked(marks.groupBase, marks.groupMask);
  return [
    [...isFamily('ipv4'), ...addressesIn('ipv4', SETS.ipv4.hairpin), ...fromNode],
    [...isFamily('ipv4'), ...isLoopback('ipv4', 'source'), ...toPods, ...fromNode],
    [...isFamily('ipv6'), ...addressesIn('ipv6', SETS.ipv6.hairpin), ...masquerade()],
  ];
}
