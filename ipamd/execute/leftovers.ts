/**
 * Interfaces of ours that the pool does not know: a create whose answer never came, a clean-up that failed, a deletion
 * that a restart interrupted. EC2 is asked for them, after a pause that doubles while that fails. What is attached to
 * nothing is deleted; what is attached to this instance joins the pool.
 */
import type { Timer } from '#cloud/decorate/clock.ts';
import { INSTANCE_TAG } from '#cloud/aws/tags.ts';
import { CloudError } from '#cloud/errors.ts';
import type { NetworkInterfaceDescription } from '#cloud/provider.ts';
import { errorFields } from '../observe/log.ts';
import { isStaying } from './adopt.ts';
import type { ExecuteContext } from './context.ts';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

interface LeftoversContext extends Pick<
  ExecuteContext,
  'provider' | 'identity' | 'pool' | 'journal' | 'clock' | 'log' | 'provisioningDisabledBy'
> {
  /** Takes an attached interface into the pool. */
  readonly adopt: (description: NetworkInterfaceDescription, signal: AbortSignal) => Promise<void>;
}

export class Leftovers {
  readonly #context: LeftoversContext;
  readonly #stop = new AbortController();
  readonly #intents = new Set<string>();
  #timer: Timer | undefined;
  #look: Promise<void> | undefined;
  #pause = FIRST_PAUSE_MS;

  constructor(context: LeftoversContext) {
    this.#context = context;
  }

  /** An intent of which it is not known what came, or another cause for doubt. An intent stays in the journal until this is settled. */
  suspect(intentId: string): void {
    // An intent stays in the journal until a start may clean up again.
    if (this.#context.provisioningDisabledBy !== undefined) return;
    this.#intents.add(intentId);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#intents.size === 0 || this.#timer !== undefined || this.#look !== undefined || this.#stop.signal.aborted)
      return;
    this.#timer = this.#context.clock.after(this.#pause, () => {
      this.#timer = undefined;
      this.#look = this.#resolve().finally(() => {
        this.#look = undefined;
        this.#schedule();
      });
    });
  }

  async #resolve(): Promise<void> {
    const { identity, pool, journal, log, adopt } = this.#context;
    const { signal } = this.#stop;
    // What a create that runs now has made is not attached yet either, and is none of ours to delete.
    if (pool.snapshot().inFlight.some(({ kind }) => kind === 'create-interface')) return;
    const intents = [...this.#intents];
    try {
      const settle = async (found: NetworkInterfaceDescription): Promise<void> => {
        if (found.status === 'available') await this.#delete(found.id);
        else if (found.attachment?.instanceId === identity.instanceId && !pool.ledger.interfaces.has(found.id)) {
          if (!isStaying(found)) throw new Error(`${found.id} is being detached`);
          log.warn({ eni: found.id }, 'an interrupted call left an interface attached; it joins the pool');
          await adopt(found, signal);
        }
      };
      // At once: a link that does not come takes a minute, and what was said of the others is true no more by then.
      const outcomes = await Promise.allSettled((await this.#ours()).map(settle));
      const failed = outcomes.find((outcome) => outcome.status === 'rejected');
      if (failed !== undefined) throw failed.reason;
      for (const intentId of intents) await journal.append({ kind: 'intent-done', intentId });
      for (const intentId of intents) this.#intents.delete(intentId);
      this.#pause = FIRST_PAUSE_MS;
    } catch (error) {
      if (signal.aborted) return;
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
      log.warn(
        { retryInMs: this.#pause, ...errorFields(error) },
        'what an interrupted call left behind could not be looked up or deleted',
      );
    }
  }

  #ours(): Promise<readonly NetworkInterfaceDescription[]> {
    const { provider, identity } = this.#context;
    const filters = { [`tag:${INSTANCE_TAG}`]: [identity.instanceId], 'vpc-id': [identity.vpcId] };
    return provider.describeNetworkInterfaces({ filters }, this.#call());
  }

  async #delete(id: string): Promise<void> {
    const { provider, log } = this.#context;
    log.warn({ eni: id }, 'deleting an interface that an interrupted call left behind');
    await provider.deleteNetworkInterface({ networkInterfaceId: id }, this.#call()).catch((error: unknown) => {
      if (!(error instanceof CloudError && error.code === 'not-found')) throw error;
    });
  }

  #call() {
    return { signal: this.#stop.signal, cause: 'resolve-intents' };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    this.#timer?.cancel();
    await this.#look;
  }
}
