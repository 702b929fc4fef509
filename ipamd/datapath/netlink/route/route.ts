/**
 * Routes: linux/rtnetlink.h, struct rtmsg {u8 family, dstLength, srcLength, tos, table, protocol, scope, type, u32 flags}.
 * Pure. A table above 255 is given in RTA_TABLE only.
 */
import { addressFamily, addressText, anyAddress, familyOfNumber, parseAddress } from '../../ip.ts';
import { decodeAttributes, readU32 } from '../attributes.ts';
import { beginBody } from '../body.ts';
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

function encode(route: Route): Buffer {
  const { family, bytes } = parseAddress(route.destination);
  const body = beginBody(HEADER_LENGTH);
  body.setU8(0, addressFamily(family));
  body.setU8(1, route.prefixLength);
  body.setU8(4, route.table < 256 ? route.table : 0);
  body.setU8(5, route.protocol);
  body.setU8(6, route.scope);
  body.setU8(7, RTN_UNICAST);
  if (route.onlink === true) body.setU32(8, RTNH_F_ONLINK);
  if (route.prefixLength > 0) body.bytes(RTA.destination, bytes);
  if (route.gateway !== undefined) body.bytes(RTA.gateway, parseAddress(route.gateway).bytes);
  body.u32(RTA.table, route.table);
  if (route.preferredSource !== undefined) body.bytes(RTA.preferredSource, parseAddress(route.preferredSource).bytes);
  if (route.link !== 0) body.u32(RTA.outInterface, route.link);
  return body.finish();
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
    what: () => `route replace ${routeText(route)}`,
  };
}

/** Removes exactly this route; absence is fine. */
export function deleteRoute(route: Route): NetlinkRequest {
  return {
    type: RTM.delRoute,
    flags: 0,
    body: encode(route),
    what: () => `route del ${routeText(route)}`,
    tolerate: ['ESRCH', 'ENODEV'],
  };
}

/** Asks for the routes, of every family, of one protocol number; table 0: of all tables. A table that does not exist has none. */
export function dumpRoutes(protocol: number, table: number): NetlinkRequest {
  const body = beginBody(HEADER_LENGTH);
  body.setU8(5, protocol);
  if (table !== 0) body.u32(RTA.table, table);
  return {
    type: RTM.getRoute,
    flags: 0,
    body: body.finish(),
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
