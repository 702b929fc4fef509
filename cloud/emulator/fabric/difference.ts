import type { ObservedRouter, RouterLink, RouterState } from './router.ts';
import { ADDRESS_LABEL, deviceOf, DOOMED_GROUP, FABRIC_GROUP, FABRIC_PROTOCOL } from './router.ts';

/**
 * Batches of iproute2 lines, to be run one after the other, those of `ipv6Rules` as IPv6's; `peers` maps namespaces to
 * lines and may run side by side.
 */
export interface RouterChange {
  readonly removeIpv6Rules: readonly string[];
  readonly remove: readonly string[];
  readonly peers: ReadonlyMap<string, readonly string[]>;
  readonly add: readonly string[];
  readonly addIpv6Rules: readonly string[];
}

/** What turns `observed` into `wanted`; all batches are empty if that is nothing. Pure. */
export function difference(observed: ObservedRouter, wanted: RouterState): RouterChange {
  const aliases = new Map(wanted.links.map((link) => [link.name, link.alias]));
  const doomed = new Set(
    observed.links.filter((link) => link.alias !== aliases.get(link.name)).map((link) => link.name),
  );
  const kept = new Set(observed.links.filter((link) => !doomed.has(link.name)).map((link) => link.name));
  const created = wanted.links.filter((link) => !kept.has(link.name));
  // The kernel takes a link's routes and neighbours away together with the link.
  const survives = (text: string): boolean => !doomed.has(deviceOf(text) ?? '');
  const routes = compare(observed.routes.filter(survives), wanted.routes);
  const neighbours = compare(observed.neighbours.filter(survives), wanted.neighbours);
  const addresses = compare(observed.addresses, wanted.addresses);
  const rules = compare(observed.rules, wanted.rules);
  const ipv6Rules = compare(observed.ipv6Rules, wanted.ipv6Rules);
  return {
    removeIpv6Rules: ipv6Rules.gone.map((rule) => `rule del ${rule}`),
    remove: [
      ...rules.gone.map((rule) => `rule del ${rule}`),
      ...[...doomed].map((name) => `link set dev ${name} group ${DOOMED_GROUP}`),
      ...(doomed.size === 0 ? [] : [`link del group ${DOOMED_GROUP}`]),
      ...routes.gone.map((route) => `route del ${route} proto ${FABRIC_PROTOCOL}`),
      ...neighbours.gone.map((neighbour) => `neigh del ${neighbour}`),
      ...addresses.gone.map((address) => `addr del ${address} dev lo label ${ADDRESS_LABEL}`),
      ...created.flatMap(linkLines),
    ],
    peers: peerLines(created),
    add: [
      ...addresses.missing.map((address) => `addr add ${address} dev lo label ${ADDRESS_LABEL}`),
      ...neighbours.missing.map((neighbour) => `neigh replace ${neighbour} nud permanent`),
      ...routes.missing.map((route) => `route replace ${route} proto ${FABRIC_PROTOCOL}`),
      ...rules.missing.map((rule) => `rule add ${rule} protocol ${FABRIC_PROTOCOL}`),
      ...created.map((link) => `link set dev ${link.name} alias ${link.alias}`),
    ],
    addIpv6Rules: ipv6Rules.missing.map((rule) => `rule add ${rule} protocol ${FABRIC_PROTOCOL}`),
  };
}

function compare(observed: readonly string[], wanted: readonly string[]) {
  const there = new Set(observed);
  const due = new Set(wanted);
  return { gone: [...there].filter((item) => !due.has(item)), missing: [...due].filter((item) => !there.has(item)) };
}

/**
 * The peer is made in its namespace and stays down. Without the proxy delay of 0 the kernel holds back each answer for a
 * neighbour for up to 0.8 s (arp(7), proxy_delay); it is set by netlink since a user namespace does not see that sysctl.
 */
function linkLines(link: RouterLink): readonly string[] {
  const own = link.routerMac === undefined ? '' : ` address ${link.routerMac}`;
  const queues = 'numtxqueues 1 numrxqueues 1';
  const peer = `name ${link.peerName} address ${link.peerMac} mtu ${link.mtu} ${queues} netns ${link.namespace}`;
  return [
    `link add name ${link.name}${own} group ${FABRIC_GROUP} mtu ${link.mtu} ${queues} type veth peer ${peer}`,
    `link set dev ${link.name} addrgenmode none`,
    `ntable change name arp_cache dev ${link.name} proxy_delay 0`,
    `link set dev ${link.name} up`,
    ...link.routerSetup,
  ];
}

function peerLines(created: readonly RouterLink[]): ReadonlyMap<string, readonly string[]> {
  const lines = new Map<string, readonly string[]>();
  for (const link of created.filter((each) => each.setup.length > 0)) {
    lines.set(link.namespace, [...(lines.get(link.namespace) ?? []), ...link.setup]);
  }
  return lines;
}
