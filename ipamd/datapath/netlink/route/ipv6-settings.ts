/** Settings of IPv6 that a link has, as the kernel shows them beside the link: a file of /proc/sys takes five times as long to read. Pure. */
import { decodeAttributes, selectAttributes } from '../attributes.ts';
import { AF_INET6, IFLA, IFLA_INET6_CONF, IPV6_DEVCONF } from '../constants.ts';

/** struct ifinfomsg. */
const HEADER_LENGTH = 16;

/** net.ipv6.conf.<link>. */
export interface Ipv6Settings {
  readonly disabled: boolean;
  /** 0: no, 1: unless the host forwards, 2: always. */
  readonly acceptRa: number;
}

/** Reads the body of RTM_NEWLINK; undefined for a link without IPv6. Throws `NetlinkDecodeError`. */
export function decodeIpv6Settings(body: Buffer): Ipv6Settings | undefined {
  const families = selectAttributes(body, HEADER_LENGTH, (type) => type === IFLA.addressFamilySpec);
  const family = families.get(IFLA.addressFamilySpec);
  const ipv6 = family === undefined ? undefined : decodeAttributes(family).get(AF_INET6);
  const settings = ipv6 === undefined ? undefined : decodeAttributes(ipv6).get(IFLA_INET6_CONF);
  // An array of i32, which is longer in newer kernels.
  if (settings === undefined || settings.length < 4 * (IPV6_DEVCONF.disableIpv6 + 1)) return undefined;
  return {
    disabled: settings.readInt32LE(4 * IPV6_DEVCONF.disableIpv6) !== 0,
    acceptRa: settings.readInt32LE(4 * IPV6_DEVCONF.acceptRa),
  };
}
