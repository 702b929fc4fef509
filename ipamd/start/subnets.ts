/**
 * The subnets of this node's VPC and zone as last described: asked once at start, then only after a refusal, for a subnet
 * that is new, and at long intervals. Tags decide what they are good for (placement/subnets.ts).
 */
import type { CallOptions, CloudProvider, InstanceIdentity, SubnetDescription } from '#cloud/provider.ts';
import { blockSize, cidr } from '#warm-pool/address.ts';
import { withExclusions, withSubnets } from '#warm-pool/ledger.ts';
import type { SubnetCache } from '../execute/context.ts';
import { errorFields, type Log } from '../observe/log.ts';
import { type PlacementRules, standingOf, type SubnetStanding } from '../placement/subnets.ts';
import type { Pool } from '../pool.ts';

/** Addresses at the ends of a subnet that EC2 keeps for itself (VPC user guide, "Subnet CIDR reserved IP addresses"). */
const RESERVED_ADDRESSES = 5;

export interface SubnetCacheOptions {
  readonly provider: CloudProvider;
  readonly identity: InstanceIdentity;
  readonly pool: Pool;
  readonly log: Log;
  readonly rules: Omit<PlacementRules, 'primarySubnetId'>;
  /** Subnets of interfaces that the journal knows. */
  readonly remembered: readonly { readonly id: string; readonly cidr: string }[];
}

export function createSubnetCache(options: SubnetCacheOptions): SubnetCache {
  return new Subnets(options);
}

class Subnets implements SubnetCache {
  readonly #options: SubnetCacheOptions;
  readonly #rules: PlacementRules;
  readonly #known: Map<string, SubnetDescription>;
  #standings: ReadonlyMap<string, SubnetStanding> | undefined;
  #look: Promise<boolean> | undefined;
  #said = '';

  constructor(options: SubnetCacheOptions) {
    const { identity, remembered } = options;
    this.#options = options;
    this.#rules = { ...options.rules, primarySubnetId: identity.subnetId };
    const unseen = (id: string, block: string): [string, SubnetDescription] => [
      id,
      {
        id,
        vpcId: identity.vpcId,
        availabilityZone: identity.availabilityZone,
        cidr: block,
        ipv6Cidrs: [],
        // Nobody can have more; how many fewer there are, refusals tell.
        availableAddresses: blockSize(cidr(block)) - RESERVED_ADDRESSES,
        tags: {},
      },
    ];
    this.#known = new Map([
      ...remembered.map((each) => unseen(each.id, each.cidr)),
      unseen(identity.subnetId, identity.subnetCidr),
    ]);
  }

  get answered(): boolean {
    return this.#standings !== undefined;
  }

  get(id: string): SubnetDescription | undefined {
    return this.#known.get(id);
  }

  isExcluded(id: string): boolean | undefined {
    return this.#standings && this.#standings.get(id) === 'excluded';
  }

  refresh(options: CallOptions): Promise<boolean> {
    this.#look ??= this.#describe(options).finally(() => (this.#look = undefined));
    return this.#look;
  }

  async #describe(options: CallOptions): Promise<boolean> {
    const { identity, log } = this.#options;
    try {
      const subnets = await this.#ask(options);
      for (const subnet of subnets) this.#known.set(subnet.id, subnet);
      this.#standings = new Map(subnets.map((subnet) => [subnet.id, standingOf(subnet, this.#rules)]));
      this.#tell(subnets.filter(({ id }) => this.#standings?.get(id) === 'candidate'));
      return true;
    } catch (error) {
      if (options.signal?.aborted !== true)
        log.warn(
          { ...errorFields(error), ...(this.answered ? {} : { subnet: identity.subnetId }) },
          this.answered
            ? 'the subnets could not be described; what is known of them is old'
            : 'the subnets could not be described; only the primary subnet is used until they can',
        );
      const primary = this.#known.get(identity.subnetId);
      if (!this.answered && primary !== undefined) this.#tell([primary]);
      return false;
    }
  }

  /** The subnets of VPC and zone, and those of our interfaces that lie elsewhere (an interface of another VPC). */
  async #ask(options: CallOptions): Promise<readonly SubnetDescription[]> {
    const { provider, identity, pool } = this.#options;
    const filters = { 'vpc-id': [identity.vpcId], 'availability-zone': [identity.availabilityZone] };
    const found = await provider.describeSubnets({ filters }, options);
    const interfaces = pool.snapshot().interfaces.map(({ networkInterface }) => networkInterface.subnetId);
    const ids = new Set([identity.subnetId, ...interfaces]);
    for (const { id } of found) ids.delete(id);
    if (ids.size === 0) return found;
    return [...found, ...(await provider.describeSubnets({ ids: [...ids] }, options))];
  }

  #tell(candidates: readonly SubnetDescription[]): void {
    const { pool, log } = this.#options;
    const subnets = candidates.map(({ id, cidr: block, availableAddresses }) => ({
      id,
      cidr: block,
      availableAddresses,
      backOffUntil: 0,
      prefixBackOffUntil: 0,
    }));
    pool.update((ledger) => withExclusions(withSubnets(ledger, subnets), ({ subnetId }) => this.isExcluded(subnetId)));
    const excluded = [...(this.#standings ?? [])].flatMap(([id, standing]) => (standing === 'excluded' ? [id] : []));
    const saying = JSON.stringify([subnets.map(({ id }) => id).toSorted(), excluded.toSorted()]);
    if (saying === this.#said) return;
    this.#said = saying;
    log.info({ candidates: subnets.map(({ id }) => id), excluded }, 'subnets for new interfaces');
  }
}
