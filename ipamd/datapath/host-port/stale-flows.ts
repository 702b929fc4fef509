/**
 * UDP flows that connection tracking holds on to after their way has changed: a client that goes on sending keeps its entry
 * alive, and with it the translation to a pod that is gone, or the lack of one from before the pod came.
 * linux/netfilter/nfnetlink_conntrack.h; the filter came with Linux 5.8, before that the kernel sends all entries.
 */
import { addressFamily, addressText, canonicalAddress, IP_FAMILIES, type IpFamily } from '../ip.ts';
import { readAddresses, readLinkByName, type Kernel } from '../kernel.ts';
import { attribute, decodeAttributes, nestedAttribute, u8Attribute, u32Attribute } from '../netlink/attributes.ts';
import { submit } from '../netlink/exchange.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { dumpInThreadPool } from '../netlink/thread-dump.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';
import { SERVICE_LINK } from './own-addresses.ts';
import type { PublishedPort } from './published.ts';

const HEADER_LENGTH = 4;
const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT = { get: 1, delete: 2 } as const;
const CTA = { tupleOriginal: 1, tupleReply: 2, id: 12, zone: 18, filter: 25 } as const;
const CTA_TUPLE = { ip: 1, protocol: 2 } as const;
const CTA_IP = { ipv4: { source: 1, destination: 2 }, ipv6: { source: 3, destination: 4 } } as const;
const CTA_PROTO = { number: 1, destinationPort: 3 } as const;
const CTA_FILTER_ORIGINAL_FLAGS = 1;
/** net/netfilter/nf_internals.h, CTA_FILTER_F_*: what is compared. */
const FILTER_BY = { protocol: 1 << 3, destinationPort: 1 << 5 } as const;
const IPPROTO_UDP = 17;

const type = (message: number): number => (NFNL_SUBSYS_CTNETLINK << 8) | message;
const header = (family: IpFamily): Buffer => Buffer.from([addressFamily(family), 0, 0, 0]);

/** Asks for the UDP entries of a family, or for those whose first packet went to this port. */
export function dumpFlows(family: IpFamily, port: number | undefined): NetlinkRequest {
  const protocol = [
    u8Attribute(CTA_PROTO.number, IPPROTO_UDP),
    ...(port === undefined ? [] : [attribute(CTA_PROTO.destinationPort, Buffer.from([port >> 8, port & 0xff]))]),
  ];
  const flags = FILTER_BY.protocol | (port === undefined ? 0 : FILTER_BY.destinationPort);
  const body = Buffer.concat([
    header(family),
    nestedAttribute(CTA.tupleOriginal, [nestedAttribute(CTA_TUPLE.protocol, protocol)]),
    nestedAttribute(CTA.filter, [u32Attribute(CTA_FILTER_ORIGINAL_FLAGS, flags)]),
  ]);
  return {
    type: type(IPCTNL_MSG_CT.get),
    flags: 0,
    body,
    what: `conntrack -L -p udp --orig-port-dst ${port ?? 'any'}`,
  };
}

/** A UDP entry: where its first packet was sent to, and who answers. */
export interface Flow {
  readonly destination: string;
  readonly destinationPort: number;
  readonly answeredBy: string;
  /** The request that deletes exactly this entry; that it is gone already is fine. */
  readonly forget: NetlinkRequest;
}

