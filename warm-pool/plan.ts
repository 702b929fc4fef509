/**
 * The planner: what to ask of the cloud now, given what the node holds and should hold.
 *
 * One pure function, run by the daemon, the simulator, the operator's command and the tests alike.
 */

import type { Action, Plan, Refusal, Snapshot, WarmTargets } from './model.ts';
import { grow, type GrowthPlan } from './plan-grow.ts';
import { constrainGrowth, constrainReturns, type PlanConstraint } from './plan-constraints.ts';
import { leaveExcluded } from './plan-excluded.ts';
import { growIpv6, shrinkIpv6, withPrefixForEach } from './plan-ipv6.ts';
import { releaseForeign, shrink, type ShrinkPlan } from './plan-shrink.ts';
import { policyOf } from './plan-targets.ts';
import { type View, viewOf } from './plan-view.ts';

/**
 * Decides. Promises (held by plan.property.test.ts): the effects of its actions lead to a plan without actions; no limit
 * of the instance is exceeded; nothing assigned or cooling is given back; what is in flight is not asked for again; no
 * growth follows a release without a change in demand; the same arguments give the same plan.
 *
 * `snapshot` must be of time `now` (cool-downs that are over counted as free).
 */
export function plan(snapshot: Snapshot, targets: WarmTargets, now: number): Plan {
  const view = viewOf(snapshot, now);
  const constraints = snapshot.constraints ?? [];
  const { growth, surplus } =
    view.family === 'ipv6' ? decideIpv6(view, targets, constraints) : decideIpv4(view, targets, constraints);
  const excluded = leaveExcluded(view, targets.interfaceMinimumAgeMs);
  const returns = constrainReturns([...finish(view), ...surplus.actions, ...excluded.actions], constraints);
  const actions = [...growth.actions, ...returns.actions];
  const refusals = [...growth.refusals, ...returns.refusals, ...surplus.refusals, ...excluded.refusals];
  if (actions.length === 0 || snapshot.cloudBackOffUntil <= now) {
    return { actions, refusals, wakeAt: wakeAt(view, refusals) };
  }
  const withheld: Refusal = {
    why: { reason: 'cloud-back-off', inputs: { withheld: actions.length, until: snapshot.cloudBackOffUntil } },
    retryAt: snapshot.cloudBackOffUntil,
  };
  const all = [...refusals, withheld];
  return { actions: [], refusals: all, wakeAt: wakeAt(view, all) };
}

/** What was being removed before a restart: a half-removed interface serves nobody. */
function finish({ interrupted }: View): readonly Action[] {
  return interrupted.map(({ id }) => ({
    kind: 'delete-interface',
    interfaceId: id,
    why: { reason: 'interrupted-deletion', inputs: { interfaceId: id } },
  }));
}

interface Decision {
  readonly growth: GrowthPlan;
  readonly surplus: ShrinkPlan;
}

/** IPv4 addresses as the targets have them; on a dual-stack node each interface with the /80 that makes it of use. */
function decideIpv4(view: View, targets: WarmTargets, constraints: readonly PlanConstraint[]): Decision {
  const policy = policyOf(view.mode, targets, view.perInterface);
  const growth = constrainGrowth(withPrefixForEach(view, grow(view, policy)), constraints);
  const surplus = shrink(view, policy, targets.interfaceMinimumAgeMs);
  const foreign = mayReleaseForeign(view, growth) ? releaseForeign(view, leaving(surplus)) : [];
  return { growth, surplus: { ...surplus, actions: [...surplus.actions, ...foreign] } };
}

/** One /80 for the node; the targets, which count IPv4 addresses, play no part. */
function decideIpv6(view: View, targets: WarmTargets, constraints: readonly PlanConstraint[]): Decision {
  const surplus = shrinkIpv6(view, targets.interfaceMinimumAgeMs);
  return { growth: constrainGrowth(growIpv6(view), constraints), surplus };
}

const GROWS: ReadonlySet<Action['kind']> = new Set(['assign', 'create-interface', 'assign-ipv6-prefix']);

/**
 * While growth is under way, blocks of the wrong mode wait for its outcome: in prefix mode they are the way back, should
 * the subnet refuse prefixes again. Where growth finds no room they go at once, for they take it.
 */
function mayReleaseForeign(
  view: View,
  growth: { readonly actions: readonly Action[]; readonly unmet: number },
): boolean {
  if (growth.unmet > 0) return true;
  return growth.actions.length === 0 && !view.inFlight.some(({ kind }) => GROWS.has(kind));
}

/** Interfaces that go as a whole, now or as soon as their time has come. */
function leaving({
  actions,
  refusals,
}: {
  readonly actions: readonly Action[];
  readonly refusals: readonly Refusal[];
}) {
  const deleted = actions.flatMap((action) => (action.kind === 'delete-interface' ? [action.interfaceId] : []));
  const waiting = refusals.map(({ why }) => String(why.inputs['interfaceId'] ?? ''));
  return new Set([...deleted, ...waiting]);
}

/** A cool-down or a back-off that ends, an interface that comes of age. Never late; a plan may turn out unchanged. */
function wakeAt(view: View, refusals: readonly Refusal[]): number | undefined {
  let earliest = Infinity;
  const note = (time: number | undefined): void => {
    if (time !== undefined && time > view.now && time < earliest) earliest = time;
  };
  for (const { retryAt } of refusals) note(retryAt);
  for (const host of [...view.hosts, ...view.excluded]) {
    for (const { coolUntil } of host.usable) note(coolUntil);
    for (const { coolUntil } of host.foreign) note(coolUntil);
  }
  if (view.mode === 'prefix') fallBackEnds(view).forEach(note);
  return earliest === Infinity ? undefined : earliest;
}

/** When single addresses that stand in for prefixes stop being used. */
function fallBackEnds(view: View): readonly number[] {
  const standIns = view.hosts.filter((host) => host.usable.some(({ block }) => block.kind === 'address'));
  const subnetIds = new Set(standIns.map((host) => host.networkInterface.subnetId));
  return view.subnets.filter(({ id }) => subnetIds.has(id)).map((subnet) => subnet.prefixBackOffUntil);
}
