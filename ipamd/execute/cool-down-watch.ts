/**
 * Cool-downs and the kernel's connection entries. Soon after a release the entries of the address are deleted: its pod is
 * gone. Entries that are there again shortly before the cool-down ends were made by somebody who still talks to the
 * address, and would be the next pod's: they are deleted, too, and the address rests for another period.
 */
import type { Clock, Timer } from '#cloud/decorate/clock.ts';
import type { CoolDown } from '#warm-pool/model.ts';
import { formatIpv4, nthAddress } from '#warm-pool/address.ts';
import { coolingIn, ipv6AddressAt } from '#warm-pool/ledger-ipv6.ts';
import { type Ledger, withCoolDown } from '#warm-pool/ledger.ts';
import type { Conntrack } from '../datapath/conntrack.ts';
import { errorFields, type Log } from '../observe/log.ts';
import type { Pool } from '../pool.ts';
import type { Journal } from '../store/journal.ts';

/** So often at most the rest is prolonged: somebody who never gives up must not cost the node its addresses. */
export const MOST_EXTENSIONS = 5;
const SLOWEST_PACE_MS = 1000;

export interface CoolDownWatchOptions {
  readonly pool: Pool;
  readonly journal: Pick<Journal, 'append'>;
  readonly conntrack: Conntrack;
  readonly coolDownMs: number;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is known of a rest since the entries of the pod before it were deleted. */
interface Rest {
  readonly until: number;
  readonly extensions: number;
  /** It was looked at for the last time. */
  readonly isLooked: boolean;
}

/** Which addresses are to be looked at now. Pure. */
export interface Due {
  /** Released since the last look. */
  readonly released: readonly string[];
  /** About to be free again, and looked at before. */
  readonly ending: readonly string[];
}

/** `rests` is what earlier looks knew. An address that rests anew after it was used counts as released. */
export function dueOf(coolDowns: readonly CoolDown[], rests: ReadonlyMap<string, Rest>, soon: number): Due {
  const known = ({ address, until }: CoolDown) => {
    const rest = rests.get(address);
    return rest?.until === until ? rest : undefined;
  };
  return {
    released: coolDowns.filter((each) => known(each) === undefined).map(({ address }) => address),
    ending: coolDowns
      .filter((each) => each.until <= soon && known(each)?.isLooked === false)
      .map(({ address }) => address),
  };
}

/** Every address that rests at a time, on an interface or after its block was given back. */
export function coolDownsOf(ledger: Ledger, now: number): readonly CoolDown[] {
  const found: CoolDown[] = [];
  const add = (address: string, until: number) => until > now && found.push({ address, until });
  for (const [address, until] of ledger.strayCoolDowns) add(address, until);
  // A node has hundreds of blocks, of which few hold one; this is asked for at each release and each end of a rest.
  for (const { blocks, ipv6 } of ledger.interfaces.values()) {
    for (const block of blocks)
      for (const [position, until] of block.cooling) add(formatIpv4(nthAddress(block, position)), until);
    for (const block of ipv6)
      for (const { position, until } of coolingIn(block)) add(ipv6AddressAt(block, position), until);
  }
  return found;
}

/** Works from its making to its disposal; without cool-downs it does nothing. */
export class CoolDownWatch {
  readonly #options: CoolDownWatchOptions;
  readonly #stop = new AbortController();
  /** Between a release and the look at it, and between the last look and the end of a rest. */
  readonly #paceMs: number;
  #rests: ReadonlyMap<string, Rest> = new Map();
  #timer: Timer | undefined;
  #timerAt = Infinity;
  #look: Promise<void> | undefined;

  constructor(options: CoolDownWatchOptions) {
    this.#options = options;
    this.#paceMs = Math.min(SLOWEST_PACE_MS, options.coolDownMs / 4);
    options.pool.onChange(() => this.#changed());
    this.#changed();
  }

  #changed(): void {
    const { pool, clock } = this.#options;
    if (pool.ledger.coolUntil !== Infinity) this.#wakeAt(clock.wallTime() + this.#paceMs);
  }

