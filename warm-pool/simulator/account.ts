/** The cloud as one node of an account sees it: calls take time and are throttled, subnets run out and fragment. */

import type { CloudCall, CloudPace, Span } from './cluster.ts';
import type { Measures } from './measures.ts';
import type { Random } from './random.ts';
import type { SubnetSpace } from './subnet-space.ts';
import type { Throttle } from './throttle.ts';
import type { Timeline } from './timeline.ts';

export type Refusal = 'throttled' | 'subnet-exhausted' | 'no-free-prefix' | 'in-use';

export type Outcome<T> =
  { readonly kind: 'ok'; readonly value: T } | { readonly kind: 'refused'; readonly code: Refusal };

export function ok<T>(value: T): Outcome<T> {
  return { kind: 'ok', value };
}

export function refused(code: Refusal): Outcome<never> {
  return { kind: 'refused', code };
}

/** What all nodes of a part have in common. */
export interface AccountShared {
  /** Of the whole cluster, by their places in it; those of other parts do not change. */
  readonly subnets: readonly SubnetSpace[];
  readonly pace: CloudPace;
  readonly timeline: Timeline;
  readonly measures: Measures;
  readonly throttle: Throttle;
}

export class Account {
  readonly #shared: AccountShared;
  readonly #node: number;
  /** Of this node alone, so that nothing depends on what others draw. */
  readonly #random: Random;

  constructor(shared: AccountShared, node: number, random: Random) {
    this.#shared = shared;
    this.#node = node;
    this.#random = random;
  }

  get subnets(): readonly SubnetSpace[] {
    return this.#shared.subnets;
  }

  get pace(): CloudPace {
    return this.#shared.pace;
  }

  /** Sends a call: throttled or not when it arrives, its effect and its answer when its latency, at least 1 ms, has gone by. */
  send<T>(call: CloudCall, effect: () => Outcome<T>, answer: (outcome: Outcome<T>) => void): void {
    const { timeline, measures, throttle, pace } = this.#shared;
    measures.called(call, timeline.now);
    const ticket = throttle.send(timeline.now, this.#node, call);
    timeline.after(Math.max(1, this.draw(pace.latencyOf[call] ?? pace.latency)), () => {
      const isAdmitted = throttle.isAdmitted(ticket);
      if (!isAdmitted) measures.throttled(call);
      answer(isAdmitted ? effect() : refused('throttled'));
    });
  }

  draw({ least, most }: Span): number {
    return least === most ? least : least + this.#random() * (most - least);
  }

  /** A number in [0, 1) for pauses. */
  chance(): number {
    return this.#random();
  }
}
