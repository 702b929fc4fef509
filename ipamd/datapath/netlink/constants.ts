/**
 * Numbers of the kernel's netlink interface that this folder uses. Each group names the header it comes from; nothing
 * here is ours (our own numbers are in `../marks.ts`).
 */

/** linux/netlink.h: families, socket options and the size of the fixed header. */
export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;
export const SOL_NETLINK = 270;
export const NETLINK_ADD_MEMBERSHIP = 1;
export const NETLINK_EXT_ACK = 11;
export const NETLINK_GET_STRICT_CHK = 12;
export const NLMSG_HEADER_LENGTH = 16;

/** linux/netlink.h: message types below 16 are the protocol's own. */
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

/** linux/netlink.h: nlmsg_flags. The values from 0x100 on mean different things in get, new and error messages. */
export const NLM_F = {
  request: 0x1,
  acknowledge: 0x4,
  dumpInterrupted: 0x10,
  dump: 0x300,
  replace: 0x100,
  exclusive: 0x200,
  create: 0x400,
  append: 0x800,
  capped: 0x100,
  extendedAck: 0x200,
} as const;

/** linux/netlink.h: attributes behind an error message (extended acknowledgement). */
export const NLMSGERR_ATTR_MSG = 1;

/** linux/netlink.h: the two upper bits of an attribute's type are flags. */
export const NLA_F_NESTED = 0x8000;
export const NLA_TYPE_MASK = 0x3fff;

/** linux/rtnetlink.h: message types. */
export const RTM = {
  newLink: 16,
  delLink: 17,
  getLink: 18,
  newAddress: 20,
  delAddress: 21,
  getAddress: 22,
  newRoute: 24,
  delRoute: 25,
  getRoute: 26,
  newNeighbour: 28,
  delNeighbour: 29,
  getNeighbour: 30,
  newRule: 32,
  delRule: 33,
  getRule: 34,
  newNetworkConfiguration: 80,
} as const;

/** linux/rtnetlink.h: multicast group of link changes. */
export const RTNLGRP_LINK = 1;

/** linux/rtnetlink.h: further multicast groups; NETCONF tells of sysctls: forwarding and rp_filter. */
export const RTNLGRP = {
  link: RTNLGRP_LINK,
  neighbours: 3,
  qdiscs: 4,
  ipv4Addresses: 5,
  ipv4Routes: 7,
  ipv4Rules: 8,
  ipv6Addresses: 9,
  ipv6Routes: 11,
  ipv6Rules: 19,
  ipv4Configuration: 24,
  ipv6Configuration: 25,
} as const;
/** linux/netconf.h: struct netconfmsg {u8 family}, padded to four bytes; index -1 is `all`. */
export const NETCONFA = { index: 1, forwarding: 2, rpFilter: 3 } as const;
/** linux/netfilter/nfnetlink.h: changes of nf_tables. */
export const NFNLGRP_NFTABLES = 7;

/** sys/socket.h. */
export const AF_INET = 2;
export const AF_INET6 = 10;

/** linux/if_link.h; IFF_UP is from linux/if.h, VETH_INFO_PEER from linux/veth.h, the filter bit from linux/rtnetlink.h. */
export const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  /** The index of the link below; of a veth, that of its peer. */
  link: 5,
  linkInfo: 18,
  alias: 20,
  addressFamilySpec: 26,
  group: 27,
  netNamespaceFd: 28,
  extensionMask: 29,
  transmitQueues: 31,
  receiveQueues: 32,
  permanentAddress: 54,
} as const;
export const IFLA_INFO_KIND = 1;
export const IFLA_INFO_DATA = 2;
export const IFLA_INET_CONF = 1;
export const IFLA_INET6_CONF = 2;
export const IFLA_INET6_ADDR_GEN_MODE = 8;
/** linux/ipv6.h: indexes into IFLA_INET6_CONF. */
export const IPV6_DEVCONF = { acceptRa: 3, disableIpv6: 26 } as const;
export const IN6_ADDR_GEN_MODE_NONE = 1;
export const VETH_INFO_PEER = 1;
export const IFLA_VLAN_ID = 1;
export const IFF_UP = 1;
export const RTEXT_FILTER_SKIP_STATS = 8;

/** linux/ip.h: indexes into IFLA_INET_CONF. */
export const IPV4_DEVCONF_RP_FILTER = 8;
export const IPV4_DEVCONF_ROUTE_LOCALNET = 26;

/** linux/if_addr.h. */
export const IFA = { address: 1, local: 2, flags: 8, protocol: 11 } as const;
export const IFA_F_NODAD = 0x2;
export const IFA_F_TENTATIVE = 0x40;
export const IFA_F_NOPREFIXROUTE = 0x200;

/** linux/rtnetlink.h: routes. */
export const RTA = { destination: 1, outInterface: 4, gateway: 5, preferredSource: 7, table: 15 } as const;
export const RTN_UNICAST = 1;
export const RTNH_F_ONLINK = 4;
export const RT_TABLE_MAIN = 254;
export const RT_TABLE_LOCAL = 255;
export const RT_SCOPE_UNIVERSE = 0;
export const RT_SCOPE_LINK = 253;
/** Of what the kernel made itself. */
export const RTPROT_KERNEL = 2;
/** What iproute2 writes for routes of an administrator; used in the pod's own namespace. */
export const RTPROT_BOOT = 3;

/** linux/fib_rules.h. */
export const FRA = {
  destination: 1,
  source: 2,
  inInterface: 3,
  priority: 6,
  mark: 10,
  table: 15,
  markMask: 16,
  protocol: 21,
  ipProtocol: 22,
} as const;
export const FR_ACT_TO_TBL = 1;

/** linux/neighbour.h. */
export const NDA = { destination: 1, linkAddress: 2 } as const;
export const NUD_PERMANENT = 0x80;
