/**
 * The /80 prefixes. On a dual-stack node every interface that hosts pods needs one. On an IPv6 node one is enough for all
 * pods, so one interface has it, the primary if it may, and no other is made for capacity or kept.
 */

import type { Action, Explanation, Refusal } from './model.ts';
import type { GrowthPlan } from './plan-grow.ts';
import { hindranceOf, releaseForeign, type ShrinkPlan, YOUNG_MS } from './plan-shrink.ts';
import { earliestEnd } from './plan-subnets.ts';
import { freeDeviceIndex, type Host, type Ipv6Prospect, mayGiveIpv6, type View } from './plan-view.ts';

/** Dual stack: IPv4 growth, and beside it a /80 for each interface without one. The same growth on an IPv4 node. */
export function withPrefixForEach(view: View, growth: GrowthPlan): GrowthPlan {
  if (view.family !== 'dual') return growth;
  const prospects = (wanted: Ipv6Prospect) => view.hosts.filter(({ ipv6Prospect }) => ipv6Prospect === wanted);
  const actions = prospects('askable').map((host) => prefixFor(host, view));
  const refusals = prospects('backed-off').map((host) => backedOff(host, view));
  return {
    ...growth,
    actions: [...actions, ...growth.actions],
    refusals: [...refusals, ...growth.refusals],
  };
}

/** An IPv6 node: one /80 on one interface, unless there is one or it is on its way. */
export function growIpv6(view: View): GrowthPlan {
  if (keeperOf(view) !== undefined || isComing(view)) return { actions: [], refusals: [], unmet: 0 };
  return oneForAll(view);
}

/** An IPv6 node: what no pod uses goes back, as soon as pods can be served by the interface that has the /80. */
export function shrinkIpv6(view: View, minimumAgeMs = YOUNG_MS): ShrinkPlan {
  const keeper = keeperOf(view);
  if (keeper?.networkInterface.phase !== 'ready') return { actions: [], refusals: [] };
  return leaveOthers(view, keeper, minimumAgeMs);
}

function keeperOf(view: View): Host | undefined {
  return view.hosts.filter(({ ipv6 }) => ipv6.length > 0).toSorted(byWorth)[0];
}

/** Which subnets have no IPv6 CIDR block, as the reason why no pod can have an address. */
export function ipv6CidrMissing({ family, subnets, excluded, hosts }: View): Refusal {
  const without = [
    ...subnets.filter(({ hasIpv6 }) => hasIpv6 === false).map(({ id }) => id),
    ...[...hosts, ...excluded]
      .filter(({ ipv6Prospect }) => ipv6Prospect === 'impossible')
      .map(({ networkInterface }) => networkInterface.subnetId),
  ];
  const subnetIds = [...new Set(without)].toSorted().join(', ');
  return { why: { reason: 'no-ipv6-cidr', inputs: { family, subnetIds } }, retryAt: undefined };
}

function oneForAll(view: View): GrowthPlan {
  const host = view.hosts.filter(({ ipv6Prospect }) => ipv6Prospect === 'askable').toSorted(byWorth)[0];
  if (host !== undefined) return { actions: [prefixFor(host, view)], refusals: [], unmet: 0 };
  const { limits, perInterface, mode, family, now } = view;
  const open = view.subnets.filter((subnet) => mayGiveIpv6(subnet, now) && subnet.backOffUntil <= now);
  const [best] = open
    .filter(({ availableAddresses }) => availableAddresses > 0)
    .toSorted((a, b) => b.availableAddresses - a.availableAddresses || (a.id < b.id ? -1 : 1));
  if (best !== undefined && view.interfaceRoom > 0) {
    const why: Explanation = { reason: 'no-ipv6-prefix', inputs: { family } };
    const place = { subnetId: best.id, deviceIndex: freeDeviceIndex(view, []) };
    const { networkCardIndex } = view;
    const create = {
      kind: 'create-interface',
      ...place,
      networkCardIndex,
      mode,
      count: 0,
      ipv6PrefixCount: 1,
      why,
    } as const;
    return { actions: [create], refusals: [], unmet: 0 };
  }
  const waits = view.hosts.filter(({ ipv6Prospect }) => ipv6Prospect === 'backed-off');
  if (waits.length > 0) return refused(waits.map((one) => backedOff(one, view)));
  if (best !== undefined) {
    const inputs = { missing: 1, maxInterfaces: limits.maxInterfaces, perInterface };
    return refused([{ why: { reason: 'interface-limit', inputs }, retryAt: undefined }]);
  }
  return refused([noSubnet(view)]);
}

function refused(refusals: readonly Refusal[]): GrowthPlan {
  return { actions: [], refusals, unmet: 1 };
}

function noSubnet(view: View): Refusal {
  const { subnets, mode, now } = view;
  const able = subnets.filter(({ hasIpv6 }) => hasIpv6 !== false);
  if (able.length === 0 && (subnets.length > 0 || view.hosts.length > 0)) return ipv6CidrMissing(view);
  const available = able.reduce((sum, { availableAddresses }) => sum + availableAddresses, 0);
  const inputs = { missing: 1, mode, subnets: able.length, available };
  const ends = able.map(({ backOffUntil, ipv6BackOffUntil }) => Math.max(backOffUntil, ipv6BackOffUntil ?? 0));
  return { why: { reason: 'subnet-exhausted', inputs }, retryAt: earliestEnd(ends, now) };
}

function isComing(view: View): boolean {
  return (
    view.hosts.some(({ ipv6Prospect }) => ipv6Prospect === 'coming') ||
    view.inFlight.some((action) => action.kind === 'create-interface' && (action.ipv6PrefixCount ?? 0) > 0)
  );
}

function leaveOthers(view: View, keeper: Host, minimumAgeMs: number): ShrinkPlan {
  const actions: Action[] = [];
  const refusals: Refusal[] = [];
  const leaving = new Set<string>();
  for (const host of view.hosts) {
    const { id, isPrimary, phase } = host.networkInterface;
    if (host === keeper || isPrimary || phase !== 'ready' || !host.unused || host.growing || host.releasing) continue;
    leaving.add(id);
    const hindrance = hindranceOf(host, view.now, minimumAgeMs);
    const inputs = { interfaceId: id, hostId: keeper.networkInterface.id };
    if (hindrance !== undefined) refusals.push(hindrance);
    else actions.push({ kind: 'delete-interface', interfaceId: id, why: { reason: 'interface-not-needed', inputs } });
  }
  return { actions: [...actions, ...releaseForeign(view, leaving)], refusals };
}

function prefixFor({ networkInterface: { id } }: Host, { family }: View): Action {
  const why: Explanation = { reason: 'no-ipv6-prefix', inputs: { family, interfaceId: id } };
  return { kind: 'assign-ipv6-prefix', interfaceId: id, why };
}

function backedOff({ networkInterface: { id, subnetId } }: Host, { subnets }: View): Refusal {
  const retryAt = subnets.find((subnet) => subnet.id === subnetId)?.ipv6BackOffUntil;
  return { why: { reason: 'ipv6-back-off', inputs: { interfaceId: id, subnetId } }, retryAt };
}

/** The order in which the ledger fills interfaces: the primary, then the one with most pods, then by position. */
function byWorth(a: Host, b: Host): number {
  const [x, y] = [a.networkInterface, b.networkInterface];
  return (
    Number(y.isPrimary) - Number(x.isPrimary) ||
    Number(y.phase === 'ready') - Number(x.phase === 'ready') ||
    b.assigned - a.assigned ||
    x.networkCardIndex - y.networkCardIndex ||
    x.deviceIndex - y.deviceIndex
  );
}
