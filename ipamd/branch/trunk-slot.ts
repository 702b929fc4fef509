/** While pods may ask for branch ENIs, the place of the trunk on card 0 stays free until the controller has attached it. */
import type { InstanceTypeDescription } from '#cloud/provider.ts';
import { withMaxInterfaces } from '#warm-pool/ledger-limits.ts';
import type { Config } from '../config/config.ts';
import type { Log } from '../observe/log.ts';
import type { Pool } from '../pool.ts';
import { canHaveTrunk, Trunk } from './trunk.ts';

/** The trunk of this node. A trunk that is attached takes its place itself, as every interface that is not the pool's does. */
export function trunkOf(
  pool: Pool,
  type: Pick<InstanceTypeDescription, 'instanceType' | 'hypervisor' | 'bareMetal'>,
  { podEni }: Pick<Config, 'podEni'>,
  log: Log,
): Trunk {
  const limit = pool.ledger.config.limits.maxInterfaces;
  const reserves = podEni && canHaveTrunk(type);
  if (podEni && !reserves)
    log.warn(
      { instanceType: type.instanceType },
      'ENABLE_POD_ENI is set, but instances of this type have no trunk ENI: pods that ask for an ENI of their own are refused',
    );
  // The primary interface has a place whatever is kept free.
  const kept = Math.max(1, limit - 1);
  if (reserves) pool.update((ledger) => withMaxInterfaces(ledger, kept));
  return new Trunk((mac) => {
    log.info({ mac: mac ?? null }, mac === undefined ? 'the trunk ENI is gone' : 'the trunk ENI is there');
    if (reserves) pool.update((ledger) => withMaxInterfaces(ledger, mac === undefined ? kept : limit));
  });
}
