/**
 * Interfaces that host no new pod. Whatever the targets say, what nobody uses of them goes back: the interface as a whole
 * once it is empty, and before that, or where it is the primary, its idle blocks.
 */

import type { Action, Explanation, Refusal } from './model.ts';
import { hindranceOf, type ShrinkPlan, YOUNG_MS } from './plan-shrink.ts';
import { type Host, isIdle, type View } from './plan-view.ts';

export function leaveExcluded(view: View, minimumAgeMs = YOUNG_MS): ShrinkPlan {
  const actions: Action[] = [];
  const refusals: Refusal[] = [];
  for (const host of view.excluded) {
    const { isPrimary, phase, id } = host.networkInterface;
    // What a call under way brings or takes is not known yet; its answer plans again.
    if (phase !== 'ready' || host.growing || host.releasing) continue;
    if (isPrimary || host.assigned > 0) {
      actions.push(...releaseIdle(host));
      continue;
    }
    const hindrance = hindranceOf(host, view.now, minimumAgeMs);
    if (hindrance === undefined) actions.push({ kind: 'delete-interface', interfaceId: id, why: whyOf(host) });
    else refusals.push(hindrance);
  }
  return { actions, refusals };
}

function releaseIdle(host: Host): readonly Action[] {
  const cidrs = idleBlocks(host).map(({ block }) => block.cidr);
  if (cidrs.length === 0) return [];
  return [{ kind: 'release', interfaceId: host.networkInterface.id, cidrs, why: whyOf(host) }];
}

function idleBlocks({ usable, foreign }: Host) {
  return [...usable, ...foreign].filter(isIdle);
}

function whyOf(host: Host): Explanation {
  const { id, subnetId } = host.networkInterface;
  const idle = idleBlocks(host).reduce((sum, { free }) => sum + free, 0);
  return { reason: 'interface-excluded', inputs: { interfaceId: id, subnetId, idle } };
}
