/**
 * Looks again at subnets that had nothing to give. EC2 tells nobody when an address becomes free, and what is known of a
 * subnet is as old as the last look: too high, and whole requests are refused that a smaller one would pass; too low, and
 * nothing is asked for any more.
 */
import { withSubnetBackOff } from '#warm-pool/ledger.ts';
import type { Plan } from '#warm-pool/model.ts';
import { errorFields } from '../observe/log.ts';
import type { ExecuteContext } from './context.ts';

const FIRST_LOOK_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

export class SubnetWatch {
  readonly #context: Pick<ExecuteContext, 'subnets' | 'pool' | 'log' | 'now'>;
  readonly #stop = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #look: Promise<void> | undefined;
  #pause = FIRST_LOOK_MS;
  #lackedAt = 0;

  constructor(context: Pick<ExecuteContext, 'subnets' | 'pool' | 'log' | 'now'>) {
    this.#context = context;
  }

  /** To be told of every plan. While plans lack addresses of a subnet, looks come at pauses that double to a minute. */
  planned({ refusals }: Plan): void {
    if (!refusals.some(({ why }) => why.reason === 'subnet-exhausted')) return;
    const now = this.#context.now();
    // Only a longer time without want starts anew: a subnet that counts free addresses and refuses them is no reason to hurry.
    if (now - this.#lackedAt > LONGEST_PAUSE_MS * 2) this.#pause = FIRST_LOOK_MS;
    this.#lackedAt = now;
    if (this.#timer !== undefined || this.#look !== undefined || this.#stop.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#look = this.#lookAgain().finally(() => {
        this.#look = undefined;
        // Plans that were made meanwhile were not listened to.
        this.#context.pool.update((ledger) => ledger);
      });
    }, this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }

  async #lookAgain(): Promise<void> {
    const { subnets, pool, log } = this.#context;
    try {
      await subnets.refresh({ signal: this.#stop.signal, cause: 'subnet-exhausted' });
    } catch (error) {
      if (!this.#stop.signal.aborted)
        log.warn(errorFields(error), 'the subnets could not be described; what is known of them is old');
      return;
    }
    const freed = pool.snapshot().subnets.filter(({ availableAddresses }) => availableAddresses > 0);
    pool.update((ledger) => freed.reduce((next, { id }) => withSubnetBackOff(next, id, 'all', 0), ledger));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    clearTimeout(this.#timer);
    await this.#look;
  }
}
