/**
 * Tags what a start found attached, some minutes after it: a start asks EC2 as little as it can, and nothing waits for
 * these tags. Whoever tags the same before that makes it needless.
 */
import type { Timer } from '#cloud/decorate/clock.ts';
import type { NetworkInterfaceDescription } from '#cloud/provider.ts';
import { errorFields } from '../observe/log.ts';
import type { ExecuteContext } from './context.ts';

type Tag = (attached: readonly NetworkInterfaceDescription[], signal: AbortSignal) => Promise<void>;

export class LateTags {
  readonly #context: Pick<ExecuteContext, 'pool' | 'clock' | 'log'>;
  readonly #delayMs: number;
  readonly #tag: Tag;
  readonly #stop = new AbortController();
  #timer: Timer | undefined;
  #work: Promise<void> = Promise.resolve();

  /** `tag` sets what is missing and reports its own failures. */
  constructor(context: Pick<ExecuteContext, 'pool' | 'clock' | 'log'>, delayMs: number, tag: Tag) {
    this.#context = context;
    this.#delayMs = delayMs;
    this.#tag = tag;
  }

  /** What is left of these after the delay is tagged. */
  found(attached: readonly NetworkInterfaceDescription[]): void {
    const { pool, clock, log } = this.#context;
    this.forget();
    if (this.#stop.signal.aborted) return;
    this.#timer = clock.after(this.#delayMs, () => {
      const here = attached.filter(({ id }) => pool.ledger.interfaces.has(id));
      this.#work = this.#tag(here, this.#stop.signal).catch((error: unknown) =>
        log.error(errorFields(error), 'interfaces that were found attached could not be tagged'),
      );
    });
  }

  /** Somebody has seen to it. */
  forget(): void {
    this.#timer?.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    this.#timer?.cancel();
    await this.#work;
  }
}
