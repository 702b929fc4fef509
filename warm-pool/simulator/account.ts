/** The cloud as the nodes of one account share it: calls take time and are throttled, subnets run out and fragment. */

import { refilled, type Tokens } from '../tokens.ts';
import type { CloudCall, CloudPace, Span } from './cluster.ts';
import type { Measures } from './measures.ts';
import type { Random } from './random.ts';
import type { SubnetSpace } from './subnet-space.ts';
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

export class Account {
  readonly subnets: readonly SubnetSpace[];
  readonly pace: CloudPace;
  readonly #timeline: Timeline;
  readonly #measures: Measures;
  readonly #random: Random;
  readonly #tokens = new Map<CloudCall, Tokens>();

  constructor(
    subnets: readonly SubnetSpace[],
    pace: CloudPace,
    { timeline, measures, random }: { timeline: Timeline; measures: Measures; random: Random },
  ) {
    this.subnets = subnets;
    this.pace = pace;
    this.#timeline = timeline;
    this.#measures = measures;
    this.#random = random;
  }

  /** Sends a call: throttled or not when it arrives, its effect and its answer when its latency has gone by. */
  send<T>(call: CloudCall, effect: () => Outcome<T>, answer: (outcome: Outcome<T>) => void): void {
    const admitted = this.#admit(call);
    this.#measures.called(call, admitted, this.#timeline.now);
    const latency = this.draw(this.pace.latencyOf[call] ?? this.pace.latency);
    this.#timeline.after(latency, () => answer(admitted ? effect() : refused('throttled')));
  }

  draw({ least, most }: Span): number {
    return least === most ? least : least + this.#random() * (most - least);
  }

  /** A number in [0, 1) for pauses. */
  chance(): number {
    return this.#random();
  }

  #admit(call: CloudCall): boolean {
    const rate = this.pace.account[call];
    const { now } = this.#timeline;
    const level = refilled(this.#tokens.get(call) ?? { count: rate.burst, at: now }, rate, now);
    const admitted = level.count >= 1;
    this.#tokens.set(call, admitted ? { ...level, count: level.count - 1 } : level);
    return admitted;
  }
}
