/**
 * Plans when something changed and carries out what the plan says. Planning is synchronous and never overlaps; the
 * actions of a plan run side by side, and what is in flight is part of the next snapshot, so nothing is asked twice.
 */
import { explain } from '#warm-pool/explain.ts';
import { type Ledger, withInFlight, withoutInFlight } from '#warm-pool/ledger.ts';
import { planCards } from '#warm-pool/plan-cards.ts';
import type { Action, Plan, ReasonCode, Refusal, WarmTargets } from '#warm-pool/model.ts';
import type { Clock, Timer } from '#cloud/decorate/clock.ts';
import { errorFields, type Log } from './observe/log.ts';
import type { Pool } from './pool.ts';

/** One action under way. */
export interface Run {
  readonly signal: AbortSignal;
  /**
   * Books what the call gave, and the end of its flight, in one step: in between, both would be counted. Without it the
   * flight ends with the action.
   */
  readonly settle: (transition: (ledger: Ledger) => Ledger) => void;
}

export type Planner = typeof planCards;

export interface ReconcilerOptions {
  readonly pool: Pool;
  readonly targets: WarmTargets;
  /** Carries out one action; it reports outcomes to the pool and throws only what it could not handle. */
  readonly execute: (action: Action, run: Run) => Promise<void>;
  /** Makes the plans; the production planner unless told. */
  readonly planner?: Planner | undefined;
  /** Told of every plan. */
  readonly onPlan?: (plan: Plan) => void;
  readonly clock: Clock;
  /** When to plan; at the end of the current turn of the event loop unless told. */
  readonly soon?: Clock['soon'] | undefined;
  readonly log: Log;
}

/** Refusals that time alone ends: news, not warnings. */
const PATIENCE: ReadonlySet<ReasonCode> = new Set(['interface-too-young', 'cooling-down']);

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #stop = new AbortController();
  readonly #running = new Map<string, Promise<void>>();
  #plan: Plan = { actions: [], refusals: [], wakeAt: undefined };
  #timer: Timer | undefined;
  #scheduled = false;
  #sequence = 0;

  constructor(options: ReconcilerOptions) {
    this.#options = options;
    options.pool.onChange(() => this.wake());
  }

  /** What the latest plan could not do, and why. */
  get refusals(): readonly Refusal[] {
    return this.#plan.refusals;
  }

  /** Plans soon, once however often it is called. */
  wake(): void {
    if (this.#scheduled || this.#stop.signal.aborted) return;
    this.#scheduled = true;
    const { clock, soon = (work: () => void) => clock.soon(work) } = this.#options;
    soon(() => {
      this.#scheduled = false;
      if (!this.#stop.signal.aborted) this.#planNow();
    });
  }

  #planNow(): void {
    const { pool, targets, planner = planCards, clock, log } = this.#options;
    // One look at the clock, before anything is judged by it: a cool-down that ends in between would wake nobody.
    const at = clock.wallTime();
    pool.serve();
    const before = this.#plan.refusals.map((refusal) => refusal.why.reason).join();
    this.#plan = planner(pool.ledger, pool.circumstances(at), targets);
    for (const action of this.#plan.actions) this.#start(action);
    if (this.#plan.refusals.map((refusal) => refusal.why.reason).join() !== before) {
      for (const { why } of this.#plan.refusals)
        log[PATIENCE.has(why.reason) ? 'info' : 'warn']({ reason: why.reason, ...why.inputs }, explain(why));
    }
    this.#setTimer();
    this.#options.onPlan?.(this.#plan);
  }

  #start(action: Action): void {
    const { pool, execute, log } = this.#options;
    const id = `${action.kind}-${(this.#sequence += 1)}`;
    log.info({ action, reason: action.why.reason }, explain(action.why));
    // The update wakes us again; by then this action is in the snapshot.
    pool.update((ledger) => withInFlight(ledger, id, action));
    const settle: Run['settle'] = (transition) => pool.update((ledger) => withoutInFlight(transition(ledger), id));
    const work = execute(action, { signal: this.#stop.signal, settle })
      .catch((error: unknown) => {
        if (!this.#stop.signal.aborted) log.error({ action, ...errorFields(error) }, 'action failed');
      })
      .finally(() => {
        this.#running.delete(id);
        pool.update((ledger) => withoutInFlight(ledger, id));
      });
    this.#running.set(id, work);
  }

  #setTimer(): void {
    const { clock } = this.#options;
    this.#timer?.cancel();
    const { wakeAt } = this.#plan;
    if (wakeAt === undefined) return;
    this.#timer = clock.after(Math.max(wakeAt - clock.wallTime(), 1), () => this.wake());
  }

  /** Lets nothing new start, aborts what runs, and waits for it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    this.#timer?.cancel();
    await Promise.allSettled(this.#running.values());
  }
}