  #wakeAt(time: number): void {
    if (this.#stop.signal.aborted || this.#look !== undefined || time >= this.#timerAt) return;
    const { clock } = this.#options;
    this.#timer?.cancel();
    this.#timerAt = time;
    this.#timer = clock.after(Math.max(time - clock.wallTime(), 1), () => this.#start());
  }

  #start(): void {
    this.#timerAt = Infinity;
    this.#look = this.#lookNow()
      .catch((error: unknown) => this.#giveUp(error))
      .finally(() => {
        this.#look = undefined;
        this.#wakeForNext();
      });
  }

  async #lookNow(): Promise<void> {
    const { pool, conntrack, clock } = this.#options;
    const coolDowns = coolDownsOf(pool.ledger, clock.wallTime());
    const seen = new Map(coolDowns.map(({ address, until }) => [address, until]));
    const { released, ending } = dueOf(coolDowns, this.#rests, clock.wallTime() + 2 * this.#paceMs);
    this.#rests = new Map([...this.#rests].filter(([address]) => seen.has(address)));
    const looked = new Set([...released, ...ending]);
    if (looked.size === 0) return;
    const counts = await conntrack.sweep(looked, this.#resting(), this.#stop.signal);
    for (const address of released)
      this.#note(address, { until: seen.get(address) ?? 0, extensions: 0, isLooked: false });
    for (const address of ending) await this.#end(address, counts.get(address) ?? 0);
  }

  /** Whether an address rests at the time of asking. */
  #resting(): (address: string) => boolean {
    const { pool, clock } = this.#options;
    let of: Ledger | undefined;
    let resting: ReadonlySet<string> = new Set();
    return (address) => {
      if (of !== pool.ledger) resting = new Set(coolDownsOf(pool.ledger, clock.wallTime()).map((each) => each.address));
      of = pool.ledger;
      return resting.has(address);
    };
  }

  #note(address: string, rest: Rest): void {
    this.#rests = new Map(this.#rests).set(address, rest);
  }

  async #end(address: string, entries: number): Promise<void> {
    const { pool, journal, coolDownMs, clock, log } = this.#options;
    const rest = this.#rests.get(address);
    if (rest === undefined) return;
    this.#note(address, { ...rest, isLooked: true });
    // The rest may be over already, and the address somebody's, where the look took its time.
    const current = coolDownsOf(pool.ledger, clock.wallTime()).find((each) => each.address === address);
    if (entries === 0 || current?.until !== rest.until) return;
    if (rest.extensions >= MOST_EXTENSIONS) {
      log.warn(
        { address, entries },
        'somebody still talks to a released address; it has rested long enough all the same',
      );
      return;
    }
    const coolDown = { address, until: rest.until + coolDownMs };
    this.#note(address, { until: coolDown.until, extensions: rest.extensions + 1, isLooked: false });
    pool.update((ledger) => withCoolDown(ledger, coolDown));
    log.info(
      { address, entries, until: coolDown.until },
      'somebody still talks to a released address; it rests longer',
    );
    await journal
      .append({ kind: 'cool-down', coolDown })
      .catch((error: unknown) => log.error({ address, ...errorFields(error) }, 'a longer rest ends with this daemon'));
  }

  #wakeForNext(): void {
    const { pool, clock } = this.#options;
    const at = clock.wallTime();
    const times = coolDownsOf(pool.ledger, at).map(({ address, until }) => {
      const rest = this.#rests.get(address);
      if (rest?.until !== until) return at + this.#paceMs;
      return rest.isLooked ? Infinity : until - this.#paceMs;
    });
    const next = Math.min(...times, Infinity);
    if (next !== Infinity) this.#wakeAt(Math.max(next, at + this.#paceMs / 4));
  }

  /** A kernel without connection tracking: the pool works without this, as it does by the setting. */
  #giveUp(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#options.log.warn(
      errorFields(error),
      'connection tracking cannot be swept; released addresses rest for the cool-down alone',
    );
    this.#stop.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    this.#timer?.cancel();
    await this.#look;
  }
}
