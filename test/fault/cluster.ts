/** What the API server says of a node with custom networking: one truth, which each life of the daemon hears of after a while. */
import type { ClusterView, EniConfigLookup } from '#ipamd/kubernetes/cluster-view.ts';
import type { Dice } from './dice.ts';
import type { Life, Scheduler } from './scheduler.ts';

interface Word {
  readonly eniConfig: EniConfigLookup;
  readonly schedulable: boolean | undefined;
}

const NOTHING_YET: Word = { eniConfig: { kind: 'unknown' }, schedulable: undefined };

export class ModelCluster {
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #subnetIds: readonly string[];
  readonly #hear = new Set<() => void>();
  #truth: Word;

  /** `subnetIds` are those that ENIConfigs name; the first one is named at the beginning. */
  constructor(subnetIds: readonly string[], scheduler: Scheduler, dice: Dice) {
    this.#subnetIds = subnetIds;
    this.#scheduler = scheduler;
    this.#dice = dice;
    this.#truth = { eniConfig: this.#naming(subnetIds[0]), schedulable: true };
  }

  /** Where pods' interfaces belong; undefined while the node names no ENIConfig that is there. */
  get subnetId(): string | undefined {
    const { eniConfig } = this.#truth;
    return eniConfig.kind === 'found' ? eniConfig.eniConfig.subnetId : undefined;
  }

  /** Somebody changes something, in words; undefined where nobody does this time. */
  change(): string | undefined {
    if (!this.#dice.chance(0.08)) return undefined;
    const what = this.#dice.pick(['eniconfig', 'eniconfig', 'none', 'cordon'] as const);
    if (what === 'eniconfig')
      this.#become({ ...this.#truth, eniConfig: this.#naming(this.#dice.pick(this.#subnetIds)) });
    else if (what === 'none')
      this.#become({ ...this.#truth, eniConfig: { kind: 'missing', name: 'pods', why: 'it was deleted.' } });
    else this.#become({ ...this.#truth, schedulable: this.#truth.schedulable !== true });
    return JSON.stringify(this.#truth);
  }

  /** An ENIConfig is there, and the node takes pods. */
  mend(): void {
    const { eniConfig } = this.#truth;
    this.#become({
      eniConfig: eniConfig.kind === 'found' ? eniConfig : this.#naming(this.#subnetIds[0]),
      schedulable: true,
    });
  }

  /** As one life hears it: nothing at first, each change a little later. */
  viewOf(life: Life): ClusterView {
    const listeners = new Set<() => void>();
    let word = NOTHING_YET;
    const hear = () => {
      word = this.#truth;
      for (const listener of listeners) listener();
    };
    const hearSoon = () => void this.#scheduler.after(this.#dice.scale(1, 2000), hear, life);
    this.#scheduler.after(
      this.#dice.scale(1, 30_000),
      () => {
        this.#hear.add(hearSoon);
        hear();
      },
      life,
    );
    return {
      eniConfig: () => word.eniConfig,
      schedulable: () => word.schedulable,
      podCapacity: () => undefined,
      podAnnotations: () => undefined,
      onChange: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    };
  }

  #naming(subnetId: string | undefined): EniConfigLookup {
    return { kind: 'found', eniConfig: { name: 'pods', subnetId: subnetId ?? '', securityGroupIds: [] } };
  }

  #become(truth: Word): void {
    this.#truth = truth;
    for (const hear of this.#hear) hear();
  }
}
