/**
 * Connections of pods to services whose addresses are the node's own: kube-proxy in ipvs mode has them on a link, and the
 * kernel's load balancer (IPVS) chooses and translates only after routing, in LOCAL_IN, sending on by LOCAL_OUT. So what
 * leaves the VPC by such a service cannot be known in PREROUTING. Pure.
 *
 *   -89 virtual-services       a pod's new connection to this host bears the mark for "by the primary ENI" for the time being
 *  -150 virtual-services-out   in LOCAL_OUT: it keeps the mark, and the connection gets it, if its translated destination is
 *                              outside of the VPC; otherwise the mark goes, and the packet is routed anew by its ENI's mark
 */
import { toThisHost } from '../host-port/expressions.ts';
import { NF_INET_LOCAL_OUT, NF_INET_PRE_ROUTING } from './constants.ts';
import {
  accept,
  connectionMarked,
  destinationNotIn,
  inGroupMasked,
  isIpv4,
  newConnection,
  packetMarked,
  setConnectionMark,
  setPacketMark,
} from './expressions.ts';
import { NO_SNAT, type RulesetInput } from './ruleset.ts';
import type { BaseChain, Table } from './table.ts';

/** The table with these chains in it; as it was, where somebody else translates what leaves. */
export function withVirtualServices(table: Table, { marks, config }: Pick<RulesetInput, 'marks' | 'config'>): Table {
  if (config.externalSnat) return table;
  const { connmark } = marks;
  const undecided = [
    ...inGroupMasked(marks.groupBase, marks.groupMask),
    ...newConnection(),
    ...isIpv4(),
    ...toThisHost(),
    ...setPacketMark(connmark, connmark),
  ];
  const leaves = [
    ...packetMarked(connmark),
    ...newConnection(),
    ...isIpv4(),
    ...destinationNotIn(NO_SNAT.name, NO_SNAT.id),
    ...setConnectionMark(connmark),
  ];
  const stays = [...packetMarked(connmark), ...setPacketMark(0, connmark)];
  const chains: readonly BaseChain[] = [
    { name: 'virtual-services', type: 'filter', hook: NF_INET_PRE_ROUTING, priority: -89, rules: [undecided] },
    {
      name: 'virtual-services-out',
      // Of this type, because a changed mark must change the route.
      type: 'route',
      hook: NF_INET_LOCAL_OUT,
      priority: -150,
      rules: [leaves, [...connectionMarked(connmark), ...accept()], stays],
    },
  ];
  return { ...table, chains: [...table.chains, ...chains] };
}
