/**
 * The kernel's own rule for addresses of the host (priority 0). In strict mode ours, at 20, takes its place. There is always
 * one of the two: the other is added before one goes.
 */
import { byNetlink, type Difference } from '../drift/difference.ts';
import { readRules, type Kernel } from '../kernel.ts';
import { RT_TABLE_LOCAL, RTPROT_KERNEL } from '../netlink/constants.ts';
import { submit } from '../netlink/exchange.ts';
import type { IpFamily } from '../ip.ts';
import { addRule, deleteRule, ruleText, type Rule } from '../netlink/route/rule.ts';
import { kernelLocalRule } from './desired.ts';
import { BRANCH_PRIORITY } from './numbers.ts';

/** Puts the kernel's rule back for families in which ours is in its place; to be called before ours goes. */
export function restoreLocalRule(kernel: Kernel, ours: readonly Rule[]): void {
  const moved = ours.filter(({ priority, table }) => priority === BRANCH_PRIORITY.local && table === RT_TABLE_LOCAL);
  submit(
    kernel.route,
    moved.map(({ family }) => addRule(kernelLocalRule(family))),
  );
}

/** Takes the kernel's rule away; to be called when ours is there. */
export function removeLocalRule(kernel: Kernel, families: readonly IpFamily[]): void {
  const requests = localRuleDifferences(readRules(kernel, RTPROT_KERNEL), families).flatMap(({ repair }) =>
    repair.by === 'netlink' ? repair.requests : [],
  );
  submit(kernel.route, requests);
}

/** Strict mode: the kernel's rule, where somebody has put it back. */
export function localRuleDifferences(rules: readonly Rule[], families: readonly IpFamily[]): readonly Difference[] {
  const texts = new Set(families.map((family) => ruleText(kernelLocalRule(family))));
  return rules
    .filter((rule) => texts.has(ruleText(rule)))
    .map((rule) => ({
      kind: 'rule',
      object: 'rule for local addresses',
      expected: `at priority ${BRANCH_PRIORITY.local} alone`,
      found: ruleText(rule),
      repair: byNetlink(deleteRule(rule)),
    }));
}
