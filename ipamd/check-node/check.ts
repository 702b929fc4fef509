/** All checks of `doctor` and `analyze`. Pure. */
import { byGravity, type Finding } from './finding.ts';
import type { NodeFacts } from './facts.ts';
import { kernelRules } from './rules/kernel-rules.ts';
import { leftoverRules } from './rules/leftover-rules.ts';
import { serviceRules } from './rules/service-rules.ts';
import { softwareRules } from './rules/software-rules.ts';
import { sysctlRules } from './rules/sysctl-rules.ts';

/** The gravest first. Never throws for facts of this version. */
export function checkNode(facts: NodeFacts): readonly Finding[] {
  const rules = [serviceRules, kernelRules, sysctlRules, softwareRules, leftoverRules];
  return byGravity(rules.flatMap((rule) => rule(facts)));
}
