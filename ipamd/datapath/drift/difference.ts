/** A difference between what the kernel should hold of ours and what it holds, and what sets it right. Pure. */
import type { Damage, DriftKind } from '../datapath.ts';
import type { NetlinkRequest } from '../netlink/message.ts';

/** How a difference is set right. */
export type Repair =
  | { readonly by: 'netlink'; readonly requests: readonly NetlinkRequest[] }
  /** The whole nft table anew, in one transaction. */
  | { readonly by: 'table' }
  | { readonly by: 'sysctl'; readonly values: Readonly<Record<string, string>> }
  /** Not by us: a link that is gone. */
  | { readonly by: 'nobody' };

/** See the file's comment. */
export interface Difference extends Damage {
  readonly kind: DriftKind;
  readonly repair: Repair;
}

/** The order of repairs: a route needs its link up, and its source address there. */
const ORDER: readonly DriftKind[] = ['link', 'sysctl', 'address', 'rule', 'route', 'neighbour', 'qdisc', 'nft'];

/** Differences in the order in which they can be set right. */
export function inOrderOfRepair(differences: readonly Difference[]): readonly Difference[] {
  return differences.toSorted((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
}

/** What makes two findings the same one, however often it is found. */
export function differenceKey({ object, expected }: Damage): string {
  return `${object}: ${expected}`;
}

/** As CHECK shows it. */
export function asDamage({ object, expected, found }: Difference): Damage {
  return { object, expected, found };
}

/** A comparison of one value; none if it is as it should be. */
export function compared(
  kind: DriftKind,
  object: string,
  values: { readonly expected: string; readonly found: string },
  repair: Repair,
): readonly Difference[] {
  return values.expected === values.found ? [] : [{ kind, object, ...values, repair }];
}

/** A repair by netlink. */
export function byNetlink(...requests: readonly NetlinkRequest[]): Repair {
  return { by: 'netlink', requests };
}
