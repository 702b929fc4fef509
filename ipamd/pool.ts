/**
 * The node's pool: the one mutable cell that holds the ledger, the queue of ADDs that wait for an address, and the
 * news that something changed. Decisions are the ledger's and the planner's; durability is the journal's.
 */
import { assign, type Ledger, snapshot, summary } from '#warm-pool/ledger.ts';
import type { Assignment, Attachment, PodReference, Snapshot } from '#warm-pool/model.ts';
import type { PoolFigures } from './observe/metrics.ts';
import { WaitingQueue } from './server/waiting-queue.ts';

export interface Request {
  readonly attachment: Attachment;
  readonly pod: PodReference;
}

export interface Given {
  readonly assignment: Assignment;
  /** True when the attachment had it before: the runtime repeats an ADD. */
  readonly again: boolean;
}

export class Pool {
  readonly #queue = new WaitingQueue<Given>();
  readonly #now: () => number;
  readonly #listeners = new Set<() => void>();
  #ledger: Ledger;
  /** Set by the executor: no growth before this time, and the refusal that was the reason. */
  cloudBackOffUntil = 0;
  lastCloudError: unknown;

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
    this.#queue.serve();
    for (const listener of this.#listeners) listener();
  }

  /** Serves who waits: needed where time alone made an address free, because its cool-down ended. */
  serve(): void {
    this.#queue.serve();
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** What the planner sees at a time; a plan must be made for the same one. */
  snapshot(now = this.#now()): Snapshot {
    return snapshot(this.#ledger, {
      waiting: this.#queue.length,
      now,
      cloudBackOffUntil: this.cloudBackOffUntil,
    });
  }

  summary(): ReturnType<typeof summary> {
    return summary(this.#ledger, this.#now());
  }

  /** For the metrics. */
  figures(): PoolFigures {
    const { mode, limits } = this.#ledger.config;
    const { maxInterfaces, ipv4PerInterface } = limits;
    const maxAddresses = maxInterfaces * (ipv4PerInterface - 1) * (mode === 'prefix' ? 16 : 1);
    return { ...this.summary(), waiting: this.waiting, maxInterfaces, maxAddresses };
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** At once if an address is free and nobody waits; otherwise undefined. */
  tryTake(request: Request): Given | undefined {
    return this.#queue.length > 0 ? undefined : this.#take(request);
  }

  /** In the order of arrival, as soon as an address is free; rejects with the signal's reason. */
  take(request: Request, signal: AbortSignal): Promise<Given> {
    const given = this.#queue.wait(() => this.#take(request), signal);
    for (const listener of this.#listeners) listener();
    return given;
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
