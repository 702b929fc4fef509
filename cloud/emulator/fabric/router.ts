/**
 * The VPC router's kernel state as a value. Every object is the text that iproute2 takes and (once parsed) prints, so
 * that wanted and observed state are compared as sets of strings.
 */

/** Routes and rules of the fabric carry this protocol number (rtm_protocol, FRA_PROTOCOL), which no daemon has taken. */
export const FABRIC_PROTOCOL = 201;

/** Router ends of the fabric's links are in this link group (IFLA_GROUP). */
export const FABRIC_GROUP = 4711;

/** Links on their way out: the kernel deletes a group at once, but waits 20 ms (RCU) for each link deleted alone. */
export const DOOMED_GROUP = 4712;

/** The table that only packets of a node's primary address are routed by; its default route leads to the internet. */
export const INTERNET_TABLE = 2030;

/** After main (32766) and default (32767): what the VPC knows is never sent to the internet. */
export const INTERNET_RULE_PRIORITY = 33_000;

/** The last rule: what is forwarded and matched nothing is dropped without an answer, as EC2 does. */
export const DROP_RULE_PRIORITY = 33_001;

/**
 * Before main, since IPv6 has no reverse-path filter: what comes from an interface with an address that it holds, or from
 * the internet, is routed; whatever else is forwarded is dropped.
 */
export const IPV6_VPC_RULE_PRIORITY = 31_000;
export const IPV6_INTERNET_RULE_PRIORITY = 31_001;
export const IPV6_DROP_RULE_PRIORITY = 31_002;

/** Addresses on the router's loopback carry this label, which tells them from anyone else's. */
export const ADDRESS_LABEL = 'lo:fabric';

/** EC2's jumbo frames inside a VPC. */
export const VPC_MTU = 9001;

/** A veth pair with one end in the router and the other in a namespace of the fabric. */
export interface RouterLink {
  readonly name: string;
  /** All that the link was made from; set last, so that a link without it is half-made and is made anew. */
  readonly alias: string;
  readonly routerMac: string | undefined;
  readonly mtu: number;
  readonly namespace: string;
  readonly peerName: string;
  readonly peerMac: string;
  /** iproute2 lines for the router's end when the link is new. */
  readonly routerSetup: readonly string[];
  /** iproute2 lines to be run in the peer's namespace when the link is new. */
  readonly setup: readonly string[];
}

/**
 * The router as it should be. `addresses` are `a.b.c.d/32`; the rest are arguments of `ip neigh|route|rule add`,
 * `ipv6Rules` of `ip -6 rule add`. Neighbours and routes are of both families.
 */
export interface RouterState {
  readonly links: readonly RouterLink[];
  readonly addresses: readonly string[];
  readonly neighbours: readonly string[];
  readonly routes: readonly string[];
  readonly rules: readonly string[];
  readonly ipv6Rules: readonly string[];
}

export const EMPTY_ROUTER: RouterState = {
  links: [],
  addresses: [],
  neighbours: [],
  routes: [],
  rules: [],
  ipv6Rules: [],
};

export interface ObservedLink {
  readonly name: string;
  readonly alias: string | undefined;
}

/** The router as the kernel shows it; only what is marked as the fabric's. */
export interface ObservedRouter {
  readonly links: readonly ObservedLink[];
  readonly addresses: readonly string[];
  readonly neighbours: readonly string[];
  readonly routes: readonly string[];
  readonly rules: readonly string[];
  readonly ipv6Rules: readonly string[];
}

/** The device that a route or a neighbour goes through. */
export function deviceOf(text: string): string | undefined {
  const words = text.split(' ');
  const at = words.indexOf('dev');
  return at < 0 ? undefined : words[at + 1];
}
