/** The plan of a whole node: that of each network card that hosts pods, put together. */

import { cardsInUse, onCard, targetsOn } from './cards.ts';
import { type Circumstances, snapshot } from './ledger-report.ts';
import type { Ledger } from './ledger-state.ts';
import type { Action, Explanation, Plan, Snapshot, WarmTargets } from './model.ts';
import { plan } from './plan.ts';

/** What the planner sees of each card that hosts pods, card 0 first. */
export function cardSnapshots(ledger: Ledger, circumstances: Circumstances): readonly Snapshot[] {
  const whole = snapshot(ledger, circumstances);
  return cardsInUse(ledger).map((card) => {
    if (card === 0) return whole;
    return onCard(whole, ledger, card, circumstances.waitingOn?.get(card) ?? 0);
  });
}

/**
 * What to do on every card now. Each card has a plan of its own, so what `plan` promises holds for each; reasons on a card
 * other than 0 have it in their inputs as `networkCard`.
 */
export function planCards(ledger: Ledger, circumstances: Circumstances, targets: WarmTargets): Plan {
  return together(
    cardSnapshots(ledger, circumstances).map((one) => {
      const card = one.networkCardIndex ?? 0;
      const planned = plan(one, targetsOn(targets, card), circumstances.now);
      return card === 0 ? planned : onCardOf(planned, card);
    }),
  );
}

function together(plans: readonly Plan[]): Plan {
  const [first, ...others] = plans;
  if (first !== undefined && others.length === 0) return first;
  const wakeAt = Math.min(...plans.map((one) => one.wakeAt ?? Infinity));
  return {
    actions: plans.flatMap(({ actions }) => actions),
    refusals: plans.flatMap(({ refusals }) => refusals),
    wakeAt: wakeAt === Infinity ? undefined : wakeAt,
  };
}

function onCardOf(planned: Plan, networkCard: number): Plan {
  const named = (why: Explanation): Explanation => ({ ...why, inputs: { ...why.inputs, networkCard } });
  return {
    ...planned,
    actions: planned.actions.map((action): Action => ({ ...action, why: named(action.why) })),
    refusals: planned.refusals.map((refusal) => ({ ...refusal, why: named(refusal.why) })),
  };
}
