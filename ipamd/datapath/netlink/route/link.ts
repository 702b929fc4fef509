/** Links: linux/if_link.h, struct ifinfomsg {u8 family, u8 pad, u16 type, i32 index, u32 flags, u32 change}. Pure. */
import {
  decodeAttributes,
  readText,
  readU32,
  selectAttributes,
  textAttribute,
  u32Attribute,
  zeros,
} from '../attributes.ts';
import { beginBody, type BodyWriter } from '../body.ts';
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
  NLA_F_NESTED,
  NLM_F,
  RTEXT_FILTER_SKIP_STATS,
  RTM,
  VETH_INFO_PEER,
} from '../constants.ts';
import { NetlinkDecodeError } from '../errors.ts';
import type { NetlinkRequest } from '../message.ts';

const HEADER_LENGTH = 16;
const MAC_BYTES = 6;

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

function beginLink(index: number, flags = 0, change = 0): BodyWriter {
  const body = beginBody(HEADER_LENGTH);
  body.setU32(4, index);
  body.setU32(8, flags);
  body.setU32(12, change);
  return body;
}

/** `02:aa:...` to six bytes. */
export function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

/** An attribute of six bytes out of `02:aa:...`. */
export function writeMac(body: BodyWriter, type: number, mac: string): void {
  const at = body.room(type, MAC_BYTES);
  for (let octet = 0; octet < MAC_BYTES; octet += 1) body.setU8(at + octet, macOctet(mac, octet));
}

/** One of the six bytes of `02:aa:...`. */
export function macOctet(mac: string, octet: number): number {
  return (digit(mac.charCodeAt(3 * octet)) << 4) | digit(mac.charCodeAt(3 * octet + 1));
}

/** 0 to 9, then a to f or A to F. */
function digit(code: number): number {
  return code < 0x40 ? code - 0x30 : (code & 0xf) + 9;
}

/** Bytes to lower-case `02:aa:...`. */
export function macText(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += `${text === '' ? '' : ':'}${byte < 0x10 ? '0' : ''}${byte.toString(16)}`;
  return text;
}

/** One queue each way: a pod's link needs no more, and each queue costs time at creation (a quarter of the whole). */
function writeEnd(body: BodyWriter, end: VethEnd, mtu: number): void {
  body.u32(IFLA.transmitQueues, 1);
  body.u32(IFLA.receiveQueues, 1);
  body.u32(IFLA.mtu, mtu);
  writeMac(body, IFLA.address, end.mac);
}

/** Makes a pair with its far end already in the other namespace; moving it there later would cost 15 ms. */
export function createVeth(pair: VethPair): NetlinkRequest {
  const body = beginLink(pair.here.index, IFF_UP, IFF_UP);
  writeEnd(body, pair.here, pair.mtu);
  body.u32(IFLA.group, pair.group);
  body.terminatedText(IFLA.name, pair.here.name);
  const info = body.open(IFLA.linkInfo);
  body.text(IFLA_INFO_KIND, 'veth');
  const data = body.open(IFLA_INFO_DATA);
  const peer = body.open(VETH_INFO_PEER);
  body.setU32(body.zeros(HEADER_LENGTH) + 4, pair.there.index);
  writeEnd(body, pair.there, pair.mtu);
  body.u32(IFLA.netNamespaceFd, pair.thereNetnsFd);
  body.terminatedText(IFLA.name, pair.there.name);
  body.close(peer);
  body.close(data);
  body.close(info);
  const what = (): string => `link add ${pair.here.name} type veth peer name ${pair.there.name}`;
  return { type: RTM.newLink, flags: NLM_F.create | NLM_F.exclusive, body: body.finish(), what };
}

/** Changes an existing link. */
export function changeLink(index: number, change: LinkChange, label: string): NetlinkRequest {
  const body = beginLink(index, change.up === true ? IFF_UP : 0, change.up === undefined ? 0 : IFF_UP);
  if (change.mtu !== undefined) body.u32(IFLA.mtu, change.mtu);
  if (change.group !== undefined) body.u32(IFLA.group, change.group);
  if (change.alias !== undefined) body.text(IFLA.alias, change.alias);
  if (change.rpFilter !== undefined) writeRpFilter(body, change.rpFilter);
  if (change.mac !== undefined) writeMac(body, IFLA.address, change.mac);
  const what = (): string => `link set ${label} ${JSON.stringify(change)}`;
  return { type: RTM.newLink, flags: 0, body: body.finish(), what };
}

function writeRpFilter(body: BodyWriter, value: number): void {
  const families = body.open(IFLA.addressFamilySpec | NLA_F_NESTED);
  const family = body.open(AF_INET | NLA_F_NESTED);
  const settings = body.open(IFLA_INET_CONF | NLA_F_NESTED);
  body.u32(IPV4_DEVCONF_RP_FILTER, value);
  body.close(settings);
  body.close(family);
  body.close(families);
}

