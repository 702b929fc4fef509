/**
 * `net.ipv4.conf.<link>.route_localnet` of a pod's link: packets of 127.0.0.0/8 may be routed over it. Set in the message's own
 * namespace, as `rp_filter` is (linux/if_link.h IFLA_AF_SPEC, linux/ip.h). Pure.
 */
import { nestedAttribute, u32Attribute } from '../netlink/attributes.ts';
import { AF_INET, IFLA, IFLA_INET_CONF, IPV4_DEVCONF_ROUTE_LOCALNET, RTM } from '../netlink/constants.ts';
import type { NetlinkRequest } from '../netlink/message.ts';
import { publishedPorts } from './published.ts';
import type { PublishingPod } from './host-ports.ts';

/** struct ifinfomsg: the index is at 4. */
const HEADER_LENGTH = 16;

/** The message that opens a pod's link for connections from the node's loopback; none for a pod that publishes nothing there. */
export function openToLoopback(pod: PublishingPod, link: number): readonly NetlinkRequest[] {
  const ports = publishedPorts(pod.portMappings ?? [], pod.addresses);
  const isNeeded = ports.some(
    ({ family, hostIp }) => family === 'ipv4' && (hostIp === undefined || hostIp.startsWith('127.')),
  );
  if (!isNeeded) return [];
  const header = Buffer.alloc(HEADER_LENGTH);
  header.writeInt32LE(link, 4);
  const setting = nestedAttribute(IFLA_INET_CONF, [u32Attribute(IPV4_DEVCONF_ROUTE_LOCALNET, 1)]);
  const body = Buffer.concat([header, nestedAttribute(IFLA.addressFamilySpec, [nestedAttribute(AF_INET, [setting])])]);
  return [{ type: RTM.newLink, flags: 0, body, what: `sysctl net.ipv4.conf.${pod.hostIfName}.route_localnet=1` }];
}