/** Reads an entry; undefined for one of another family or protocol. Throws `NetlinkDecodeError`. */
export function decodeFlow(family: IpFamily, body: Buffer): Flow | undefined {
  if (body.length < HEADER_LENGTH || body[0] !== addressFamily(family)) return undefined;
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  const [original, reply, id] = [CTA.tupleOriginal, CTA.tupleReply, CTA.id].map((key) => attributes.get(key));
  if (original === undefined || reply === undefined || id === undefined) return undefined;
  const protocol = decodeAttributes(decodeAttributes(original).get(CTA_TUPLE.protocol) ?? Buffer.alloc(0));
  const destination = addressOf(original, CTA_IP[family].destination);
  const answeredBy = addressOf(reply, CTA_IP[family].source);
  const port = protocol.get(CTA_PROTO.destinationPort);
  if (protocol.get(CTA_PROTO.number)?.[0] !== IPPROTO_UDP || port?.length !== 2) return undefined;
  if (destination === undefined || answeredBy === undefined) return undefined;
  const zone = attributes.get(CTA.zone);
  const key = [
    nestedAttribute(CTA.tupleOriginal, [original]),
    ...(zone === undefined ? [] : [attribute(CTA.zone, zone)]),
    attribute(CTA.id, id),
  ];
  const forget: NetlinkRequest = {
    type: type(IPCTNL_MSG_CT.delete),
    flags: 0,
    body: Buffer.concat([header(family), ...key]),
    what: 'conntrack -D',
    tolerate: ['ENOENT'],
  };
  return { destination, destinationPort: port.readUInt16BE(), answeredBy, forget };
}

function addressOf(tuple: Buffer, which: number): string | undefined {
  const bytes = decodeAttributes(decodeAttributes(tuple).get(CTA_TUPLE.ip) ?? Buffer.alloc(0)).get(which);
  return bytes?.length === 4 || bytes?.length === 16 ? addressText(bytes) : undefined;
}

/**
 * Which flows to a port must be forgotten. One that was withdrawn: those that its pod answers. One that was published:
 * those that go to the node and are answered by somebody else. A flow to another host's port of the same number stays.
 */
export function isStale(flow: Flow, port: PublishedPort, isPublished: boolean, local: ReadonlySet<string>): boolean {
  if (flow.destinationPort !== port.hostPort) return false;
  const isToPort =
    port.hostIp === undefined ? local.has(flow.destination) : flow.destination === canonicalAddress(port.hostIp);
  if (!isToPort) return false;
  return isPublished
    ? flow.answeredBy !== canonicalAddress(port.address)
    : flow.answeredBy === canonicalAddress(port.address);
}

/** What changed on the node's ports. */
export interface PortChange {
  readonly published: readonly PublishedPort[];
  readonly withdrawn: readonly PublishedPort[];
}

export const NO_CHANGE: PortChange = { published: [], withdrawn: [] };

/**
 * Forgets the flows that do not fit what is published now; without UDP among the ports it does nothing. The kernel walks its whole
 * table for it, some 15 ms, in a thread of libuv's pool. Throws `NetlinkError`.
 */
export async function forgetStaleFlows(kernel: Kernel, { published, withdrawn }: PortChange): Promise<void> {
  const changes = [
    ...withdrawn.map((port) => ({ port, isPublished: false })),
    ...published.map((port) => ({ port, isPublished: true })),
  ].filter(({ port }) => port.protocol === 'udp');
  if (changes.length === 0) return;
  using socket = kernel.openInHost({ family: 'netfilter' });
  for (const family of IP_FAMILIES) {
    const ofFamily = changes.filter(({ port }) => port.family === family);
    const [first, ...more] = new Set(ofFamily.map(({ port }) => port.hostPort));
    if (first === undefined) continue;
    const flows = await readFlows(socket, family, more.length === 0 ? first : undefined);
    const services = readLinkByName(kernel.route, SERVICE_LINK)?.index;
    const addresses = readAddresses(kernel.route, 0).filter(({ index }) => index !== services);
    const local = new Set(addresses.map(({ address }) => address));
    const stale = flows.filter((flow) =>
      ofFamily.some(({ port, isPublished }) => isStale(flow, port, isPublished, local)),
    );
    for (const { forget } of stale) submit(socket, [forget]);
  }
}

async function readFlows(
  socket: OpenNetlinkSocket,
  family: IpFamily,
  port: number | undefined,
): Promise<readonly Flow[]> {
  const flows: Flow[] = [];
  for await (const messages of dumpInThreadPool(socket, dumpFlows(family, port))) {
    for (const { body } of messages) {
      const flow = decodeFlow(family, body);
      if (flow !== undefined) flows.push(flow);
    }
  }
  return flows;
}
