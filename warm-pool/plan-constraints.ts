/**
 * What stands in the way of the planner beside limits and refusals of the cloud: settings, the state of the node, a place
 * for new interfaces that is not known. A constraint holds back actions of a kind and says why; it never adds one.
 */

import type { Action, Explanation, Refusal } from './model.ts';

export type PlanConstraint =
  /** Nothing is asked of the cloud: another program gives this node its interfaces and addresses. */
  | { readonly kind: 'provisioning-disabled'; readonly setting: string }
  /** The node takes no new pods, so it takes no more from the cloud, and begins to give no interface back. */
  | { readonly kind: 'node-unschedulable' }
  /** Custom networking, and it is not known yet where interfaces go; `waitsFor` ends the sentence "it waits for ...". */
  | { readonly kind: 'eniconfig-unknown'; readonly waitsFor: string }
  /** Custom networking, and the ENIConfig cannot be used; `problem` is a sentence for people. */
  | { readonly kind: 'eniconfig-unusable'; readonly eniConfig: string; readonly problem: string };

/** The part of a plan that is about growth. */
export interface ConstrainedGrowth {
  readonly actions: readonly Action[];
  readonly refusals: readonly Refusal[];
  readonly unmet: number;
}

/** Refusals that say nothing where a constraint is the reason: no subnet is a candidate as long as none may be used. */
const OVERRULED: ReadonlySet<Explanation['reason']> = new Set(['subnet-exhausted', 'no-free-prefix']);

/** Growth as far as the constraints let it. What they hold back is refused with their reasons, before all others. */
export function constrainGrowth<G extends ConstrainedGrowth>(growth: G, constraints: readonly PlanConstraint[]): G {
  const wanted = growth.actions.length > 0 || growth.unmet > 0;
  if (constraints.length === 0 || !wanted) return growth;
  const because = constraints.map((constraint) => refusalBy(constraint));
  const others = growth.refusals.filter(({ why }) => !OVERRULED.has(why.reason));
  return { ...growth, actions: [], refusals: [...because, ...others] };
}

/** What of the actions that give something back may be done. */
export function constrainReturns(
  actions: readonly Action[],
  constraints: readonly PlanConstraint[],
): { readonly actions: readonly Action[]; readonly refusals: readonly Refusal[] } {
  const isAllowed = (action: Action) => !constraints.some((constraint) => holdsBack(constraint, action));
  const refusals = constraints.flatMap((constraint) => {
    const held = actions.filter((action) => holdsBack(constraint, action));
    return held.length === 0 ? [] : [refusalBy(constraint)];
  });
  return { actions: actions.filter(isAllowed), refusals };
}

/** Whether the constraint is against an action that gives something back. */
function holdsBack(constraint: PlanConstraint, action: Action): boolean {
  switch (constraint.kind) {
    case 'provisioning-disabled':
      return true;
    case 'node-unschedulable':
      return action.kind === 'delete-interface' && action.why.reason !== 'interrupted-deletion';
    case 'eniconfig-unknown':
    case 'eniconfig-unusable':
      return false;
    default:
      return constraint satisfies never;
  }
}

/** No time ends a constraint; who lifts it plans again. */
function refusalBy(constraint: PlanConstraint): Refusal {
  return { why: explanationOf(constraint), retryAt: undefined };
}

function explanationOf(constraint: PlanConstraint): Explanation {
  switch (constraint.kind) {
    case 'provisioning-disabled':
      return { reason: 'provisioning-disabled', inputs: { setting: constraint.setting } };
    case 'node-unschedulable':
      return { reason: 'node-unschedulable', inputs: {} };
    case 'eniconfig-unknown':
      return { reason: 'eniconfig-unknown', inputs: { waitsFor: constraint.waitsFor } };
    case 'eniconfig-unusable':
      return {
        reason: 'eniconfig-unusable',
        inputs: { eniConfig: constraint.eniConfig, problem: constraint.problem },
      };
    default:
      return constraint satisfies never;
  }
}
