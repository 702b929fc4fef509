/** What the handlers tell of pods, as events, annotations and the node's condition. */
import { type CniError, cniErrorKind } from '#cni/spec/errors.ts';
import type { Clock, Timer } from '#cloud/decorate/clock.ts';
import type { PodReference } from '#warm-pool/model.ts';
import type { Events } from './events.ts';
import type { PodAnnotations } from './pod-annotations.ts';
import type { PodNews } from './pod-news.ts';
import { shortageOf, type Wait } from './shortage.ts';

export interface PodReportsOptions {
  readonly events: Events;
  /** undefined: ANNOTATE_POD_IP is off. */
  readonly annotations: PodAnnotations | undefined;
  /** Told when a shortage begins, changes its reason, and ends (undefined). */
  readonly onShortage: (error: CniError | undefined) => void;
  readonly clock: Clock;
}

/** A wait that is shorter is no news. */
const MOMENT_MS = 1000;
/** What is on its way comes within this time as a rule: create, attach, and the link. */
const ON_ITS_WAY_MS = 8000;

export class PodReports implements PodNews {
  readonly #options: PodReportsOptions;
  readonly #waits = new Map<symbol, Wait>();
  readonly #timers = new Set<Timer>();
  #refused: { readonly at: number; readonly error: CniError } | undefined;
  #shortage: CniError | undefined;
  #look: Timer | undefined;

  constructor(options: PodReportsOptions) {
    this.#options = options;
  }

  get isShort(): boolean {
    return this.#shortage !== undefined;
  }

  waiting(pod: PodReference, why: () => CniError): (refusal?: CniError) => void {
    const { clock } = this.#options;
    const id = Symbol(pod.name);
    this.#waits.set(id, { since: clock.now(), why });
    const first = this.#after(MOMENT_MS, () => {
      const error = why();
      if (isOnItsWay(error)) return;
      this.#report(pod, error);
    });
    const second = this.#after(ON_ITS_WAY_MS, () => this.#report(pod, why()));
    this.#evaluate();
    return (refusal) => {
      this.#cancel(first);
      this.#cancel(second);
      this.#waits.delete(id);
      if (refusal !== undefined) this.#refused = { at: clock.now(), error: refusal };
      this.#evaluate();
    };
  }

  refused(pod: PodReference, error: CniError): void {
    this.#report(pod, error);
  }

  attached(pod: PodReference, addresses: readonly string[]): void {
    this.#options.annotations?.set(pod, addresses);
  }

  detached(pod: PodReference, addresses: readonly string[]): void {
    this.#options.annotations?.clear(pod, addresses);
  }

  #report(pod: PodReference, error: CniError): void {
    if (pod.name === '' || pod.namespace === '') return;
    const regarding = { kind: 'Pod', ...pod } as const;
    this.#options.events.report({ regarding, reason: reasonOf(error), message: error.msg, type: 'Warning' });
  }

  #evaluate(): void {
    const { clock, onShortage } = this.#options;
    const input = { waits: [...this.#waits.values()], refused: this.#refused };
    const { error, lookAgainAt } = shortageOf(input, clock.now());
    if (error?.code !== this.#shortage?.code) onShortage(error);
    this.#shortage = error;
    this.#look?.cancel();
    this.#look = lookAgainAt === undefined ? undefined : clock.after(lookAgainAt - clock.now(), () => this.#evaluate());
  }

  #after(ms: number, work: () => void): Timer {
    const timer = this.#options.clock.after(ms, () => {
      this.#timers.delete(timer);
      work();
    });
    this.#timers.add(timer);
    return timer;
  }

  #cancel(timer: Timer): void {
    timer.cancel();
    this.#timers.delete(timer);
  }

  [Symbol.dispose](): void {
    this.#look?.cancel();
    for (const timer of this.#timers) timer.cancel();
  }
}

/** `subnet-exhausted` -> `SubnetExhausted`: the name of the error's code, as reasons of the API are written. */
export function reasonOf({ code }: CniError): string {
  const name: string = cniErrorKind(code)?.name ?? 'internal';
  return name.replaceAll(/(^|-)([a-z])/g, (_all, _dash, letter: string) => letter.toUpperCase());
}

function isOnItsWay({ code }: CniError): boolean {
  return cniErrorKind(code)?.name === 'try-again-later';
}
