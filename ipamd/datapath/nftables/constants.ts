/** Numbers of nf_tables that this folder uses: linux/netfilter/nf_tables.h unless another header is named. */

/** linux/netfilter/nfnetlink.h. */
export const NFNL_MSG_BATCH_BEGIN = 16;
export const NFNL_MSG_BATCH_END = 17;
export const NFNL_SUBSYS_NFTABLES = 10;

/** linux/netfilter.h: the family `inet`, the number of IPv4 in `meta nfproto`, and hook numbers. */
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_IPV6 = 10;
export const NF_INET_PRE_ROUTING = 0;
export const NF_INET_LOCAL_OUT = 3;
export const NF_INET_POST_ROUTING = 4;
export const NF_DROP = 0;
export const NF_ACCEPT = 1;
/** NFT_RETURN, enum nft_verdicts. */
export const NFT_RETURN = -5;

/** nf_tables_msg_types. */
export const NFT_MSG = {
  newTable: 0,
  getTable: 1,
  delTable: 2,
  newChain: 3,
  getChain: 4,
  newRule: 6,
  getRule: 7,
  newSet: 9,
  getSet: 10,
  newSetElement: 12,
  getSetElement: 13,
  delSetElement: 14,
} as const;

export const NFTA_LIST_ELEM = 1;
export const NFTA_TABLE = { name: 1, flags: 2 } as const;
export const NFTA_CHAIN = { table: 1, name: 3, hook: 4, policy: 5, type: 7 } as const;
export const NFTA_HOOK = { number: 1, priority: 2 } as const;
export const NFTA_RULE = { table: 1, chain: 2, expressions: 4 } as const;
export const NFTA_SET = {
  table: 1,
  name: 2,
  flags: 3,
  keyType: 4,
  keyLength: 5,
  dataType: 6,
  dataLength: 7,
  id: 10,
  userData: 13,
} as const;
export const NFTA_SET_ELEM_LIST = { table: 1, set: 2, elements: 3, setId: 4 } as const;
export const NFTA_SET_ELEM = { key: 1, data: 2, flags: 3 } as const;
export const NFT_SET_INTERVAL = 4;
export const NFT_SET_MAP = 8;
export const NFT_SET_ELEM_INTERVAL_END = 1;
/** The numbers by which nft (datatype.h, TYPE_IPADDR and TYPE_IP6ADDR) shows a key as an address. */
export const NFT_TYPE_IPV4_ADDRESS = 7;
export const NFT_TYPE_IPV6_ADDRESS = 8;

export const NFTA_EXPR = { name: 1, data: 2 } as const;
export const NFTA_DATA = { value: 1, verdict: 2 } as const;
export const NFTA_VERDICT_CODE = 1;
export const NFTA_VERDICT_CHAIN = 2;
export const NFT_REG_VERDICT = 0;
export const NFT_REG_1 = 1;

export const NFTA_META = { destination: 1, key: 2, source: 3 } as const;
export const NFT_META = { mark: 3, inName: 6, outName: 7, nfproto: 15, inGroup: 21 } as const;
export const NFTA_CT = { destination: 1, key: 2, source: 4 } as const;
export const NFT_CT = { state: 0, mark: 3 } as const;
/** linux/netfilter/nf_conntrack_common.h: NF_CT_STATE_BIT(IP_CT_NEW). */
export const CT_STATE_NEW = 8;
export const NFTA_CMP = { source: 1, operation: 2, data: 3 } as const;
export const NFT_CMP = { equal: 0, notEqual: 1 } as const;
export const NFTA_BITWISE = { source: 1, destination: 2, length: 3, mask: 4, xor: 5, operation: 6 } as const;
export const NFTA_PAYLOAD = { destination: 1, base: 2, offset: 3, length: 4 } as const;
export const NFT_PAYLOAD_NETWORK_HEADER = 1;
export const NFT_PAYLOAD_TRANSPORT_HEADER = 2;
export const NFTA_LOOKUP = { set: 1, source: 2, destination: 3, setId: 4, flags: 5 } as const;
export const NFT_LOOKUP_INVERT = 1;
export const NFTA_IMMEDIATE = { destination: 1, data: 2 } as const;
export const NFTA_FIB = { destination: 1, result: 2, flags: 3 } as const;
export const NFT_FIB_RESULT = { outInterface: 1, addressType: 3 } as const;
export const NFT_FIB_FLAG = { source: 1, destination: 2, mark: 4, inInterface: 8, present: 32 } as const;
/** linux/rtnetlink.h, RTN_LOCAL: the address type `local`. */
export const ADDRESS_TYPE_LOCAL = 2;
/** linux/netfilter/nf_tables_compat.h: NFTA_MATCH_* and NFTA_TARGET_* are alike. */
export const NFTA_XTABLES = { name: 1, revision: 2, info: 3 } as const;
export const NFTA_NAT = { type: 1, family: 2, addressMin: 3, portMin: 5, flags: 7 } as const;
export const NFT_NAT_SNAT = 0;
export const NFT_NAT_DNAT = 1;
/** linux/netfilter/nf_nat.h. */
export const NF_NAT_RANGE = { addresses: 1, ports: 2, random: 4, fullyRandom: 16 } as const;
