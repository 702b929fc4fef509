/** Links: linux/if_link.h, struct ifinfomsg {u8 family, u8 pad, u16 type, i32 index, u32 flags, u32 change}. Pure. */
import {
  attribute,
  decodeAttributes,
  nestedAttribute,
  plainNestedAttribute,
  readText,
  readU32,
  textAttribute,
  u32Attribute,
  u8Attribute,
  zeros,
} from '../attributes.ts';
import {
  AF_INET,
  AF_INET6,
  IFF_UP,
  IFLA,
  IFLA_INET_CONF,
  IFLA_INET6_ADDR_GEN_MODE,
  IFLA_INFO_DATA,
  IFLA_INFO_KIND,
  IFLA_VLAN_ID,
  IN6_ADDR_GEN_MODE_NONE,
  IPV4_DEVCONF_ROUTE_LOCALNET,
  IPV4_DEVCONF_RP_FILTER,
  NLM_F,
  RTEXT_FILTER_SKIP_STATS,
  RTM,
  VETH_INFO_PEER,
} from '../constants.ts';
import { NetlinkDecodeError } from '../errors.ts';
import type { NetlinkRequest } from '../message.ts';

const HEADER_LENGTH = 16;

/** A link as the kernel shows it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  readonly mac: string;
  /** The MAC the hardware came with; undefined for links that have none. */
  readonly permanentMac: string | undefined;
  readonly mtu: number;
  readonly up: boolean;
  readonly group: number;
  readonly alias: string;
  /** Driver kind: veth, vlan, ...; undefined for hardware. */
  readonly kind: string | undefined;
  readonly rpFilter: number | undefined;
  /** net.ipv4.conf.<link>.route_localnet. */
  readonly routeLocalnet?: number | undefined;
  /** Of a VLAN link alone: the index of the link below, and its number there. */
  readonly vlan?: { readonly parent: number; readonly id: number } | undefined;
}

/** One end of a veth pair that is to be made. */
export interface VethEnd {
  readonly name: string;
  readonly mac: string;
  /** 0: the kernel chooses; both ends must agree on choosing or not. */
  readonly index: number;
}

/** A veth pair: one end here, up; the other in another namespace, down (the kernel refuses to raise it in the same message). */
export interface VethPair {
  readonly here: VethEnd;
  readonly there: VethEnd;
  readonly thereNetnsFd: number;
  readonly mtu: number;
  readonly group: number;
}

/** What `changeLink` may set; what is left out stays. */
export interface LinkChange {
  readonly up?: boolean;
  readonly mtu?: number;
  readonly group?: number;
  /** At most 255 bytes (IFALIASZ). */
  readonly alias?: string;
  /** net.ipv4.conf.<link>.rp_filter: 0 off, 1 strict, 2 loose. */
  readonly rpFilter?: 0 | 1 | 2;
  readonly mac?: string;
}

/** struct ifinfomsg. */
export function linkHeader(index: number, flags = 0, change = 0): Buffer {
  const bytes = zeros(HEADER_LENGTH);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt32LE(flags, 8);
  bytes.writeUInt32LE(change, 12);
  return bytes;
}

/** `02:aa:...` to six bytes. */
export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

