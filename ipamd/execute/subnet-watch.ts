/**
 * Looks again at subnets. EC2 tells nobody when an address becomes free or a tag is set, and what is known of a subnet is
 * as old as the last look: too high, and whole requests are refused that a smaller one would pass; too low, and nothing
 * is asked for any more. While plans lack addresses, looks come at pauses that double to a minute; while the subnets could
 * never be described, at pauses that double to an hour; otherwise once an hour.
 */
import type { Timer } from '#cloud/decorate/clock.ts';
import { withSubnetBackOff } from '#warm-pool/ledger.ts';
import type { Plan, ReasonCode } from '#warm-pool/model.ts';
import type { ExecuteContext } from './context.ts';

const FIRST_LOOK_MS = 1000;
const LONGEST_PAUSE_MS = 60_000;
const SLOW_LOOK_MS = 3_600_000;

/** What another look at the subnets may end: addresses that became free, an IPv6 CIDR block that was associated. */
const LACKING: ReadonlySet<ReasonCode> = new Set(['subnet-exhausted', 'no-ipv6-cidr']);

type Cause = 'subnet-exhausted' | 'subnets-unknown' | 'subnet-tags';

type SubnetWatchContext = Pick<ExecuteContext, 'subnets' | 'pool' | 'clock'>;

export class SubnetWatch {
  readonly #context: SubnetWatchContext;
  readonly #stop = new AbortController();
  readonly #random: () => number;
  #timer: Timer | undefined;
  #slowTimer: Timer | undefined;
  #look: Promise<void> | undefined;
  #pause = FIRST_LOOK_MS;
  #lackedAt = Number.NEGATIVE_INFINITY;

  /** `random` (0 to 1) spreads the hourly looks of nodes that started together. */
  constructor(context: SubnetWatchContext, random: () => number = Math.random) {
    this.#context = context;
    this.#random = random;
    this.#setSlowTimer();
  }

  /** To be told of every plan. */
  planned({ refusals }: Plan): void {
    const lacking = refusals.some(({ why }) => LACKING.has(why.reason));
    if (!lacking && this.#context.subnets.answered) return;
    const now = this.#context.clock.now();
    if (lacking) {
      // Only a longer time without want starts anew: a subnet that counts free addresses and refuses them is no reason to hurry.
      if (now - this.#lackedAt > LONGEST_PAUSE_MS * 2) this.#pause = FIRST_LOOK_MS;
      this.#lackedAt = now;
    }
    if (this.#timer !== undefined || this.#look !== undefined || this.#stop.signal.aborted) return;
    const longest = lacking ? LONGEST_PAUSE_MS : SLOW_LOOK_MS;
    const pause = Math.min(this.#pause, longest);
    this.#pause = Math.min(pause * 2, longest);
    this.#timer = this.#context.clock.after(pause, () => {
      this.#timer = undefined;
      // Described meanwhile, by whoever compared the cloud with the pool.
      if (!lacking && this.#context.subnets.answered) return;
      this.#begin(lacking ? 'subnet-exhausted' : 'subnets-unknown');
    });
  }

  #begin(cause: Cause): void {
    this.#look ??= this.#lookAgain(cause).finally(() => {
      this.#look = undefined;
      // Plans that were made meanwhile were not listened to.
      this.#context.pool.update((ledger) => ledger);
    });
  }

  async #lookAgain(cause: Cause): Promise<void> {
    const { subnets, pool } = this.#context;
    const described = await subnets.refresh({ signal: this.#stop.signal, cause });
    if (!described || cause !== 'subnet-exhausted') return;
    const freed = pool.snapshot().subnets.filter(({ availableAddresses }) => availableAddresses > 0);
    pool.update((ledger) => freed.reduce((next, { id }) => withSubnetBackOff(next, id, 'all', 0), ledger));
  }

  #setSlowTimer(): void {
    this.#slowTimer = this.#context.clock.after(SLOW_LOOK_MS * (0.9 + 0.2 * this.#random()), () => {
      this.#begin('subnet-tags');
      this.#setSlowTimer();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    this.#timer?.cancel();
    this.#slowTimer?.cancel();
    await this.#look;
  }
}
