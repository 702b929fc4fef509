/** What may still be asked of each subnet. */

import { refusesPrefixes } from './ledger-choice.ts';
import type { AllocationMode, Subnet } from './model.ts';
import { sizeOf, type View } from './plan-view.ts';

/** Addresses left in each subnet while a plan is made. Lives as long as one call of `plan`. */
export class SubnetBudget {
  readonly #subnets: readonly Subnet[];
  readonly #left: Map<string, number>;
  readonly #now: number;

  /** What is in flight counts as taken: the count of available addresses is older than those calls. */
  constructor(view: View) {
    this.#now = view.now;
    this.#subnets = view.subnets.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    this.#left = new Map(this.#subnets.map((subnet) => [subnet.id, subnet.availableAddresses]));
    const subnetOf = new Map(view.hosts.map(({ networkInterface: { id, subnetId } }) => [id, subnetId]));
    for (const action of view.inFlight) {
      if (action.kind === 'create-interface') this.take(action.subnetId, 1 + action.count * sizeOf(action.mode));
      if (action.kind === 'assign') this.take(subnetOf.get(action.interfaceId), action.count * sizeOf(action.mode));
    }
  }

  take(subnetId: string | undefined, addresses: number): void {
    const left = subnetId === undefined ? undefined : this.#left.get(subnetId);
    if (subnetId !== undefined && left !== undefined) this.#left.set(subnetId, left - addresses);
  }

  /** How many blocks may be asked for in a subnet; one of which nothing is known is not limited. */
  blocks(subnetId: string, mode: AllocationMode): number {
    if (this.#refuses(subnetId, mode)) return 0;
    return Math.floor(Math.max(0, this.#left.get(subnetId) ?? Infinity) / sizeOf(mode));
  }

  /** The subnet with most available addresses that can take an interface with at least one block. */
  best(mode: AllocationMode, only: (subnet: Subnet) => boolean): { id: string; blocks: number } | undefined {
    let best: { id: string; left: number } | undefined;
    for (const subnet of this.#subnets) {
      const left = (this.#left.get(subnet.id) ?? 0) - 1;
      if (!only(subnet) || this.#refuses(subnet.id, mode) || left < sizeOf(mode)) continue;
      if (best === undefined || left > best.left) best = { id: subnet.id, left };
    }
    return best && { id: best.id, blocks: Math.floor(best.left / sizeOf(mode)) };
  }

  #refuses(subnetId: string, mode: AllocationMode): boolean {
    const subnet = this.#subnets.find((one) => one.id === subnetId);
    if (subnet === undefined) return false;
    return subnet.backOffUntil > this.#now || (mode === 'prefix' && refusesPrefixes(subnet, this.#now));
  }
}

/** The earliest end of a back-off that still runs. */
export function earliestEnd(times: readonly number[], now: number): number | undefined {
  const ends = times.filter((time) => time > now);
  return ends.length === 0 ? undefined : Math.min(...ends);
}
