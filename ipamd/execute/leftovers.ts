/**
 * Interfaces of ours that are attached to nothing: a create whose answer never came, a clean-up that failed, a deletion
 * that a restart interrupted. EC2 is asked for them, after a pause that doubles while that fails, and they are deleted.
 */
import { CloudError } from '#cloud/errors.ts';
import { errorFields } from '../observe/log.ts';
import type { ExecuteContext } from './context.ts';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;

type LeftoversContext = Pick<ExecuteContext, 'provider' | 'identity' | 'pool' | 'journal' | 'log'>;

export class Leftovers {
  readonly #context: LeftoversContext;
  readonly #stop = new AbortController();
  readonly #intents = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #look: Promise<void> | undefined;
  #pause = FIRST_PAUSE_MS;

  constructor(context: LeftoversContext) {
    this.#context = context;
  }

  /** An intent of which it is not known what came, or another cause for doubt. An intent stays in the journal until this is settled. */
  suspect(intentId: string): void {
    this.#intents.add(intentId);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#intents.size === 0 || this.#timer !== undefined || this.#look !== undefined || this.#stop.signal.aborted)
      return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#look = this.#resolve().finally(() => {
        this.#look = undefined;
        this.#schedule();
      });
    }, this.#pause);
  }

  async #resolve(): Promise<void> {
    const { provider, identity, pool, journal, log } = this.#context;
    const { signal } = this.#stop;
    // What a create that runs now has made is not attached yet either, and is none of ours to delete.
    if (pool.snapshot().inFlight.some(({ kind }) => kind === 'create-interface')) return;
    const intents = [...this.#intents];
    try {
      const filters = {
        'tag:node.k8s.amazonaws.com/instance_id': [identity.instanceId],
        status: ['available'],
        'vpc-id': [identity.vpcId],
      };
      for (const { id } of await provider.describeNetworkInterfaces(
        { filters },
        { signal, cause: 'resolve-intents' },
      )) {
        log.warn({ eni: id }, 'deleting an interface that an interrupted call left behind');
        await provider
          .deleteNetworkInterface({ networkInterfaceId: id }, { signal, cause: 'resolve-intents' })
          .catch((error: unknown) => {
            if (!(error instanceof CloudError && error.code === 'not-found')) throw error;
          });
      }
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

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    clearTimeout(this.#timer);
    await this.#look;
  }
}
