import type { Region, RegionChange } from './region.ts';
import type { PersistentMap } from './vpc/persistent-map.ts';
import type { InstanceRecord, Resource, VpcState } from './vpc/state.ts';
import { viewInstance, viewInterface, viewSecurityGroup, viewSubnet, viewVpc } from './vpc/views.ts';

/** One thing that was made, changed or removed; `before` and `after` as `state` shows it, null where it was not there. */
export interface ResourceChange {
  readonly kind: 'vpc' | 'subnet' | 'security-group' | 'instance' | 'network-interface';
  readonly id: string;
  readonly before: object | null;
  readonly after: object | null;
}

/** What one request has changed. Numbers go up by one. */
export interface Change {
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The EC2 action; null for what was taken over from the EC2 behind. */
  readonly action: string | null;
  readonly resources: readonly ResourceChange[];
}

interface Kept extends RegionChange {
  readonly number: number;
  readonly at: number;
}

/** The latest changes of a region. States are shared with the region, so that keeping one costs what differs. */
export class ChangeLog {
  readonly #limit: number;
  readonly #now: () => number;
  #kept: Kept[] = [];
  #total = 0;

  constructor(limit = 1000, now: () => number = Date.now) {
    this.#limit = limit;
    this.#now = now;
  }

  /** Writes down what changes from now on; returns what ends this. */
  follow(region: Region): () => void {
    return region.onChange((change) => {
      this.#total += 1;
      this.#kept.push({ ...change, number: this.#total, at: this.#now() });
      if (this.#kept.length >= this.#limit * 2) this.#kept = this.#kept.slice(-this.#limit);
    });
  }

  /** All changes ever, those included that are no longer held. */
  get total(): number {
    return this.#total;
  }

  /** The changes after that number, oldest first, as far as they are still held. */
  list(after = 0): readonly Change[] {
    return this.#kept
      .slice(-this.#limit)
      .filter(({ number }) => number > after)
      .map(({ number, at, action, before, after: then }) => ({
        number,
        at,
        action: action ?? null,
        resources: resourcesOf(before, then),
      }));
  }
}

function resourcesOf(before: VpcState, after: VpcState): readonly ResourceChange[] {
  return [
    ...changesOf('vpc', before.vpcs, after.vpcs, viewVpc),
    ...changesOf('subnet', before.subnets, after.subnets, viewSubnet),
    ...changesOf('security-group', before.securityGroups, after.securityGroups, viewSecurityGroup),
    ...changesOf('instance', before.instances, after.instances, viewLife),
    ...changesOf('network-interface', before.interfaces, after.interfaces, viewInterface),
  ];
}

function viewLife(instance: InstanceRecord): object {
  return { ...viewInstance(instance), state: instance.terminatedAt === undefined ? 'running' : 'terminated' };
}

function changesOf<T extends Resource>(
  kind: ResourceChange['kind'],
  before: PersistentMap<T>,
  after: PersistentMap<T>,
  view: (record: T) => object,
): readonly ResourceChange[] {
  if (before === after) return [];
  const show = (map: PersistentMap<T>, id: string): object | null => {
    const record = map.get(id);
    return record === undefined ? null : view(record);
  };
  return after
    .differsFrom(before)
    .toSorted()
    .map((id) => ({ kind, id, before: show(before, id), after: show(after, id) }));
}
