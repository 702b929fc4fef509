/**
 * The subnets of this node's VPC and zone as last described: asked once at start, then only after a refusal, for a subnet
 * that is new, and at long intervals. Tags decide what they are good for (placement/subnets.ts).
 */
import { CloudError } from '#cloud/errors.ts';
import type { CallOptions, CloudProvider, InstanceIdentity, SubnetDescription } from '#cloud/provider.ts';
import { blockSize, cidr } from '#warm-pool/address.ts';
import { withExclusions, withSubnets } from '#warm-pool/ledger.ts';
import type { SubnetCache } from '../execute/context.ts';
import { errorFields, type Log } from '../observe/log.ts';
import type { CustomNetworking } from '../placement/custom-networking.ts';
import type { SubnetWord } from '../placement/eni-config.ts';
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
  /** Custom networking: the ENIConfig's subnet is the only candidate, and tags mean nothing. */
  readonly custom?: CustomNetworking | undefined;
}

export interface PlacementSubnets extends SubnetCache {
  /** Tells the pool anew from what is known, without a call: needed when the ENIConfig changed. */
  retell(): void;
}

export function createSubnetCache(options: SubnetCacheOptions): PlacementSubnets {
  return new Subnets(options);
}

class Subnets implements PlacementSubnets {
  readonly #options: SubnetCacheOptions;
  readonly #rules: PlacementRules;
  readonly #known: Map<string, SubnetDescription>;
  /** Asked for by their ids, and the cloud does not know them. */
  #absent: ReadonlySet<string> = new Set();
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
    options.custom?.askWord((id) => this.#wordOn(id));
  }

  get answered(): boolean {
    return this.#standings !== undefined;
  }

  get(id: string): SubnetDescription | undefined {
    return this.#known.get(id);
  }

  isExcluded(networkInterface: { readonly isPrimary: boolean; readonly subnetId: string }): boolean | undefined {
    const { custom } = this.#options;
    if (custom !== undefined) return custom.isOutside(networkInterface);
    return this.#standings && this.#standings.get(networkInterface.subnetId) === 'excluded';
  }

  retell(): void {
    this.#tell();
  }

  #wordOn(id: string): SubnetWord {
    return this.#absent.has(id) ? 'absent' : this.#known.get(id);
  }

  refresh(options: CallOptions): Promise<boolean> {
    this.#look ??= this.#describe(options).finally(() => {
      this.#look = undefined;
      this.#options.custom?.wordCame();
    });
    return this.#look;
  }

  async #describe(options: CallOptions): Promise<boolean> {
    const { identity, log } = this.#options;
    try {
      const subnets = await this.#ask(options);
      for (const subnet of subnets) this.#known.set(subnet.id, subnet);
      this.#standings = new Map(subnets.map((subnet) => [subnet.id, standingOf(subnet, this.#rules)]));
      this.#tell();
      return true;
    } catch (error) {
      if (options.signal?.aborted !== true)
        log.warn(
          { ...errorFields(error), ...(this.answered ? {} : { subnet: identity.subnetId }) },
          this.answered
            ? 'the subnets could not be described; what is known of them is old'
            : 'the subnets could not be described; only the primary subnet is used until they can',
        );
      if (!this.answered) this.#tell();
      return false;
    }
  }

  /** The subnets of VPC and zone, and those of our interfaces that lie elsewhere (an interface of another VPC). */
  async #ask(options: CallOptions): Promise<readonly SubnetDescription[]> {
    const { provider, identity, pool } = this.#options;
    const filters = { 'vpc-id': [identity.vpcId], 'availability-zone': [identity.availabilityZone] };
    const found = await provider.describeSubnets({ filters }, options);
    const interfaces = pool.snapshot().interfaces.map(({ networkInterface }) => networkInterface.subnetId);
    const named = this.#options.custom?.subnetId;
    const ids = new Set([identity.subnetId, ...interfaces, ...(named === undefined ? [] : [named])]);
    for (const { id } of found) ids.delete(id);
    this.#absent = new Set();
    if (ids.size === 0) return found;
    try {
      return [...found, ...(await provider.describeSubnets({ ids: [...ids] }, options))];
    } catch (error) {
      // Interfaces are in subnets that exist, so it is the one that the ENIConfig names.
      if (named === undefined || !ids.has(named) || !isNotFound(error)) throw error;
      this.#absent = new Set([named]);
      return found;
    }
  }

  /** Where new interfaces may be made, of what is known. Before the first answer that is the primary subnet alone. */
  #candidates(): readonly SubnetDescription[] {
    const { custom, identity } = this.#options;
    const place = custom?.place;
    if (place !== undefined) {
      const subnet = place.kind === 'usable' ? this.#known.get(place.eniConfig.subnetId) : undefined;
      return subnet === undefined ? [] : [subnet];
    }
    const standings = this.#standings ?? new Map([[identity.subnetId, 'candidate']]);
    return [...standings].flatMap(([id, standing]) => {
      const subnet = standing === 'candidate' ? this.#known.get(id) : undefined;
      return subnet === undefined ? [] : [subnet];
    });
  }

  #tell(): void {
    const { pool, log } = this.#options;
    const subnets = this.#candidates().map(({ id, cidr: block, availableAddresses, ipv6Cidrs }) => ({
      id,
      cidr: block,
      availableAddresses,
      backOffUntil: 0,
      prefixBackOffUntil: 0,
      // What the journal and metadata remember of a subnet says nothing of IPv6.
      ...(this.answered ? { hasIpv6: ipv6Cidrs.length > 0 } : {}),
    }));
    pool.update((ledger) => withExclusions(withSubnets(ledger, subnets), (each) => this.isExcluded(each)));
    const excluded = [...(this.#standings ?? [])].flatMap(([id, standing]) => (standing === 'excluded' ? [id] : []));
    const saying = JSON.stringify([subnets.map(({ id }) => id).toSorted(), excluded.toSorted()]);
    if (saying === this.#said) return;
    this.#said = saying;
    log.info({ candidates: subnets.map(({ id }) => id), excluded }, 'subnets for new interfaces');
  }
}

function isNotFound(error: unknown): boolean {
  return error instanceof CloudError && error.code === 'not-found';
}
