/**
 * Our table while a node goes back to amazon-vpc-cni-k8s: it tells pods by the names of their links, as the peer does, because
 * they are in none of our groups any more, and says of marks and source NAT what the peer's chains will say. It stays until
 * the peer has made those; both together do no more than one. Pure.
 */
import type { HostConfig, OwnershipMarks } from '../datapath.ts';
import { ipv4Bytes } from '../ipv4.ts';
import { NF_INET_POST_ROUTING, NF_INET_PRE_ROUTING, NFT_META } from '../nftables/constants.ts';
import {
  compare,
  connectionMarked,
  destinationNotIn,
  inInterface,
  isIpv4,
  loadMeta,
  newConnection,
  notToThisHost,
  outInterface,
  packetMarked,
  setConnectionMark,
  setPacketMark,
  sourceNat,
  toAddressOfInInterface,
} from '../nftables/expressions.ts';
import { NO_SNAT } from '../nftables/ruleset.ts';
import type { Table } from '../nftables/table.ts';

/** What the table depends on. */
export interface ReturnTableInput {
  readonly marks: OwnershipMarks;
  readonly config: Pick<
    HostConfig,
    'noSnatCidrs' | 'externalSnat' | 'randomizeSnat' | 'nodePortSupport' | 'primaryAddress'
  >;
  readonly primaryLink: string;
  /** AWS_VPC_K8S_CNI_VETHPREFIX. */
  readonly vethPrefix: string;
}

/** See the file's comment. */
export function returnTable({ marks, config, primaryLink, vethPrefix }: ReturnTableInput): Table {
  // `iifname "eni*"`: as many bytes as the prefix has.
  const fromPods = [loadMeta(NFT_META.inName), compare('equal', Buffer.from(vethPrefix))];
  const nodePort = [...inInterface(primaryLink), ...toAddressOfInInterface(), ...setConnectionMark(marks.connmark)];
  const judge = [
    ...fromPods,
    ...newConnection(),
    ...isIpv4(),
    ...destinationNotIn(NO_SNAT.name, NO_SNAT.id),
    ...notToThisHost(),
    ...setConnectionMark(marks.connmark),
  ];
  const restore = [...fromPods, ...connectionMarked(marks.connmark), ...setPacketMark(marks.connmark, marks.connmark)];
  const translate = [
    ...packetMarked(marks.connmark),
    ...outInterface(primaryLink),
    ...isIpv4(),
    ...destinationNotIn(NO_SNAT.name, NO_SNAT.id),
    ...sourceNat(ipv4Bytes(config.primaryAddress), config.randomizeSnat),
  ];
  const early = config.nodePortSupport ? [nodePort] : [];
  const snat = config.externalSnat ? [] : [translate];
  return {
    name: marks.nftTable,
    sets: [{ ...NO_SNAT, cidrs: [...config.noSnatCidrs, '224.0.0.0/4'] }],
    chains: [
      { name: 'interface', type: 'filter', hook: NF_INET_PRE_ROUTING, priority: -150, rules: early },
      {
        name: 'egress',
        type: 'filter',
        hook: NF_INET_PRE_ROUTING,
        priority: -90,
        rules: [...(config.externalSnat ? [] : [judge]), restore],
      },
      { name: 'source-nat', type: 'nat', hook: NF_INET_POST_ROUTING, priority: 100, rules: snat },
    ],
  };
}
