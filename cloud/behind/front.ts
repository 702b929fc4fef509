import type { Describe } from '../emulator/metadata/subject.ts';
import type { Region } from '../emulator/region.ts';
import type { RegionPast } from '../emulator/region-past.ts';
import { Ec2Error } from '../emulator/ec2-error.ts';
import type { InstanceTypeRecord } from '../instance-types.ts';
import type { Identities } from '../emulator/vpc/context.ts';
import { adoptPlaces } from './adopt.ts';
import type { Seen, SeenInstance, SeenSubnet } from './look.ts';
import { look, lookUpType } from './look.ts';
import type { Signer, Upstream } from './upstream.ts';

export interface FrontParts {
  readonly upstream: Upstream;
  readonly signer: Signer;
  readonly region: Region;
  /** The region's own table of types, to which others are added as they are met. */
  readonly types: Map<string, InstanceTypeRecord>;
  /** Told what of the other EC2 cannot be taken over, in a sentence. */
  readonly warn: (text: string) => void;
  readonly past: RegionPast;
  /** How far reads lag at present, milliseconds. */
  readonly staleReadsMs: () => number;
}

/**
 * Our interfaces in one region of one account of another EC2. Work runs one piece after the other, so that no
 * request meets a state between what is ours and what the other has done.
 */
export class Front implements Disposable {
  readonly upstream: Upstream;
  readonly signer: Signer;
  readonly region: Region;
  readonly past: RegionPast;
  /** Reads of ours, as late as the switches say. */
  readonly read: Describe;
  /** What RunInstances answered, by its client token. */
  readonly launches = new Map<string, string>();
  readonly #types: Map<string, InstanceTypeRecord>;
  readonly #warn: (text: string) => void;
  #defaults: readonly SeenSubnet[] = [];
  #refused = new Set<string>();
  #stale = true;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: FrontParts) {
    this.upstream = parts.upstream;
    this.signer = parts.signer;
    this.region = parts.region;
    this.#types = parts.types;
    this.#warn = parts.warn;
    this.past = parts.past;
    this.read = parts.past.describe(parts.staleReadsMs);
  }

  [Symbol.dispose](): void {
    this.past[Symbol.dispose]();
  }

  /** Something was passed through that may have made or removed what we must know. */
  markStale(): void {
    this.#stale = true;
  }

  /** Does a piece of work when those before it are done, on what the other EC2 has now as far as we know. */
  serially<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(async () => {
      if (this.#stale) await this.refresh();
      return work();
    });
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** Takes over what the other EC2 has. Rejects with `Ec2Error` where it does not say. */
  async refresh(): Promise<void> {
    // What is passed through from here on counts again.
    this.#stale = false;
    try {
      const seen = await look(this.upstream, this.signer);
      this.region.adopt((state, context) => adoptPlaces(state, seen, context));
      this.#defaults = seen.subnets.filter(({ isDefault }) => isDefault);
      this.#endInstances(seen);
      for (const instance of seen.instances) await this.#adoptInstance(instance);
    } catch (error) {
      this.#stale = true;
      throw error;
    }
  }

  /** Where an instance goes whose request names no subnet. */
  defaultSubnet(zone: string | undefined): string | undefined {
    const fitting = this.#defaults.filter((subnet) => zone === undefined || subnet.zone === zone);
    return fitting.toSorted((one, other) => one.zone.localeCompare(other.zone))[0]?.id;
  }

  /** Has the limits of a type, from our table or the other EC2's. Rejects with `Ec2Error` for a type of neither. */
  async learnType(name: string): Promise<void> {
    if (this.#types.has(name)) return;
    this.#types.set(name, await lookUpType(this.upstream, this.signer, name));
  }

  /** Instances that ended without us take their interfaces with them. */
  #endInstances(seen: Seen): void {
    const running = new Set(seen.instances.map(({ id }) => id));
    const ended = this.region.instances().filter(({ id }) => !running.has(id));
    if (ended.length > 0) this.region.execute('TerminateInstances', { InstanceIds: ended.map(({ id }) => id) });
  }

  /** An instance that was not started through us gets its primary interface by our rules. */
  async #adoptInstance(seen: SeenInstance): Promise<void> {
    const { id, instanceType, subnetId } = seen;
    if (this.region.state.instances.has(id) || this.#refused.has(id)) return;
    try {
      if (subnetId === undefined) throw new Ec2Error('VPCIdNotSpecified', 'it is in no subnet');
      await this.learnType(instanceType);
      const input = {
        MinCount: 1,
        MaxCount: 1,
        ImageId: seen.imageId === '' ? 'ami-00000000' : seen.imageId,
        InstanceType: instanceType as 'm5.large',
        SubnetId: subnetId,
        SecurityGroupIds: [...seen.groupIds],
      };
      this.region.executeAs('RunInstances', input, named([id], seen.reservationId));
    } catch (error) {
      if (!(error instanceof Ec2Error)) throw error;
      this.#refused.add(id);
      this.#warn(`instance ${id} has no interface of ours: ${error.code}: ${error.message}`);
    }
  }
}

/** Instances and their reservation are named already; all else gets names of ours. */
export function named(instanceIds: readonly string[], reservationId: string): (own: Identities) => Identities {
  const left = [...instanceIds];
  return (own) => ({
    next(prefix) {
      const identity = own.next(prefix);
      if (prefix === 'r') return { ...identity, id: reservationId };
      return prefix === 'i' ? { ...identity, id: left.shift() ?? identity.id } : identity;
    },
    mac: () => own.mac(),
  });
}
