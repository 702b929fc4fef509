/**
 * The pod's end of a link, asked for from the host: the kernel numbers the namespace of a veth's other end
 * (IFLA_LINK_NETNSID) and answers for it (IFLA_TARGET_NETNSID, since Linux 4.20), so that its path need not be known.
 */
import { DatapathError } from '../datapath.ts';
import { decodeAttributes, readU32, u32Attribute } from '../netlink/attributes.ts';
import { IFLA, RTEXT_FILTER_SKIP_STATS, RTM } from '../netlink/constants.ts';
import { getOne } from '../netlink/exchange.ts';
import { decodeLink, getLinkByName, linkHeader, type Link } from '../netlink/route/link.ts';
import type { OpenNetlinkSocket } from '../netlink/transport.ts';

/** linux/if_link.h. */
const IFLA_LINK_NETNSID = 37;
const IFLA_TARGET_NETNSID = 46;
/** struct ifinfomsg. */
const HEADER_LENGTH = 16;

/** Both ends of a veth. */
export interface BothEnds {
  readonly host: Link;
  readonly pod: Link;
}

/** Throws `DatapathError` no-such-link where the host has no veth of that name, or its other end is nowhere. */
export function bothEnds(socket: OpenNetlinkSocket, hostIfName: string): BothEnds {
  const answer = getOne(socket, getLinkByName(hostIfName));
  const host = answer === undefined ? undefined : decodeLink(answer.body);
  if (answer === undefined || host?.kind !== 'veth')
    throw new DatapathError('no-such-link', `the host has no veth ${hostIfName}`);
  const attributes = decodeAttributes(answer.body.subarray(HEADER_LENGTH));
  const index = readU32(attributes, IFLA.link);
  const namespace = attributes.get(IFLA_LINK_NETNSID)?.readInt32LE(0);
  if (index === undefined || namespace === undefined || namespace < 0)
    throw new DatapathError('no-such-link', `the other end of ${hostIfName} is in no namespace that can be asked`);
  const there = getOne(socket, {
    type: RTM.getLink,
    flags: 0,
    body: Buffer.concat([
      linkHeader(index),
      u32Attribute(IFLA.extensionMask, RTEXT_FILTER_SKIP_STATS),
      u32Attribute(IFLA_TARGET_NETNSID, namespace),
    ]),
    what: `link show the other end of ${hostIfName}`,
    tolerate: ['ENODEV', 'EINVAL'],
  });
  if (there === undefined) throw new DatapathError('no-such-link', `the other end of ${hostIfName} is gone`);
  return { host, pod: decodeLink(there.body) };
}
