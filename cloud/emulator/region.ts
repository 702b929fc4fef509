import type { InstanceTypeRecord } from '#cloud/instance-types.ts';
import { instanceTypeRecords } from '#cloud/instance-types.ts';
import type { Ec2Action, InputOf, OutputOf } from './ec2-actions.ts';
import { Ec2Error } from './ec2-error.ts';
import type { Context } from './vpc/context.ts';
import { seededIdentities, startingPoint } from './vpc/context.ts';
import type { Placement, VpcState } from './vpc/state.ts';
import { emptyState } from './vpc/state.ts';
import type { Outcome, Transition } from './vpc/transition.ts';
import { TRANSITIONS } from './vpc/transitions.ts';
import type { InstanceView, NetworkInterfaceView, SecurityGroupView, SubnetView, VpcView } from './vpc/views.ts';
import { viewInstances, viewNetworkInterfaces, viewSecurityGroups, viewSubnets, viewVpcs } from './vpc/views.ts';
import { zonesOf } from './vpc/zones.ts';

export type { Ec2Action, Ec2Actions, InputOf, OutputOf } from './ec2-actions.ts';
export { Ec2Error } from './ec2-error.ts';
export type { Placement, VpcState } from './vpc/state.ts';
export { isEc2Action } from './vpc/transitions.ts';
export type { InstanceView, NetworkInterfaceView, SecurityGroupView, SubnetView, VpcView } from './vpc/views.ts';

const ACCOUNT_ID = '123456789012';

export interface RegionOptions {
  /** The region's name, e.g. `us-west-2`; its zones are this name with `a`, `b` and `c`. */
  readonly region: string;
  readonly clock: { now(): number };
  /** What instance types there are; EC2's own (`instanceTypeRecords`) unless told. */
  readonly types?: ReadonlyMap<string, InstanceTypeRecord>;
  /** The same seed and calls give the same ids, MACs and addresses. */
  readonly seed?: number;
  /** How free addresses are chosen; `lowest` unless told. */
  readonly placement?: Placement;
  readonly accountId?: string;
  /** Sets the ids apart from those of another region with the same seed; '' unless told. */
  readonly idNamespace?: string;
}

/**
 * An EC2 region as far as VPC networking goes: the current state, and EC2's actions on it. Synchronous and
 * deterministic; an action that throws has changed nothing.
 */
export class Region {
  readonly name: string;
  readonly accountId: string;
  /** What instance types there are. */
  readonly types: ReadonlyMap<string, InstanceTypeRecord>;
  readonly #clock: { now(): number };
  readonly #fixed: Omit<Context, 'now'>;
  readonly #listeners = new Set<() => void>();
  #state: VpcState = emptyState();

  constructor(options: RegionOptions) {
    const seed = options.seed ?? 1;
    this.name = options.region;
    this.accountId = options.accountId ?? ACCOUNT_ID;
    this.types = options.types ?? instanceTypeRecords();
    this.#clock = options.clock;
    this.#fixed = {
      region: options.region,
      zones: zonesOf(options.region),
      accountId: this.accountId,
      types: this.types,
      start: startingPoint(options.placement ?? 'lowest', seed),
      identities: seededIdentities(seed, options.idNamespace),
    };
  }

  /** The state now. It never changes in place: kept, it can be described later with `executeOn`. */
  get state(): VpcState {
    return this.#state;
  }

  /** Does one action. Throws `Ec2Error`, also for a dry run that would have succeeded (`DryRunOperation`, 412). */
  execute<A extends Ec2Action>(action: A, input: InputOf<A>): OutputOf<A> {
    const { state, output } = this.#attempt(this.#state, action, input);
    if (state !== this.#state) {
      this.#state = state;
      for (const listener of this.#listeners) listener();
    }
    return output;
  }

  /** What an action answers on an older state, without any effect: for reads that lag behind. */
  executeOn<A extends Ec2Action>(state: VpcState, action: A, input: InputOf<A>): OutputOf<A> {
    return this.#attempt(state, action, input).output;
  }

  /** Calls `listener` after every change, from within the call that made it. Returns what ends this. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  vpcs(): readonly VpcView[] {
    return viewVpcs(this.#state);
  }

  subnets(): readonly SubnetView[] {
    return viewSubnets(this.#state);
  }

  securityGroups(): readonly SecurityGroupView[] {
    return viewSecurityGroups(this.#state);
  }

  /** Instances that are not terminated. */
  instances(): readonly InstanceView[] {
    return viewInstances(this.#state);
  }

  networkInterfaces(): readonly NetworkInterfaceView[] {
    return viewNetworkInterfaces(this.#state);
  }

  #attempt<A extends Ec2Action>(state: VpcState, action: A, input: InputOf<A>): Outcome<OutputOf<A>> {
    const transition: Transition<A> = TRANSITIONS[action];
    const outcome = transition(state, input, { ...this.#fixed, now: this.#clock.now() });
    if ('DryRun' in input && input.DryRun === true) {
      throw new Ec2Error('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
    }
    return outcome;
  }
}
