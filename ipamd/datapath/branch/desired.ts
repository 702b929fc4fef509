/** What a branch pod has on the host beside its veth pair, as values: the routes of its table and its rules. Pure. */
import type { BranchInterface, OwnershipMarks, PodAttachment } from '../datapath.ts';
import { DatapathError } from '../datapath.ts';
import { anyAddress, familyOf, hostPrefixLength, type IpFamily } from '../ip.ts';
import { subnetGateway } from '../ipv4.ts';
import { IPV6_SUBNET_GATEWAY } from '../marks.ts';
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RT_TABLE_LOCAL, RTPROT_KERNEL } from '../netlink/constants.ts';
import type { Route } from '../netlink/route/route.ts';
import type { Rule } from '../netlink/route/rule.ts';
import { BRANCH_PRIORITY, branchTable, sourceMark, sourceTable, vlanLinkName } from './numbers.ts';

/** A branch pod as the rules show it. */
export interface KnownBranch {
  readonly hostIfName: string;
  readonly vlanId: number;
  readonly mode: BranchInterface['mode'];
  readonly families: readonly IpFamily[];
}

/** An attachment with a branch ENI. */
export type BranchPod = PodAttachment & { readonly branch: BranchInterface };

/** What of it the host has beside its veth pair is made of. */
export type BranchShare = Pick<BranchPod, 'containerId' | 'ifName' | 'hostIfName' | 'addresses' | 'branch'>;

/** Whether a pod, of this life or an earlier one, has an ENI of its own. */
export function hasBranch(
  pod: Omit<BranchShare, 'branch'> & Pick<PodAttachment, 'branch'>,
): pod is BranchShare & typeof pod {
  return pod.branch !== undefined;
}

/** Whether the pod has an ENI of its own. */
export function isBranchPod(pod: PodAttachment): pod is BranchPod {
  return pod.branch !== undefined;
}

export function knownBranch({ hostIfName, addresses, branch }: BranchPod): KnownBranch {
  return { hostIfName, vlanId: branch.vlanId, mode: branch.mode, families: addresses.map(familyOf) };
}

/** The way out of a branch ENI's table: its subnet's router by its VLAN link. Throws `DatapathError` without the subnet's CIDR. */
export function branchRoutes(
  marks: OwnershipMarks,
  { addresses, branch }: Pick<BranchPod, 'addresses' | 'branch'>,
  link: number,
): readonly Route[] {
  return addresses.map(familyOf).flatMap((family) => {
    const gateway = gatewayOf(branch, family);
    const common = { table: branchTable(branch.vlanId), protocol: marks.protocol, link };
    return [
      { ...common, destination: gateway, prefixLength: hostPrefixLength(family), scope: RT_SCOPE_LINK },
      {
        ...common,
        destination: anyAddress(family),
        prefixLength: 0,
        scope: RT_SCOPE_UNIVERSE,
        gateway,
        onlink: family === 'ipv4',
      },
    ];
  });
}

function gatewayOf({ subnetCidr, vlanId }: BranchInterface, family: IpFamily): string {
  if (family === 'ipv6') return IPV6_SUBNET_GATEWAY;
  if (subnetCidr !== undefined) return subnetGateway(subnetCidr);
  throw new DatapathError('kernel-refused', `the subnet of the branch ENI with VLAN ${vlanId} is not known`);
}

/**
 * Tables with the pod's own address in strict mode: that of its ENI, which what comes by the VLAN link is routed by, and
 * the one for judging sources. Node and neighbours have none of them, so that they reach the pod by the VPC alone.
 */
export function strictTables(marks: OwnershipMarks, { vlanId }: BranchInterface): readonly number[] {
  return [branchTable(vlanId), sourceTable(marks)];
}

/** One pod's rules. Strict: all from the pod and from its ENI by the ENI's table. Standard: what does not leave the VPC. */
export function branchRules(marks: OwnershipMarks, one: KnownBranch): readonly Rule[] {
  const table = branchTable(one.vlanId);
  const rule = (family: IpFamily, priority: number, inInterface: string): Rule => ({
    family,
    priority,
    table,
    protocol: marks.protocol,
    inInterface,
  });
  return one.families.flatMap((family) =>
    one.mode === 'strict'
      ? [
          rule(family, BRANCH_PRIORITY.strict, vlanLinkName(one.vlanId)),
          rule(family, BRANCH_PRIORITY.strict, one.hostIfName),
        ]
      : [rule(family, BRANCH_PRIORITY.standard, one.hostIfName)],
  );
}

/** ICMPv6 (RFC 4443, section 1). */
const ICMPV6 = 58;

/**
 * The rules of strict mode however many pods there are: addresses of the node are looked up after the branch ENIs' tables, so
 * that pods reach even the node by the VPC. The router's neighbour discovery stays with the host.
 */
export function strictRules(marks: OwnershipMarks, family: IpFamily): readonly Rule[] {
  const { protocol } = marks;
  const mark = { value: sourceMark(marks), mask: sourceMark(marks) };
  const router: Rule = {
    family,
    priority: BRANCH_PRIORITY.router,
    table: RT_TABLE_LOCAL,
    protocol,
    source: IPV6_SUBNET_GATEWAY,
    ipProtocol: ICMPV6,
  };
  return [
    ...(family === 'ipv6' ? [router] : []),
    { family, priority: BRANCH_PRIORITY.source, table: sourceTable(marks), protocol, mark },
    { family, priority: BRANCH_PRIORITY.local, table: RT_TABLE_LOCAL, protocol },
  ];
}

/** The rule that the kernel makes in every namespace (net/ipv4/fib_rules.c, net/ipv6/fib6_rules.c). */
export function kernelLocalRule(family: IpFamily): Rule {
  return { family, priority: 0, table: RT_TABLE_LOCAL, protocol: RTPROT_KERNEL };
}
