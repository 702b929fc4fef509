/**
 * Shrinking: what is above target goes back to the cloud. Only what would leave no shortage goes, so no growth follows
 * without a change in demand. Judged by what is ready: an address on its way spares none that is here.
 */

import type { Action, Explanation, Refusal } from './model.ts';
import { type Counts, isShort, maySpare, type Policy, surplusReason, targetInputs } from './plan-targets.ts';
import { countsOf, type Host, hostsNow, isIdle, less, type View } from './plan-view.ts';

/** An interface younger than this is not removed, unless told: a pod that made it needed may be a moment away from its next. */
export const YOUNG_MS = 60_000;

export interface ShrinkPlan {
  readonly actions: readonly Action[];
  readonly refusals: readonly Refusal[];
}

/** Whole interfaces first: one removal frees a slot and many addresses at once. Then single blocks. */
export function shrink(view: View, policy: Policy, minimumAgeMs = YOUNG_MS): ShrinkPlan {
  if (isShort(policy, view.held, view.demand)) return { actions: [], refusals: [] };
  const interfaces = removeInterfaces(view, policy, minimumAgeMs);
  // WARM_ENI_TARGET counts whole interfaces, so single addresses stay with theirs.
  const releases = policy.kind === 'eni' ? [] : releaseBlocks(view, policy, interfaces.left, interfaces.spared);
  return { actions: [...interfaces.actions, ...releases], refusals: interfaces.refusals };
}

/** Blocks of the wrong mode that nobody uses. They never host a pod again and take the room of blocks that could. */
export function releaseForeign(view: View, leaving: ReadonlySet<string>): readonly Action[] {
  return view.hosts.flatMap((host): readonly Action[] => {
    const { id, phase } = host.networkInterface;
    const cidrs = host.foreign.filter(isIdle).map(({ block }) => block.cidr);
    if (cidrs.length === 0 || phase !== 'ready' || leaving.has(id)) return [];
    const why: Explanation = { reason: 'wrong-mode', inputs: { mode: view.mode, blocks: cidrs.length } };
    return [{ kind: 'release', interfaceId: id, cidrs, why }];
  });
}

function removeInterfaces(view: View, policy: Policy, minimumAgeMs: number) {
  const actions: Action[] = [];
  const refusals: Refusal[] = [];
  const spared = new Set<string>();
  let left = view.held;
  for (const host of removable(view)) {
    const after = less(left, host.counts);
    if (!maySpare(policy, left, after, view.demand)) continue;
    // One that must wait is counted as gone all the same: releasing its blocks one by one meanwhile would cost a call.
    spared.add(host.networkInterface.id);
    const hindrance = hindranceOf(host, view.now, minimumAgeMs);
    if (hindrance === undefined) {
      const why = surplus(policy, left, view);
      actions.push({ kind: 'delete-interface', interfaceId: host.networkInterface.id, why });
    } else {
      refusals.push(hindrance);
    }
    left = after;
  }
  return { actions, refusals, spared, left };
}

/** Fewest addresses first, so that the most interfaces go; of equals, the last attached. */
function removable(view: View): readonly Host[] {
  return view.hosts
    .filter((host) => !host.networkInterface.isPrimary && hostsNow(host))
    .filter((host) => host.unused && !host.growing && !host.releasing)
    .toSorted((a, b) => a.counts.free - b.counts.free || byLastAttached(a, b));
}

/** Why an interface that nobody uses must stay for now. */
export function hindranceOf(host: Host, now: number, minimumAgeMs: number): Refusal | undefined {
  const { id, since } = host.networkInterface;
  if (host.cooling > 0) {
    const ends = [...host.usable, ...host.foreign, ...host.ipv6].flatMap(({ coolUntil }) =>
      coolUntil === undefined ? [] : [coolUntil],
    );
    const retryAt = ends.length === 0 ? undefined : Math.min(...ends);
    return { why: { reason: 'cooling-down', inputs: { interfaceId: id, cooling: host.cooling } }, retryAt };
  }
  if (now - since >= minimumAgeMs) return undefined;
  const inputs = { interfaceId: id, ageMs: now - since, minimumAgeMs };
  return { why: { reason: 'interface-too-young', inputs }, retryAt: since + minimumAgeMs };
}

function releaseBlocks(view: View, policy: Policy, start: Counts, spared: ReadonlySet<string>): readonly Action[] {
  const actions: Action[] = [];
  let left = start;
  for (const host of drainOrder(view, spared)) {
    const before = left;
    const cidrs: string[] = [];
    for (const block of releaseOrder(host)) {
      const after = less(left, countsOf(block));
      if (!maySpare(policy, left, after, view.demand)) continue;
      cidrs.push(block.block.cidr);
      left = after;
    }
    if (cidrs.length === 0) continue;
    const why = surplus(policy, before, view);
    actions.push({ kind: 'release', interfaceId: host.networkInterface.id, cidrs, why });
  }
  return actions;
}

/** The reverse of the order in which the ledger fills interfaces, so that the emptiest drains. */
function drainOrder(view: View, spared: ReadonlySet<string>): readonly Host[] {
  return view.hosts
    .filter((host) => hostsNow(host) && !host.growing && !spared.has(host.networkInterface.id))
    .toSorted(
      (a, b) =>
        Number(a.networkInterface.isPrimary) - Number(b.networkInterface.isPrimary) ||
        a.assigned - b.assigned ||
        byLastAttached(a, b),
    );
}

/** The ledger hands out prefixes before single addresses and the lowest address first; what goes is the reverse. */
function releaseOrder(host: Host) {
  const idle = host.usable.filter(isIdle).toReversed();
  return [
    ...idle.filter(({ block }) => block.kind === 'address'),
    ...idle.filter(({ block }) => block.kind === 'prefix'),
  ];
}

function surplus(policy: Policy, counts: Counts, view: View): Explanation {
  const inputs = { ...targetInputs(policy), free: counts.free, total: counts.total, waiting: view.demand };
  return { reason: surplusReason(policy), inputs };
}

function byLastAttached({ networkInterface: a }: Host, { networkInterface: b }: Host): number {
  return b.networkCardIndex - a.networkCardIndex || b.deviceIndex - a.deviceIndex;
}