/**
 * Keeps the kernel from giving the link an IPv6 link-local address; to be sent before the link comes up. A kernel without
 * IPv6, or a link whose MTU is too small for it, has nothing to keep from.
 */
export function withoutLinkLocalAddress(index: number, label: string): NetlinkRequest {
  const body = beginLink(index);
  const families = body.open(IFLA.addressFamilySpec);
  const family = body.open(AF_INET6);
  body.u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  body.close(family);
  body.close(families);
  const what = (): string => `link set ${label} addrgenmode none`;
  return { type: RTM.newLink, flags: 0, body: body.finish(), what, tolerate: NO_IPV6 };
}

const NO_IPV6 = ['EAFNOSUPPORT'];

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

/** Asks for one link; no answer if there is none of that number. */
export function getLinkByIndex(index: number): NetlinkRequest {
  const body = beginLink(index);
  body.u32(IFLA.extensionMask, RTEXT_FILTER_SKIP_STATS);
  return { type: RTM.getLink, flags: 0, body: body.finish(), what: () => `link show #${index}`, tolerate: NO_LINK };
}

const NO_LINK = ['ENODEV'];

/** Asks for all links. */
export function dumpLinks(): NetlinkRequest {
  const body = Buffer.concat([linkHeader(0), u32Attribute(IFLA.extensionMask, RTEXT_FILTER_SKIP_STATS)]);
  return { type: RTM.getLink, flags: 0, body, what: 'link show' };
}

const WANTED: ReadonlySet<number> = new Set([
  IFLA.address,
  IFLA.name,
  IFLA.mtu,
  IFLA.link,
  IFLA.group,
  IFLA.alias,
  IFLA.linkInfo,
  IFLA.addressFamilySpec,
  IFLA.permanentAddress,
]);

/** Reads the body of RTM_NEWLINK or RTM_DELLINK. Throws `NetlinkDecodeError`. */
export function decodeLink(body: Buffer): Link {
  if (body.length < HEADER_LENGTH) throw new NetlinkDecodeError(`link message of ${body.length} bytes`);
  const attributes = selectAttributes(body, HEADER_LENGTH, (type) => WANTED.has(type));
  const permanent = attributes.get(IFLA.permanentAddress);
  const info = attributes.get(IFLA.linkInfo);
  const details = info === undefined ? undefined : decodeAttributes(info);
  const kind = details === undefined ? undefined : readText(details, IFLA_INFO_KIND);
  const settings = settingsOf(attributes.get(IFLA.addressFamilySpec));
  const link: Link = {
    index: body.readInt32LE(4),
    name: readText(attributes, IFLA.name) ?? '',
    mac: macText(attributes.get(IFLA.address) ?? NOTHING),
    permanentMac: permanent === undefined ? undefined : macText(permanent),
    mtu: readU32(attributes, IFLA.mtu) ?? 0,
    up: (body.readUInt32LE(8) & IFF_UP) !== 0,
    group: readU32(attributes, IFLA.group) ?? 0,
    alias: readText(attributes, IFLA.alias) ?? '',
    kind,
    rpFilter: decodeSetting(settings, IPV4_DEVCONF_RP_FILTER),
    routeLocalnet: decodeSetting(settings, IPV4_DEVCONF_ROUTE_LOCALNET),
  };
  const vlan = kind === 'vlan' ? decodeVlan(readU32(attributes, IFLA.link) ?? 0, details) : undefined;
  return vlan === undefined ? link : { ...link, vlan };
}

const NOTHING = Buffer.alloc(0);

/** When the kernel tells, IFLA_INET_CONF is an array of u32, the entry of index n at place n - 1. */
function settingsOf(spec: Buffer | undefined): Buffer | undefined {
  const inet = spec === undefined ? undefined : selectAttributes(spec, 0, (family) => family === AF_INET).get(AF_INET);
  return inet === undefined ? undefined : decodeAttributes(inet).get(IFLA_INET_CONF);
}

function decodeSetting(settings: Buffer | undefined, number: number): number | undefined {
  const offset = 4 * (number - 1);
  return settings === undefined || settings.length < offset + 4 ? undefined : settings.readUInt32LE(offset);
}

/** The number is a u16 in host order; every kind has data of its own under the same attribute. */
function decodeVlan(parent: number, details: ReadonlyMap<number, Buffer> | undefined): Link['vlan'] {
  const id = decodeAttributes(details?.get(IFLA_INFO_DATA) ?? NOTHING).get(IFLA_VLAN_ID);
  return id === undefined || id.length < 2 ? undefined : { parent, id: id.readUInt16LE(0) };
}