/** Bytes to lower-case `02:aa:...`. */
export function macText(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** One queue each way: a pod's link needs no more, and each queue costs time at creation (a quarter of the whole). */
function endAttributes(end: VethEnd, mtu: number): readonly Buffer[] {
  return [
    u32Attribute(IFLA.transmitQueues, 1),
    u32Attribute(IFLA.receiveQueues, 1),
    u32Attribute(IFLA.mtu, mtu),
    attribute(IFLA.address, macBytes(end.mac)),
  ];
}

/** Makes a pair with its far end already in the other namespace; moving it there later would cost 15 ms. */
export function createVeth(pair: VethPair): NetlinkRequest {
  const peer = Buffer.concat([
    linkHeader(pair.there.index),
    ...endAttributes(pair.there, pair.mtu),
    u32Attribute(IFLA.netNamespaceFd, pair.thereNetnsFd),
    textAttribute(IFLA.name, pair.there.name),
  ]);
  const body = Buffer.concat([
    linkHeader(pair.here.index, IFF_UP, IFF_UP),
    ...endAttributes(pair.here, pair.mtu),
    u32Attribute(IFLA.group, pair.group),
    textAttribute(IFLA.name, pair.here.name),
    plainNestedAttribute(IFLA.linkInfo, [
      attribute(IFLA_INFO_KIND, Buffer.from('veth')),
      plainNestedAttribute(IFLA_INFO_DATA, [attribute(VETH_INFO_PEER, peer)]),
    ]),
  ]);
  const what = `link add ${pair.here.name} type veth peer name ${pair.there.name}`;
  return { type: RTM.newLink, flags: NLM_F.create | NLM_F.exclusive, body, what };
}

/** Changes an existing link. */
export function changeLink(index: number, change: LinkChange, label: string): NetlinkRequest {
  const flags = change.up === true ? IFF_UP : 0;
  const body = Buffer.concat([
    linkHeader(index, flags, change.up === undefined ? 0 : IFF_UP),
    ...(change.mtu === undefined ? [] : [u32Attribute(IFLA.mtu, change.mtu)]),
    ...(change.group === undefined ? [] : [u32Attribute(IFLA.group, change.group)]),
    ...(change.alias === undefined ? [] : [attribute(IFLA.alias, Buffer.from(change.alias))]),
    ...(change.rpFilter === undefined ? [] : [rpFilterAttribute(change.rpFilter)]),
    ...(change.mac === undefined ? [] : [attribute(IFLA.address, macBytes(change.mac))]),
  ]);
  return { type: RTM.newLink, flags: 0, body, what: `link set ${label} ${JSON.stringify(change)}` };
}

function rpFilterAttribute(value: number): Buffer {
  const setting = nestedAttribute(IFLA_INET_CONF, [u32Attribute(IPV4_DEVCONF_RP_FILTER, value)]);
  return nestedAttribute(IFLA.addressFamilySpec, [nestedAttribute(AF_INET, [setting])]);
}

/**
 * Keeps the kernel from giving the link an IPv6 link-local address; to be sent before the link comes up. A kernel without
 * IPv6, or a link whose MTU is too small for it, has nothing to keep from.
 */
export function withoutLinkLocalAddress(index: number, label: string): NetlinkRequest {
  const mode = u8Attribute(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  const body = Buffer.concat([
    linkHeader(index),
    plainNestedAttribute(IFLA.addressFamilySpec, [plainNestedAttribute(AF_INET6, [mode])]),
  ]);
  const what = `link set ${label} addrgenmode none`;
  return { type: RTM.newLink, flags: 0, body, what, tolerate: ['EAFNOSUPPORT'] };
}

/** Removes all links of a group at once: one wait for RCU however many there are. */
export function deleteLinkGroup(group: number): NetlinkRequest {
  const body = Buffer.concat([linkHeader(0), u32Attribute(IFLA.group, group)]);
  return { type: RTM.delLink, flags: 0, body, what: `link delete group ${group}`, tolerate: ['ENODEV'] };
}

/** Asks for one link; no answer if there is none of that name. */
export function getLinkByName(name: string): NetlinkRequest {
  const body = Buffer.concat([
    linkHeader(0),
    u32Attribute(IFLA.extensionMask, RTEXT_FILTER_SKIP_STATS),
    textAttribute(IFLA.name, name),
  ]);
  return { type: RTM.getLink, flags: 0, body, what: `link show ${name}`, tolerate: ['ENODEV'] };
}

/** Asks for all links. */
export function dumpLinks(): NetlinkRequest {
  const body = Buffer.concat([linkHeader(0), u32Attribute(IFLA.extensionMask, RTEXT_FILTER_SKIP_STATS)]);
  return { type: RTM.getLink, flags: 0, body, what: 'link show' };
}

/** Reads the body of RTM_NEWLINK or RTM_DELLINK. Throws `NetlinkDecodeError`. */
export function decodeLink(body: Buffer): Link {
  if (body.length < HEADER_LENGTH) throw new NetlinkDecodeError(`link message of ${body.length} bytes`);
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  const permanent = attributes.get(IFLA.permanentAddress);
  const info = attributes.get(IFLA.linkInfo);
  const vlan = decodeVlan(readU32(attributes, IFLA.link) ?? 0, info);
  return {
    index: body.readInt32LE(4),
    name: readText(attributes, IFLA.name) ?? '',
    mac: macText(attributes.get(IFLA.address) ?? Buffer.alloc(0)),
    permanentMac: permanent === undefined ? undefined : macText(permanent),
    mtu: readU32(attributes, IFLA.mtu) ?? 0,
    up: (body.readUInt32LE(8) & IFF_UP) !== 0,
    group: readU32(attributes, IFLA.group) ?? 0,
    alias: readText(attributes, IFLA.alias) ?? '',
    kind: info === undefined ? undefined : readText(decodeAttributes(info), IFLA_INFO_KIND),
    rpFilter: decodeSetting(attributes.get(IFLA.addressFamilySpec), IPV4_DEVCONF_RP_FILTER),
    routeLocalnet: decodeSetting(attributes.get(IFLA.addressFamilySpec), IPV4_DEVCONF_ROUTE_LOCALNET),
    ...(vlan === undefined ? {} : { vlan }),
  };
}

/** When the kernel tells, IFLA_INET_CONF is an array of u32, the entry of index n at place n - 1. */
function decodeSetting(spec: Buffer | undefined, number: number): number | undefined {
  const inet = spec === undefined ? undefined : decodeAttributes(spec).get(AF_INET);
  const settings = inet === undefined ? undefined : decodeAttributes(inet).get(IFLA_INET_CONF);
  const offset = 4 * (number - 1);
  return settings === undefined || settings.length < offset + 4 ? undefined : settings.readUInt32LE(offset);
}

/** The number is a u16 in host order; every kind has data of its own under the same attribute. */
function decodeVlan(parent: number, info: Buffer | undefined): Link['vlan'] {
  const fields = info === undefined ? undefined : decodeAttributes(info);
  if (fields === undefined || readText(fields, IFLA_INFO_KIND) !== 'vlan') return undefined;
  const id = decodeAttributes(fields.get(IFLA_INFO_DATA) ?? Buffer.alloc(0)).get(IFLA_VLAN_ID);
  return id === undefined || id.length < 2 ? undefined : { parent, id: id.readUInt16LE(0) };
}
