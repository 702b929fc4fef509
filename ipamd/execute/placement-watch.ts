/**
 * Keeps the pool's constraints and candidates true to settings, to the API server's word and to what is known of the
 * ENIConfig's subnet. Works from its making; every change reaches the planner at once.
 */
import type { Timer } from '#cloud/decorate/clock.ts';
import { withConstraints } from '#warm-pool/ledger.ts';
import type { PlanConstraint } from '#warm-pool/plan-constraints.ts';
import type { ClusterView } from '../kubernetes/cluster-view.ts';
import { errorFields } from '../observe/log.ts';
import type { CustomNetworking } from '../placement/custom-networking.ts';
import { constraintOf } from '../placement/eni-config.ts';
import type { PlacementSubnets } from '../start/subnets.ts';
import type { ExecuteContext } from './context.ts';

const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 3_600_000;

export interface PlacementWatchOptions {
  readonly context: Pick<ExecuteContext, 'pool' | 'journal' | 'clock' | 'log'>;
  readonly subnets: PlacementSubnets;
  readonly cluster: ClusterView;
  /** Undefined without custom networking. */
  readonly custom: CustomNetworking | undefined;
  /** The setting that disables provisioning, if one does. */
  readonly provisioningDisabledBy: string | undefined;
  /** AWS_MANAGE_ENIS_NON_SCHEDULABLE */
  readonly manageNonSchedulable: boolean;
  /** Called when another ENIConfig counts: its security groups may differ. */
  readonly onEniConfig: () => void;
}

export class PlacementWatch {
  readonly #options: PlacementWatchOptions;
  readonly #stop = new AbortController();
  readonly #unsubscribe: () => void;
  #look: Promise<void> | undefined;
  #written: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #pause = FIRST_PAUSE_MS;
  /** The ENIConfig whose subnet was last asked for; another one is asked for at once. */
  #asked = '';
  #place = '';

  constructor(options: PlacementWatchOptions) {
    this.#options = options;
    this.#unsubscribe = options.cluster.onChange(() => this.evaluate());
    options.custom?.onWord(() => this.evaluate());
    this.evaluate();
  }

  /** Judges anew. */
  evaluate(): void {
    if (this.#stop.signal.aborted) return;
    const { context, subnets, custom } = this.#options;
    if (custom !== undefined) {
      const place = JSON.stringify(custom.place);
      if (place !== this.#place) {
        this.#place = place;
        subnets.retell();
        context.log.info({ place: custom.place }, 'where interfaces of pods are made');
        this.#options.onEniConfig();
      }
      this.#remember(custom);
      this.#askFor(custom);
    }
    context.pool.update((ledger) => withConstraints(ledger, this.#constraints()));
  }

  #constraints(): readonly PlanConstraint[] {
    const { cluster, custom, provisioningDisabledBy: setting, manageNonSchedulable } = this.#options;
    const ofPlace = custom && constraintOf(custom.place);
    return [
      ...(setting === undefined ? [] : [{ kind: 'provisioning-disabled', setting } as const]),
      // Not known is schedulable: a node without an API server must not stop growing.
      ...(cluster.schedulable() === false && !manageNonSchedulable ? [{ kind: 'node-unschedulable' } as const] : []),
      ...(ofPlace === undefined ? [] : [ofPlace]),
    ];
  }

  #remember(custom: CustomNetworking): void {
    const eniConfig = custom.toRemember();
    if (eniConfig === undefined) return;
    const { journal, log } = this.#options.context;
    this.#written = this.#written
      .then(() => journal.append({ kind: 'eni-config', eniConfig }))
      .catch((error: unknown) =>
        log.error(
          errorFields(error),
          'the ENIConfig could not be written down; a restart must wait for the API server',
        ),
      );
  }

  /** A subnet that was never described is asked for at once, then, like one that does not exist, ever less often. */
  #askFor(custom: CustomNetworking): void {
    const { place } = custom;
    const wanted = place.kind === 'waits' ? place.undescribed : place.kind === 'unusable' ? place.absent : undefined;
    if (wanted === undefined) return;
    const isNew = wanted.subnetId !== this.#asked;
    if (!isNew && (this.#timer !== undefined || this.#look !== undefined)) return;
    this.#timer?.cancel();
    this.#asked = wanted.subnetId;
    if (isNew) this.#pause = FIRST_PAUSE_MS;
    const delay = isNew ? 0 : this.#pause;
    if (!isNew) this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    this.#timer = this.#options.context.clock.after(delay, () => {
      this.#timer = undefined;
      this.#look = this.#describe().finally(() => {
        this.#look = undefined;
        this.evaluate();
      });
    });
  }

  async #describe(): Promise<void> {
    await this.#options.subnets.refresh({ signal: this.#stop.signal, cause: 'eniconfig' });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    this.#unsubscribe();
    this.#timer?.cancel();
    await this.#look;
    await this.#written;
  }
}
