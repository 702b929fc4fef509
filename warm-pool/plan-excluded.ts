/**
 * Interfaces that host no new pod. Whatever the targets say, what nobody uses of them goes back: the interface as a whole
 * once it is empty, and before that, or where it is the primary, its idle blocks.
 */

import type { Action, Explanation, Family, Refusal } from './model.ts';
import { hindranceOf, type ShrinkPlan, YOUNG_MS } from './plan-shrink.ts';
import { type Host, isIdle, type View } from './plan-view.ts';

export function leaveExcluded(view: View, minimumAgeMs = YOUNG_MS): ShrinkPlan {
  const actions: Action[] = [];
  const refusals: Refusal[] = [];
  for (const host of view.excluded) {
    const { isPrimary, phase, id } = host.networkInterface;
    const why = whyOf(host, view.family);
    // What a call under way brings or takes is not known yet; its answer plans again.
    if (phase !== 'ready' || host.growing || host.releasing) continue;
    if (isPrimary || !host.unused) {
      actions.push(...releaseIdle(host, why));
      continue;
    }
    const hindrance = hindranceOf(host, view.now, minimumAgeMs);
    if (hindrance === undefined) actions.push({ kind: 'delete-interface', interfaceId: id, why });
    else refusals.push(hindrance);
  }
  return { actions, refusals };
}

function releaseIdle(host: Host, why: Explanation): readonly Action[] {
  const cidrs = idleBlocks(host).map(({ block }) => block.cidr);
  if (cidrs.length === 0) return [];
  return [{ kind: 'release', interfaceId: host.networkInterface.id, cidrs, why }];
}

function idleBlocks({ usable, foreign }: Host) {
  return [...usable, ...foreign].filter(isIdle);
}

function whyOf(host: Host, family: Family): Explanation {
  const { id, subnetId, excludedFromPods } = host.networkInterface;
  if (excludedFromPods !== true) return { reason: 'no-ipv6-cidr', inputs: { family, subnetIds: subnetId } };
  const idle = idleBlocks(host).reduce((sum, { free }) => sum + free, 0);
  return { reason: 'interface-excluded', inputs: { interfaceId: id, subnetId, idle } };
}
