/** Reads the kernel's state over netlink: the host's and, where its namespace is known, a pod's. */
import { readAddresses, readLinks, type Kernel } from '../../datapath/kernel.ts';
import { addressBytes, addressFamily, familyOf, hostPrefixLength } from '../../datapath/ip.ts';
import { attribute, u32Attribute } from '../../datapath/netlink/attributes.ts';
import { RTA, RTM } from '../../datapath/netlink/constants.ts';
import { NetlinkError } from '../../datapath/netlink/errors.ts';
import { dump, getOne } from '../../datapath/netlink/exchange.ts';
import type { LinkAddress } from '../../datapath/netlink/route/address.ts';
import { decodeLink, dumpLinks, type Link } from '../../datapath/netlink/route/link.ts';
import { dumpNeighbours } from '../../datapath/netlink/route/neighbour.ts';
import { dumpRoutes } from '../../datapath/netlink/route/route.ts';
import { dumpRules } from '../../datapath/netlink/route/rule.ts';
import type { OpenNetlinkSocket } from '../../datapath/netlink/transport.ts';
import type { AddressFact, KernelFacts, LinkFact, RouteFact } from '../kernel-facts.ts';
import { decodeNeighbourFact, decodeRouteFact, decodeRuleFact } from './policy-messages.ts';

/** The host's namespace. Throws `NetlinkError`. */
export function hostKernel(kernel: Kernel): KernelFacts {
  const links = readLinks(kernel);
  return facts(kernel.route, links);
}

/** The namespace of a pod. Throws `DatapathError` where it cannot be entered, `NetlinkError` where the kernel refuses. */
export function podKernel(kernel: Kernel, netns: string): KernelFacts {
  return kernel.withPod(netns, (socket) => {
    const links = dump(socket, dumpLinks()).map(({ body }) => decodeLink(body));
    return facts(socket, links);
  });
}

function facts(socket: OpenNetlinkSocket, links: readonly Link[]): KernelFacts {
  const all = <T>(request: Parameters<typeof dump>[1], type: number, decode: (body: Buffer) => T | undefined) =>
    dump(socket, request).flatMap((message) => {
      const one = message.type === type ? decode(message.body) : undefined;
      return one === undefined ? [] : [one];
    });
  return {
    links: links.map(linkFact),
    addresses: readAddresses(socket, 0).map(addressFact),
    rules: all(dumpRules(), RTM.newRule, decodeRuleFact),
    routes: all(dumpRoutes(0, 0), RTM.newRoute, decodeRouteFact),
    neighbours: all(dumpNeighbours(), RTM.newNeighbour, decodeNeighbourFact),
  };
}

function linkFact({ index, name, mac, mtu, up, group, alias, kind }: Link): LinkFact {
  return { index, name, mac, mtu, up, group, alias, kind: kind ?? null };
}

function addressFact({ index, address, prefixLength }: LinkAddress): AddressFact {
  return { link: index, address, prefixLength };
}

/** A packet as `ip route get` asks for it. */
export interface RouteQuestion {
  readonly source: string;
  readonly destination: string;
  /** Index of the link by which it comes in; 0: the node itself sends it. */
  readonly inLink: number;
  readonly mark: number;
}

/** The kernel's own word. `refused` is an errno: EXDEV where the source check drops it, ENETUNREACH without a route, ... */
export type RouteAnswer = { readonly route: RouteFact } | { readonly refused: string };

const RTA_SOURCE = 2;
const RTA_IN_INTERFACE = 3;
const RTA_MARK = 16;
/** RTM_F_LOOKUP_TABLE: say which table the route is of. */
const LOOKUP_TABLE = 0x1000;

/** Asks the kernel where it would send a packet (RTM_GETROUTE). Throws `NetlinkDecodeError`. */
export function askRoute(socket: OpenNetlinkSocket, question: RouteQuestion): RouteAnswer {
  const { source, destination, inLink, mark } = question;
  const family = familyOf(destination);
  const header = Buffer.alloc(12);
  header.set([addressFamily(family), hostPrefixLength(family), hostPrefixLength(family)]);
  header.writeUInt32LE(LOOKUP_TABLE, 8);
  const body = Buffer.concat([
    header,
    attribute(RTA.destination, addressBytes(destination)),
    attribute(RTA_SOURCE, addressBytes(source)),
    ...(inLink === 0 ? [] : [u32Attribute(RTA_IN_INTERFACE, inLink)]),
    u32Attribute(RTA_MARK, mark),
  ]);
  try {
    const answer = getOne(socket, { type: RTM.getRoute, flags: 0, body, what: `route get ${destination}` });
    const route = answer === undefined ? undefined : decodeRouteFact(withoutClonedFlag(answer.body));
    return route === undefined ? { refused: 'ENODATA' } : { route };
  } catch (error) {
    if (error instanceof NetlinkError) return { refused: error.errno };
    throw error;
  }
}

/** The answer is a copy made for the question. */
function withoutClonedFlag(body: Buffer): Buffer {
  const copy = Buffer.from(body);
  copy.writeUInt32LE((copy.readUInt32LE(8) & ~0x200) >>> 0, 8);
  return copy;
}
