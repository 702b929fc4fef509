/** What a refusal of the cloud means for the pool: who is left alone, and for how long. */
import { CloudError } from '#cloud/errors.ts';
import { withSubnetBackOff } from '#warm-pool/ledger.ts';
import { errorFields } from '../observe/log.ts';
import type { ExecuteContext } from './context.ts';

const FIRST_BACK_OFF_MS = 500;
const FIRST_SUBNET_BACK_OFF_MS = 2000;
const LONGEST_BACK_OFF_MS = 60_000;

/**
 * Consecutive failures double the pause: one for what concerns the whole node, one for each subnet that is full. A
 * success ends the node's, an address from the subnet ends the subnet's.
 */
export class BackOffs {
  #failures = 0;
  readonly #subnets = new Map<string, number>();

  /** How long a subnet that refused is left alone, milliseconds. */
  subnetDelay(subnetId: string): number {
    const refusals = this.#subnets.get(subnetId) ?? 0;
    this.#subnets.set(subnetId, refusals + 1);
    return Math.min(FIRST_SUBNET_BACK_OFF_MS * 2 ** refusals, LONGEST_BACK_OFF_MS);
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
    const delay = Math.min(FIRST_BACK_OFF_MS * 2 ** this.#failures, LONGEST_BACK_OFF_MS);
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
    const backOffMs = backOffs.subnetDelay(subnetId);
    const what = code === 'no-free-prefix' ? 'prefix' : 'all';
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
