/**
 * Routes: linux/rtnetlink.h, struct rtmsg {u8 family, dstLength, srcLength, tos, table, protocol, scope, type, u32 flags}.
 * Pure. A table above 255 is given in RTA_TABLE only.
 */
import { addressBytes, addressFamily, addressText, anyAddress, familyOf, familyOfNumber } from '../../ip.ts';
import { attribute, decodeAttributes, readU32, u32Attribute, zeros } from '../attributes.ts';
import { NLM_F, RTA, RTM, RTN_UNICAST, RTNH_F_ONLINK } from '../constants.ts';
import { NetlinkDecodeError } from '../errors.ts';
import type { NetlinkRequest } from '../message.ts';

const HEADER_LENGTH = 12;

/** A unicast route; its family is that of its destination. */
export interface Route {
  /** `0.0.0.0` or `::` with length 0 is the default route. */
  readonly destination: string;
  readonly prefixLength: number;
  readonly table: number;
  readonly protocol: number;
  /** RT_SCOPE_*; routes of IPv6 have none, the kernel shows 0. */
  readonly scope: number;
  /** Interface index; 0 if the route has none. */
  readonly link: number;
  readonly gateway?: string | undefined;
  readonly preferredSource?: string | undefined;
  /** The gateway counts as a neighbour on the link although no address there covers it. */
  readonly onlink?: boolean;
}

type Head = Pick<Route, 'prefixLength' | 'table' | 'protocol' | 'scope' | 'onlink'>;

function header(family: number, route: Head, type: number): Buffer {
  const bytes = zeros(HEADER_LENGTH);
  bytes.set([family, route.prefixLength, 0, 0, route.table < 256 ? route.table : 0, route.protocol, route.scope, type]);
  bytes.writeUInt32LE(route.onlink === true ? RTNH_F_ONLINK : 0, 8);
  return bytes;
}

function encode(route: Route): Buffer {
  return Buffer.concat([
    header(addressFamily(familyOf(route.destination)), route, RTN_UNICAST),
    ...(route.prefixLength === 0 ? [] : [attribute(RTA.destination, addressBytes(route.destination))]),
    ...(route.gateway === undefined ? [] : [attribute(RTA.gateway, addressBytes(route.gateway))]),
    u32Attribute(RTA.table, route.table),
    ...(route.preferredSource === undefined
      ? []
      : [attribute(RTA.preferredSource, addressBytes(route.preferredSource))]),
    ...(route.link === 0 ? [] : [u32Attribute(RTA.outInterface, route.link)]),
  ]);
}

/** The route in the words of `ip route`, for messages and comparison. */
export function routeText(route: Route): string {
  const destination = route.prefixLength === 0 ? 'default' : `${route.destination}/${route.prefixLength}`;
  const via = route.gateway === undefined ? '' : ` via ${route.gateway}`;
  const source = route.preferredSource === undefined ? '' : ` src ${route.preferredSource}`;
  return `${destination}${via} dev #${route.link}${source} table ${route.table} proto ${route.protocol}`;
}

/** Adds a route or puts it in the place of the one with the same destination, table and metric. */
export function replaceRoute(route: Route): NetlinkRequest {
  return {
    type: RTM.newRoute,
    flags: NLM_F.create | NLM_F.replace,
    body: encode(route),
    what: `route replace ${routeText(route)}`,
  };
}

/** Removes exactly this route; absence is fine. */
export function deleteRoute(route: Route): NetlinkRequest {
  return {
    type: RTM.delRoute,
    flags: 0,
    body: encode(route),
    what: `route del ${routeText(route)}`,
    tolerate: ['ESRCH', 'ENODEV'],
  };
}

/** Asks for the routes, of every family, of one protocol number; table 0: of all tables. A table that does not exist has none. */
export function dumpRoutes(protocol: number, table: number): NetlinkRequest {
  const bytes = header(0, { prefixLength: 0, table: 0, protocol, scope: 0 }, 0);
  const body = table === 0 ? bytes : Buffer.concat([bytes, u32Attribute(RTA.table, table)]);
  return {
    type: RTM.getRoute,
    flags: 0,
    body,
    what: `route show table ${table} proto ${protocol}`,
    tolerate: ['ENOENT'],
  };
}

/** Reads the body of RTM_NEWROUTE. Throws `NetlinkDecodeError`. */
export function decodeRoute(body: Buffer): Route {
  if (body.length < HEADER_LENGTH) throw new NetlinkDecodeError(`route message of ${body.length} bytes`);
  const attributes = decodeAttributes(body.subarray(HEADER_LENGTH));
  const destination = attributes.get(RTA.destination);
  const gateway = attributes.get(RTA.gateway);
  const source = attributes.get(RTA.preferredSource);
  return {
    destination: destination === undefined ? anyAddress(familyOfNumber(body[0]) ?? 'ipv4') : addressText(destination),
    prefixLength: body.readUInt8(1),
    table: readU32(attributes, RTA.table) ?? body.readUInt8(4),
    protocol: body.readUInt8(5),
    scope: body.readUInt8(6),
    link: readU32(attributes, RTA.outInterface) ?? 0,
    gateway: gateway === undefined ? undefined : addressText(gateway),
    preferredSource: source === undefined ? undefined : addressText(source),
    onlink: (body.readUInt32LE(8) & RTNH_F_ONLINK) !== 0,
  };
}
