/** What a refusal of the cloud means for the pool: who is left alone, and for how long. */
import { CloudError } from '#cloud/errors.ts';
import { withInterface, withSubnetBackOff } from '#warm-pool/ledger.ts';
import { nodePause, subnetPause } from '#warm-pool/pauses.ts';
import { errorFields } from '../observe/log.ts';
import { OWN_WRITE_OUTRANKS_MS } from '../store/own-writes.ts';
import type { ExecuteContext } from './context.ts';
import { knownInterface } from './known-interfaces.ts';

/**
 * Consecutive failures double the pause: one for what concerns the whole node, one for each subnet that is full. A
 * success ends the node's, an address from the subnet ends the subnet's.
 */
export class BackOffs {
  #failures = 0;
  readonly #subnets = new Map<string, number>();

  /** How long a subnet that refused is left alone, milliseconds. */
  subnetDelay(subnetId: string, what: 'all' | 'prefix' = 'all'): number {
    const refusals = this.#subnets.get(subnetId) ?? 0;
    this.#subnets.set(subnetId, refusals + 1);
    return subnetPause(refusals, what);
  }

  subnetGave(subnetId: string): void {
    this.#subnets.delete(subnetId);
  }

  succeed(context: Pick<ExecuteContext, 'pool'>): void {
    this.#failures = 0;
    context.pool.cloudBackOffUntil = 0;
    context.pool.lastCloudError = undefined;
  }

  fail(error: unknown, context: Pick<ExecuteContext, 'pool' | 'now'>): number {
    const delay = nodePause(this.#failures);
    this.#failures += 1;
    context.pool.lastCloudError = error;
    context.pool.cloudBackOffUntil = Math.max(context.pool.cloudBackOffUntil, context.now() + delay);
    return delay;
  }
}

/** Books a failed growth. Nothing is retried here: the next plan decides, when the back-off allows it. */
export function bookGrowthFailure(error: unknown, subnetId: string, context: ExecuteContext, backOffs: BackOffs): void {
  const { pool, now, log } = context;
  const code = error instanceof CloudError ? error.code : undefined;
  if (code === 'subnet-exhausted' || code === 'no-free-prefix') {
    const what = code === 'no-free-prefix' ? 'prefix' : 'all';
    const backOffMs =
      what === 'all' ? backOffs.subnetDelay(subnetId) : backOffs.subnetDelay(prefixesOf(subnetId), 'prefix');
    log.warn(
      { subnet: subnetId, backOffMs, ...errorFields(error) },
      what === 'all'
        ? 'the subnet has no free address; it is left alone for a while'
        : 'the subnet has no free /28; single addresses are used meanwhile',
    );
    pool.lastCloudError = error;
    pool.update((ledger) => withSubnetBackOff(ledger, subnetId, what, now() + backOffMs));
    return;
  }
  const delay = backOffs.fail(error, context);
  log.error(
    { subnet: subnetId, backOffMs: delay, ...errorFields(error) },
    'the cloud call failed; asking again after a back-off',
  );
}

/** Under which an interface's refusals for want of room are counted. */
export function fullOf(interfaceId: string): string {
  return `${interfaceId}/full`;
}

/**
 * Books an interface that holds more than is known of it, so that the cloud calls it full. The look that tells what it
 * holds is due when our own releases hide nothing any more; until then the others serve, and it is not asked again.
 */
export function bookFull(error: CloudError, id: string, context: ExecuteContext, backOffs: BackOffs): void {
  const { pool, now, log } = context;
  const { ipv4PerInterface } = pool.ledger.config.limits;
  // What was looked up since says the same as the refusal.
  if ((knownInterface(context, id)?.blocks.length ?? Infinity) >= ipv4PerInterface - 1) return;
  const backOffMs = Math.max(OWN_WRITE_OUTRANKS_MS, backOffs.subnetDelay(fullOf(id)));
  log.warn(
    { eni: id, backOffMs, ...errorFields(error) },
    'the interface is full, although less is known of it; it is looked at again, and others are used meanwhile',
  );
  pool.lastCloudError = error;
  pool.update((ledger) => {
    const known = ledger.interfaces.get(id)?.networkInterface;
    return known === undefined ? ledger : withInterface(ledger, { ...known, fullUntil: now() + backOffMs });
  });
}

/** Under which a subnet's refusals of /28 prefixes are counted: an address that it gives does not end them. */
export function prefixesOf(subnetId: string): string {
  return `${subnetId}/prefix`;
}

/** Refusals that are about a /80 of one subnet or interface; the rest of the node goes on. */
const IPV6_REFUSED: ReadonlySet<string> = new Set(['subnet-exhausted', 'no-free-prefix', 'address-limit', 'invalid']);

/** Under which a subnet's refusals of /80 prefixes are counted, apart from those of IPv4. */
export function ipv6Of(subnetId: string): string {
  return `${subnetId}/ipv6`;
}

/** Books a /80 that was refused. The next plan asks again when the subnet's pause is over, or elsewhere before that. */
export function bookIpv6Failure(error: unknown, subnetId: string, context: ExecuteContext, backOffs: BackOffs): void {
  if (!(error instanceof CloudError && IPV6_REFUSED.has(error.code))) {
    bookGrowthFailure(error, subnetId, context, backOffs);
    return;
  }
  const { pool, now, log } = context;
  const backOffMs = backOffs.subnetDelay(ipv6Of(subnetId));
  log.warn(
    { subnet: subnetId, backOffMs, ...errorFields(error) },
    'the cloud refused a /80 prefix; asking again later',
  );
  pool.lastCloudError = error;
  pool.update((ledger) => withSubnetBackOff(ledger, subnetId, 'ipv6', now() + backOffMs));
}
