/** Growth: everything that is missing, asked for in one plan, so that a node that needs k interfaces waits once. */

import type { Action, AllocationMode, Explanation, Refusal, Subnet } from './model.ts';
import { refusesPrefixes } from './ledger-choice.ts';
import { earliestEnd, SubnetBudget } from './plan-subnets.ts';
import { type Policy, PREFIX_SIZE, type Shortage, shortage } from './plan-targets.ts';
import { ipv6CidrMissing } from './plan-ipv6.ts';
import { freeDeviceIndex, type Host, mayGiveIpv6, sizeOf, sum, type View } from './plan-view.ts';

export interface GrowthPlan {
  readonly actions: readonly Action[];
  readonly refusals: readonly Refusal[];
  /** Blocks that are missing and were not asked for. */
  readonly unmet: number;
}

/** `undefined` is a subnet of which nothing is known, not even that it refuses. */
type SubnetFilter = (subnet: Subnet | undefined) => boolean;

const NOTHING: GrowthPlan = { actions: [], refusals: [], unmet: 0 };

/** Fills interfaces that have room, the fullest first, then creates as many as are needed, side by side. */
export function grow(view: View, policy: Policy): GrowthPlan {
  const missing = shortage(policy, view.mode, view.expected, view.demand);
  const overfull = view.waiting > view.demand ? [maxPodsReached(view, view.waiting - view.demand)] : [];
  if (missing === undefined) return { ...NOTHING, refusals: overfull };
  const { need, most } = withinMaxPods(view, missing);
  if (need === 0) return { ...NOTHING, refusals: [maxPodsReached(view, missing.addresses)] };
  const order = new Order(view, missing.why);
  const left = order.ask(view.mode, { need, most: policy.kind === 'eni' ? most : need }, () => true);
  const fallBack =
    view.mode === 'prefix' && left > 0 ? fallBackToAddresses(view, order, missing, need - left) : undefined;
  const unmet = fallBack?.left ?? left;
  const refusals = [...overfull, ...(fallBack?.refusals ?? []), ...(unmet > 0 ? [order.refusal(unmet)] : [])];
  return { actions: order.actions, refusals, unmet };
}

/**
 * The warm part of a need ends where the node's addresses reach its pods; pods that wait are served as long as the node
 * may run them, even while other addresses rest.
 */
function withinMaxPods(view: View, missing: Shortage): { need: number; most: number } {
  const left = Math.max(0, view.limits.maxPods - view.expected.total - view.assignedElsewhere);
  if (view.mode === 'address') {
    return {
      need: Math.max(missing.awaited, Math.min(missing.addresses, left)),
      most: Math.max(missing.awaited, left),
    };
  }
  const awaited = Math.ceil(missing.awaited / PREFIX_SIZE);
  const need = Math.max(awaited, Math.min(missing.prefixes, Math.ceil(left / PREFIX_SIZE)));
  return { need, most: need };
}

/** Where no /28 is left, single addresses do; as soon as the subnet may be asked again, prefixes are. */
function fallBackToAddresses(view: View, order: Order, missing: Shortage, prefixes: number) {
  const retryAt = earliestEnd(
    view.subnets.map((subnet) => subnet.prefixBackOffUntil),
    view.now,
  );
  if (!view.subnets.some((subnet) => refusesPrefixes(subnet, view.now))) return undefined;
  const inputs = {
    ...missing.why.inputs,
    subnets: view.subnets.filter((one) => refusesPrefixes(one, view.now)).length,
  };
  const why: Explanation = { reason: 'no-free-prefix', inputs };
  const need = Math.max(0, missing.addresses - prefixes * PREFIX_SIZE);
  const left = order.ask(
    'address',
    { need, most: need },
    (subnet) => subnet !== undefined && refusesPrefixes(subnet, view.now),
    why,
  );
  return { left, refusals: [{ why, retryAt }] };
}

function maxPodsReached(view: View, missing: number): Refusal {
  const { maxPods } = view.limits;
  const inputs = { maxPods, total: view.expected.total, assigned: view.assigned, waiting: view.waiting, missing };
  return { why: { reason: 'max-pods-reached', inputs }, retryAt: undefined };
}

/** One plan's requests as they are put together, and the room they leave. Lives as long as one call of `plan`. */
class Order {
  readonly actions: Action[] = [];
  readonly #view: View;
  readonly #why: Explanation;
  readonly #budget: SubnetBudget;
  readonly #room: Map<string, number>;
  #interfaceRoom: number;
  #comingRoom: number;

