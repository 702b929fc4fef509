import type { InstanceTypeRecord } from '#cloud/instance-types.ts';
import { instanceTypeRecords } from '#cloud/instance-types.ts';
import type { Ec2Action, InputOf, OutputOf } from './ec2-actions.ts';
import { Ec2Error } from './ec2-error.ts';
import type { Context, Identities } from './vpc/context.ts';
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
  /** Letters of the zones; `a`, `b` and `c` unless told. */
  readonly zoneLetters?: readonly string[];
}

/** One change: what was done (undefined where it was taken over from another EC2), and the states around it. */
export interface RegionChange {
  readonly action: Ec2Action | undefined;
  readonly before: VpcState;
  readonly after: VpcState;
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
  readonly #listeners = new Set<(change: RegionChange) => void>();
  #state: VpcState = emptyState();

  constructor(options: RegionOptions) {
    const seed = options.seed ?? 1;
    this.name = options.region;
    this.accountId = options.accountId ?? ACCOUNT_ID;
    this.types = options.types ?? instanceTypeRecords();
    this.#clock = options.clock;
    this.#fixed = {
      region: options.region,
      zones: zonesOf(options.region, options.zoneLetters),
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
    return this.executeAs(action, input, (own) => own);
  }

  /** The same; what is created takes the names that another EC2 has given already, where `name` knows one. */
  executeAs<A extends Ec2Action>(action: A, input: InputOf<A>, name: (own: Identities) => Identities): OutputOf<A> {
    const { state, output } = this.#attempt(this.#state, action, input, name(this.#fixed.identities));
    this.#become(state, action);
    return output;
  }

  /** What an action would lead to now, without any effect; `state` is the present one where it would change nothing. */
  preview<A extends Ec2Action>(action: A, input: InputOf<A>): Outcome<OutputOf<A>> {
    return this.#attempt(this.#state, action, input);
  }

  /** Takes over what happened elsewhere: the state that `change` makes of the present one. */
  adopt(change: (state: VpcState, context: Context) => VpcState): void {
    this.#become(change(this.#state, { ...this.#fixed, now: this.#clock.now() }), undefined);
  }

  /** What an action answers on an older state, without any effect: for reads that lag behind. */
  executeOn<A extends Ec2Action>(state: VpcState, action: A, input: InputOf<A>): OutputOf<A> {
    return this.#attempt(state, action, input).output;
  }

  /** Calls `listener` after every change, from within the call that made it. Returns what ends this. */
  onChange(listener: (change: RegionChange) => void): () => void {
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

  #become(state: VpcState, action: Ec2Action | undefined): void {
    const before = this.#state;
    if (state === before) return;
    this.#state = state;
    for (const listener of this.#listeners) listener({ action, before, after: state });
  }

  #attempt<A extends Ec2Action>(
    state: VpcState,
    action: A,
    input: InputOf<A>,
    identities: Identities = this.#fixed.identities,
  ): Outcome<OutputOf<A>> {
    const transition: Transition<A> = TRANSITIONS[action];
    const outcome = transition(state, input, { ...this.#fixed, identities, now: this.#clock.now() });
    if ('DryRun' in input && input.DryRun === true) {
      throw new Ec2Error('DryRunOperation', 'Request would have succeeded, but DryRun flag is set.', 412);
    }
    return outcome;
  }
}
