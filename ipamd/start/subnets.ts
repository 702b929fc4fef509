/** The subnets of this node as last described. Asked once at start, then only after a refusal or for a subnet that is new. */
import type { CallOptions, CloudProvider, InstanceIdentity, SubnetDescription } from '#cloud/provider.ts';
import { withSubnets } from '#warm-pool/ledger.ts';
import type { SubnetCache } from '../execute/context.ts';
import type { Pool } from '../pool.ts';

export function createSubnetCache(provider: CloudProvider, identity: InstanceIdentity, pool: Pool): SubnetCache {
  const known = new Map<string, SubnetDescription>();
  return {
    get: (id) => known.get(id),
    async refresh(options: CallOptions) {
      const ids = new Set([
        identity.subnetId,
        ...pool.snapshot().interfaces.map(({ networkInterface }) => networkInterface.subnetId),
      ]);
      for (const subnet of await provider.describeSubnets({ ids: [...ids] }, options)) known.set(subnet.id, subnet);
      const primary = known.get(identity.subnetId);
      if (primary === undefined) return;
      const before = pool.snapshot().subnets.find(({ id }) => id === primary.id);
      pool.update((ledger) =>
        withSubnets(ledger, [
          {
            id: primary.id,
            cidr: primary.cidr,
            availableAddresses: primary.availableAddresses,
            backOffUntil: before?.backOffUntil ?? 0,
            prefixBackOffUntil: before?.prefixBackOffUntil ?? 0,
          },
        ]),
      );
    },
  };
}
