/**
 * Deletes interfaces that nodes of this cluster lost (placement/leaked.ts says which). One look at long intervals, in the
 * background: nothing waits for it, and what fails is logged, counted and tried at the next look.
 */
import type { Timer } from '#cloud/decorate/clock.ts';
import { CREATED_AT_TAG, networkInterfaceTags } from '#cloud/aws/tags.ts';
import { CloudError } from '#cloud/errors.ts';
import { errorFields } from '../observe/log.ts';
import { judgeLeak, leakedFilters, type Owner } from '../placement/leaked.ts';
import type { ExecuteContext } from './context.ts';

export type LeakOutcome = 'deleted' | 'marked' | 'failed';

export interface LeakSweepOptions {
  readonly context: Pick<ExecuteContext, 'provider' | 'identity' | 'pool' | 'clock' | 'now' | 'log'>;
  readonly clusterName: string;
  readonly intervalMs: number;
  readonly count: (outcome: LeakOutcome) => void;
  /** 0 to 1; keeps nodes that started together from looking together. */
  readonly random?: () => number;
}

export class LeakSweep {
  readonly #options: LeakSweepOptions;
  readonly #owner: Owner;
  readonly #random: () => number;
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #look: Promise<void> | undefined;

  /** The first look comes after a twelfth to a sixth of the interval, the others at the interval give or take a tenth. */
  constructor(options: LeakSweepOptions) {
    const { identity } = options.context;
    this.#options = options;
    this.#owner = { instanceId: identity.instanceId, vpcId: identity.vpcId, clusterName: options.clusterName };
    this.#random = options.random ?? Math.random;
    this.#lookAfter((options.intervalMs / 12) * (1 + this.#random()));
  }

  #lookAfter(delayMs: number): void {
    this.#timer = this.#options.context.clock.after(delayMs, () => {
      this.#look = this.#sweep().finally(() => {
        this.#look = undefined;
        if (this.#stop.signal.aborted) return;
        this.#lookAfter(this.#options.intervalMs * (0.9 + 0.2 * this.#random()));
      });
    });
  }

  async #sweep(): Promise<void> {
    const { context, count } = this.#options;
    const { provider, pool, now, log } = context;
    try {
      const found = await provider.describeNetworkInterfaces({ filters: leakedFilters(this.#owner) }, this.#call());
      // What the pool knows has somebody who sees to its end.
      const known = pool.ledger.interfaces;
      const verdicts = found
        .filter(({ id }) => !known.has(id))
        .map((each) => ({ id: each.id, verdict: judgeLeak(each, this.#owner, now()) }));
      const unmarked = verdicts.flatMap(({ id, verdict }) => (verdict === 'mark' ? [id] : []));
      if (unmarked.length > 0) await this.#mark(unmarked);
      for (const { id, verdict } of verdicts) {
        if (verdict === 'delete' && !this.#stop.signal.aborted) await this.#delete(id);
      }
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      count('failed');
      log.warn(errorFields(error), 'leaked interfaces could not be looked for; the next look tries again');
    }
  }

  /** All in one call. */
  async #mark(ids: readonly string[]): Promise<void> {
    const { context, count } = this.#options;
    const created = networkInterfaceTags({ instanceId: this.#owner.instanceId, now: context.now() })[CREATED_AT_TAG];
    await context.provider.createTags({ resourceIds: ids, tags: { [CREATED_AT_TAG]: created ?? '' } }, this.#call());
    for (const eni of ids) {
      count('marked');
      context.log.info(
        { eni },
        'an unused interface does not say when it was made; it is deleted later if nobody takes it',
      );
    }
  }

  /** EC2 refuses it for an interface that was attached meanwhile, so no other question is needed. */
  async #delete(eni: string): Promise<void> {
    const { context, count } = this.#options;
    try {
      await context.provider.deleteNetworkInterface({ networkInterfaceId: eni }, this.#call());
      count('deleted');
      context.log.warn({ eni }, 'a leaked interface was deleted');
    } catch (error) {
      // Another node of the cluster was faster, or it is leaked no more.
      if (error instanceof CloudError && ['not-found', 'in-use'].includes(error.code)) return;
      if (this.#stop.signal.aborted) return;
      count('failed');
      context.log.warn(
        { eni, ...errorFields(error) },
        'a leaked interface could not be deleted; the next look tries again',
      );
    }
  }

  #call() {
    return { signal: this.#stop.signal, cause: 'leaked-interfaces' };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    this.#timer?.cancel();
    await this.#look;
  }
}