  constructor(view: View, why: Explanation) {
    this.#view = view;
    this.#why = why;
    this.#budget = new SubnetBudget(view);
    this.#room = new Map(view.hosts.map((host) => [host.networkInterface.id, host.room]));
    this.#interfaceRoom = view.interfaceRoom;
    this.#comingRoom = view.comingRoom;
  }

  /**
   * Asks for `need` blocks, in subnets that pass `only`; an interface is filled up to `most` where that is more.
   * Returns how many of the needed blocks could not be asked for.
   */
  ask(
    mode: AllocationMode,
    { need, most }: { need: number; most: number },
    only: SubnetFilter,
    why: Explanation = this.#why,
  ): number {
    let asked = 0;
    for (const { networkInterface } of this.#fullestFirst(only)) {
      if (asked >= need) return 0;
      const room = this.#room.get(networkInterface.id) ?? 0;
      const count = Math.min(room, most - asked, this.#budget.blocks(networkInterface.subnetId, mode));
      if (count <= 0) continue;
      asked += count;
      this.#room.set(networkInterface.id, room - count);
      this.#budget.take(networkInterface.subnetId, count * sizeOf(mode));
      this.actions.push({ kind: 'assign', interfaceId: networkInterface.id, mode, count, why });
    }
    const soon = Math.min(Math.max(0, need - asked), this.#comingRoom);
    this.#comingRoom -= soon;
    return Math.max(0, need - soon - asked - this.#create(mode, need - soon - asked, most - soon - asked, only, why));
  }

  /** Why blocks are missing that were not asked for. */
  refusal(missing: number): Refusal {
    const { limits, perInterface, subnets, now, family } = this.#view;
    const room = sum([...this.#room.values()], (one) => one);
    if (perInterface === 0) {
      const inputs = { missing, ipv4PerInterface: limits.ipv4PerInterface };
      return { why: { reason: 'address-limit', inputs }, retryAt: undefined };
    }
    if (room === 0 && this.#interfaceRoom === 0) {
      const inputs = { missing, maxInterfaces: limits.maxInterfaces, perInterface, mode: this.#view.mode };
      return { why: { reason: 'interface-limit', inputs }, retryAt: this.#fullEnd() };
    }
    if (family === 'dual' && subnets.length > 0 && subnets.every(({ hasIpv6 }) => hasIpv6 === false)) {
      return ipv6CidrMissing(this.#view);
    }
    const inputs = {
      missing,
      mode: this.#view.mode,
      subnets: subnets.length,
      available: sum(subnets, (subnet) => subnet.availableAddresses),
    };
    const retryAt = earliestEnd([...subnets.map((subnet) => subnet.backOffUntil), this.#fullEnd() ?? 0], now);
    return { why: { reason: 'subnet-exhausted', inputs }, retryAt };
  }

  /** When the first interface that the cloud called full may be asked again. */
  #fullEnd(): number | undefined {
    const { hosts, now } = this.#view;
    return earliestEnd(
      hosts.map(({ networkInterface }) => networkInterface.fullUntil ?? 0),
      now,
    );
  }

  #create(mode: AllocationMode, need: number, most: number, only: SubnetFilter, why: Explanation): number {
    const { family, now } = this.#view;
    const dual = family === 'dual';
    const fits: SubnetFilter = (one) => only(one) && (!dual || mayGiveIpv6(one, now));
    let asked = 0;
    while (asked < need && this.#interfaceRoom > 0) {
      const subnet = this.#budget.best(mode, fits);
      const count = subnet === undefined ? 0 : Math.min(this.#view.perInterface, subnet.blocks, most - asked);
      if (subnet === undefined || count <= 0) break;
      asked += count;
      this.#interfaceRoom -= 1;
      this.#budget.take(subnet.id, 1 + count * sizeOf(mode));
      const { networkCardIndex } = this.#view;
      const place = { deviceIndex: freeDeviceIndex(this.#view, this.actions), networkCardIndex };
      const ipv6 = dual ? { ipv6PrefixCount: 1 } : {};
      this.actions.push({ kind: 'create-interface', subnetId: subnet.id, ...place, mode, count, ...ipv6, why });
    }
    return asked;
  }

  #fullestFirst(only: SubnetFilter): readonly Host[] {
    const bySubnet = new Map(this.#view.subnets.map((subnet) => [subnet.id, subnet]));
    return this.#view.hosts
      .filter((host) => only(bySubnet.get(host.networkInterface.subnetId)))
      .toSorted((a, b) => a.room - b.room || byPosition(a, b));
  }
}

function byPosition({ networkInterface: a }: Host, { networkInterface: b }: Host): number {
  return a.networkCardIndex - b.networkCardIndex || a.deviceIndex - b.deviceIndex;
}
