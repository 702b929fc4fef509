/**
 * The node's pool: the one mutable cell that holds the ledger, the queue of ADDs that wait for an address, and the
 * news that something changed. Decisions are the ledger's and the planner's; durability is the journal's.
 */
import { USABLE_POSITIONS } from '#warm-pool/ledger-ipv6.ts';
import {
  assign,
  cardsInUse,
  type Circumstances,
  type Ledger,
  limitsOn,
  snapshot,
  summary,
  unassign,
} from '#warm-pool/ledger.ts';
import type { Assignment, Attachment, PodReference, Snapshot } from '#warm-pool/model.ts';
import type { PoolFigures } from './observe/metrics.ts';
import { WaitingQueue } from './server/waiting-queue.ts';

export interface Request {
  readonly attachment: Attachment;
  readonly pod: PodReference;
  /** The network card whose interfaces may give the address; absent is 0. */
  readonly networkCardIndex?: number;
}

/** An ADD that found no address at once. */
export interface Waiting extends Request {
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** When it gave up; absent while it waits. */
  readonly gaveUpAt?: number;
}

/** ADDs that waited in vain are remembered for `explain`, so many of them. */
const REMEMBERED_FAILURES = 100;

export interface Given {
  readonly assignment: Assignment;
  /** True when the attachment had it before: the runtime repeats an ADD. */
  readonly again: boolean;
}

export class Pool {
  /** By network card. */
  readonly #queues = new Map<number, WaitingQueue<Given>>();
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  readonly #requests = new Set<Waiting>();
  #failures: readonly Waiting[] = [];
  #ledger: Ledger;
  /** Set by the executor: no growth before this time, and the refusal that was the reason. */
  cloudBackOffUntil = 0;
  lastCloudError: unknown;
  /** When EC2 throttled a call last; such a call is made again, so it is no `lastCloudError` yet. */
  throttledAt = -Infinity;

  constructor(ledger: Ledger, now: () => number) {
    this.#ledger = ledger;
    this.#now = now;
  }

  get ledger(): Ledger {
    return this.#ledger;
  }

  /** Applies a transition, serves who waits, and tells the listeners. */
  update(transition: (ledger: Ledger) => Ledger): void {
    this.#ledger = transition(this.#ledger);
    this.serve();
    for (const listener of this.#listeners) listener();
  }

  /** Serves who waits: needed where time alone made an address free, because its cool-down ended. */
  serve(): void {
    for (const queue of this.#queues.values()) queue.serve();
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** All interfaces, and what the planner sees of network card 0 at a time; a plan must be made for the same one. */
  snapshot(now = this.#now()): Snapshot {
    return snapshot(this.#ledger, this.circumstances(now));
  }

  /** What a plan of all network cards (`planCards`) goes by beside the ledger. */
  circumstances(now = this.#now()): Circumstances {
    const waitingOn = new Map([...this.#queues].map(([card, { length }]) => [card, length]));
    return { waiting: waitingOn.get(0) ?? 0, waitingOn, now, cloudBackOffUntil: this.cloudBackOffUntil };
  }

  /** Network cards that host pods, card 0 first. */
  get cards(): readonly number[] {
    return cardsInUse(this.#ledger);
  }

  summary(): ReturnType<typeof summary> {
    return summary(this.#ledger, this.#now());
  }

  /** For the metrics. */
  figures(): PoolFigures {
    const { mode, family, limits } = this.#ledger.config;
    const { ipv4PerInterface } = limits;
    const [onFirst = 0, ...further] = this.cards.map((card) => limitsOn(this.#ledger, card).maxInterfaces);
    const onOthers = further.reduce((sum, each) => sum + each, 0);
    const maxInterfaces = onFirst + onOthers;
    // Under custom networking the primary interface hosts no pods.
    const primaries = [...this.#ledger.interfaces.values()].map(({ networkInterface }) => networkInterface);
    const hosts = onFirst - primaries.filter((each) => each.isPrimary && each.excludedFromPods === true).length;
    const maxIpv4 = (hosts * (mode === 'prefix' ? 16 : 1) + onOthers) * (ipv4PerInterface - 1);
    const maxAddresses = family === 'ipv6' ? USABLE_POSITIONS : maxIpv4;
    return { ...this.summary(), waiting: this.waiting, maxInterfaces, maxAddresses };
  }

  /** ADDs that wait, in the order in which they came, then the last that waited in vain, oldest first. */
  get requests(): readonly Waiting[] {
    return [...this.#requests, ...this.#failures];
  }

  get waiting(): number {
    return [...this.#queues.values()].reduce((sum, { length }) => sum + length, 0);
  }

  /** At once if an address is free and nobody waits; otherwise undefined. */
  tryTake(request: Request): Given | undefined {
    return this.#queueOf(request).length > 0 ? undefined : this.#take(request);
  }

  /** In the order of arrival, as soon as an address is free; rejects with the signal's reason. */
  take(request: Request, signal: AbortSignal): Promise<Given> {
    const given = this.#queueOf(request).wait(() => this.#take(request), signal);
    const waiting: Waiting = { ...request, since: this.#now() };
    this.#requests.add(waiting);
    for (const listener of this.#listeners) listener();
    return given
      .catch((error: unknown) => {
        this.#failures = [...this.#failures, { ...waiting, gaveUpAt: this.#now() }].slice(-REMEMBERED_FAILURES);
        throw error;
      })
      .finally(() => this.#requests.delete(waiting));
  }

  /** Takes an address back that no pod has seen, so that it need not rest; whoever waits may have it at once. */
  giveBack({ attachment }: Pick<Request, 'attachment'>): void {
    this.update((ledger) => {
      const outcome = unassign(ledger, attachment, this.#now() - ledger.config.coolDownMs);
      return outcome.kind === 'released' ? outcome.ledger : ledger;
    });
  }

  #queueOf({ networkCardIndex = 0 }: Request): WaitingQueue<Given> {
    const queue = this.#queues.get(networkCardIndex) ?? new WaitingQueue<Given>();
    this.#queues.set(networkCardIndex, queue);
    return queue;
  }

  #take(request: Request): Given | undefined {
    const outcome = assign(this.#ledger, request, this.#now());
    switch (outcome.kind) {
      case 'assigned':
        this.#ledger = outcome.ledger;
        for (const listener of this.#listeners) listener();
        return { assignment: outcome.assignment, again: false };
      case 'already-assigned':
        return { assignment: outcome.assignment, again: true };
      case 'refused':
        return undefined;
      default:
        return outcome satisfies never;
    }
  }
}
