/** Numbers of branch ENIs in the kernel, beside those of `../marks.ts`; the README of this folder's parent says why. Pure. */
import type { BranchInterface, OwnershipMarks } from '../datapath.ts';
import { isOurGroup } from '../marks.ts';

/** Priorities of our rules for branch ENIs; 10 and 20 as in amazon-vpc-cni-k8s. */
export const BRANCH_PRIORITY = { router: 0, source: 9, strict: 10, local: 20, standard: 1536 } as const;

/** Lower halves of link groups. No network card has the number 254, so no ENI's pods are in them. */
const STRICT = 0xfe01;
const STANDARD = 0xfe02;
/** EC2's VLAN numbers begin at 1; the tables of amazon-vpc-cni-k8s at 101. */
const TABLE_OF_VLAN_0 = 100;
/** linux/if_vlan.h: VLAN_VID_MASK, all ones being reserved. */
export const HIGHEST_VLAN_ID = 4094;

/** The link group of a branch pod's veth. */
export function branchGroup(marks: OwnershipMarks, mode: BranchInterface['mode']): number {
  return (marks.groupBase | (mode === 'strict' ? STRICT : STANDARD)) >>> 0;
}

/** The link group of VLAN links: the next after those of pods, because what comes in by them comes from no pod. */
export function vlanGroup({ groupBase, groupMask }: OwnershipMarks): number {
  return (groupBase + (groupMask & -groupMask)) >>> 0;
}

/** Whether a link is ours: a pod's, a VLAN link, or one that is about to go. */
export function isOurLink(marks: OwnershipMarks, group: number): boolean {
  return isOurGroup(marks, group) || group === vlanGroup(marks);
}

/** Whether a link is the veth of a branch pod, and of which mode. */
export function branchModeOf(marks: OwnershipMarks, group: number): BranchInterface['mode'] | undefined {
  if (!isOurGroup(marks, group)) return undefined;
  if (group === branchGroup(marks, 'strict')) return 'strict';
  return group === branchGroup(marks, 'standard') ? 'standard' : undefined;
}

/** The routing table of a branch ENI. */
export function branchTable(vlanId: number): number {
  return TABLE_OF_VLAN_0 + vlanId;
}

/** The table by which alone it is judged whether a strict pod sends with an address of its own. Nothing is routed by it. */
export function sourceTable(marks: OwnershipMarks): number {
  return marks.podTable + 1;
}

/** What strict pods' packets are marked with while that is judged: more bits than any packet bears that is routed by mark. */
export function sourceMark(marks: OwnershipMarks): number {
  return (marks.eniMarkMask | marks.connmark) >>> 0;
}

/** The name of a branch ENI's link; that of amazon-vpc-cni-k8s. */
export function vlanLinkName(vlanId: number): string {
  return `vlan.eth.${vlanId}`;
}
