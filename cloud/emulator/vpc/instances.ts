import type { RunInstancesRequest } from '@aws-sdk/client-ec2';
import type { InstanceTypeRecord } from '#cloud/instance-types.ts';
import { Ec2Error } from '../ec2-error.ts';
import type { Context } from './context.ts';
import { describeInstance, describeReservation } from './instance-description.ts';
import type { LaunchInterface } from './launch-interfaces.ts';
import { attachAtLaunch, launchInterfaces } from './launch-interfaces.ts';
import { instanceOf, interfaceOf } from './lookup.ts';
import { invalidCombination, invalidValue, missing, required } from './parameters.ts';
import { detach } from './attachments.ts';
import { removeInterface } from './interfaces.ts';
import type { InstanceRecord, VpcState } from './state.ts';
import { tagsFor } from './tag-sets.ts';
import { idempotent } from './tokens.ts';
import type { Transition } from './transition.ts';

/** EC2's default where the request names no type (EC2 API reference, RunInstances). */
const DEFAULT_TYPE = 'm1.small';
const DESCRIBED_AFTER_TERMINATION_MS = 3600 * 1000;
const TAGGABLE_AT_LAUNCH = ['instance', 'network-interface', 'volume'];

const run: Transition<'RunInstances'> = (state, input, context) => {
  const { least, most } = countsOf(input);
  const type = launchType(input.InstanceType ?? DEFAULT_TYPE, context);
  required(input.ImageId, 'ImageId');
  const interfaces = launchInterfaces(state, input);
  if (most > 1 && interfaces.some((planned) => planned.unique)) {
    throw invalidCombination(
      'More than one instance cannot be launched with one private IP address or network interface',
    );
  }
  const reservationId = context.identities.next('r').id;
  let next = forgetOldTerminated(state, context);
  const ids: string[] = [];
  while (ids.length < most) {
    const launched = tryLaunch(next, input, { type, interfaces, reservationId, launchIndex: ids.length }, context);
    if (launched.kind === 'refused') {
      if (ids.length < least) throw launched.error;
      break;
    }
    next = launched.state;
    ids.push(launched.id);
  }
  const instances = ids.map((id) => instanceOf(next, id));
  return { state: next, output: describeReservation(next, instances, context) };
};

export const runInstances = idempotent('RunInstances', run, (input) => input.ClientToken);

interface Launch {
  readonly type: InstanceTypeRecord;
  readonly interfaces: readonly LaunchInterface[];
  readonly reservationId: string;
  readonly launchIndex: number;
}

type Launched =
  | { readonly kind: 'launched'; readonly state: VpcState; readonly id: string }
  | { readonly kind: 'refused'; readonly error: Ec2Error };

/** EC2 launches as many as it can between MinCount and MaxCount; only a full subnet is a reason for fewer. */
function tryLaunch(state: VpcState, input: RunInstancesRequest, launch: Launch, context: Context): Launched {
  try {
    return { kind: 'launched', ...launchOne(state, input, launch, context) };
  } catch (error) {
    if (error instanceof Ec2Error && error.code === 'InsufficientFreeAddressesInSubnet')
      return { kind: 'refused', error };
    throw error;
  }
}

function launchOne(
  state: VpcState,
  input: RunInstancesRequest,
  launch: Launch,
  context: Context,
): { readonly state: VpcState; readonly id: string } {
  const [primary] = launch.interfaces;
  if (primary === undefined)
    throw new Ec2Error('InvalidParameterCombination', 'A primary network interface is required');
  const instance: InstanceRecord = {
    ...context.identities.next('i'),
    tags: tagsFor(input.TagSpecifications, 'instance', TAGGABLE_AT_LAUNCH),
    reservationId: launch.reservationId,
    instanceType: launch.type.instanceType,
    imageId: input.ImageId ?? '',
    keyName: input.KeyName,
    userData: input.UserData,
    clientToken: input.ClientToken,
    subnetId: primary.subnetId,
    vpcId: primary.vpcId,
    zone: primary.zone,
    launchIndex: launch.launchIndex,
    launchedAt: context.now,
    terminatedAt: undefined,
    interfaceIds: [],
  };
  checkZone(input, instance);
  const interfaceTags = tagsFor(input.TagSpecifications, 'network-interface', TAGGABLE_AT_LAUNCH);
  let next: VpcState = { ...state, instances: state.instances.set(instance.id, instance) };
  for (const planned of launch.interfaces) {
    next = attachAtLaunch(
      next,
      instanceOf(next, instance.id),
      planned,
      { type: launch.type, tags: interfaceTags },
      context,
    );
  }
  return { state: next, id: instance.id };
}

export const terminateInstances: Transition<'TerminateInstances'> = (state, input, context) => {
  const ids = [...new Set(input.InstanceIds ?? [])];
  if (ids.length === 0) throw missing('InstanceId');
  const instances = ids.map((id) => instanceOf(state, id));
  const next = instances.reduce((rest, instance) => terminate(rest, instance, context), state);
  return {
    state: next,
    output: {
      TerminatingInstances: instances.map((instance) => ({
        InstanceId: instance.id,
        PreviousState: describeInstance(state, instance, context).State,
        CurrentState:
          instance.terminatedAt === undefined ? { Code: 32, Name: 'shutting-down' } : { Code: 48, Name: 'terminated' },
      })),
    },
  };
};

/** Interfaces with DeleteOnTermination go with the instance, the others become available. */
function terminate(state: VpcState, instance: InstanceRecord, context: Context): VpcState {
  if (instance.terminatedAt !== undefined) return state;
  const terminated = { ...instance, terminatedAt: context.now, interfaceIds: [] };
  const start: VpcState = { ...state, instances: state.instances.set(instance.id, terminated) };
  return instance.interfaceIds
    .map((id) => interfaceOf(state, id))
    .reduce(
      (next, held) =>
        held.attachment?.deleteOnTermination === true ? removeInterface(next, held) : detach(next, held),
      start,
    );
}

/** True while EC2 still shows the instance: an hour beyond its termination. */
export function isDescribed(instance: InstanceRecord, now: number): boolean {
  return instance.terminatedAt === undefined || now - instance.terminatedAt < DESCRIBED_AFTER_TERMINATION_MS;
}

function forgetOldTerminated(state: VpcState, context: Context): VpcState {
  const old = state.instances.values().filter((instance) => !isDescribed(instance, context.now));
  return { ...state, instances: old.reduce((rest, instance) => rest.delete(instance.id), state.instances) };
}

function countsOf(input: RunInstancesRequest): { readonly least: number; readonly most: number } {
  const least = required(input.MinCount, 'MinCount');
  const most = required(input.MaxCount, 'MaxCount');
  if (!Number.isInteger(least) || least < 1) throw invalidValue('minCount', least, 'Expecting a positive integer.');
  if (!Number.isInteger(most) || most < least) throw invalidValue('maxCount', most, 'It is smaller than minCount.');
  return { least, most };
}

function launchType(name: string, context: Context): InstanceTypeRecord {
  const type = context.types.get(name);
  if (type === undefined) throw new Ec2Error('InvalidParameterValue', `Invalid value '${name}' for InstanceType.`);
  return type;
}

function checkZone(input: RunInstancesRequest, instance: InstanceRecord): void {
  const wanted = input.Placement?.AvailabilityZone;
  if (wanted === undefined || wanted === instance.zone) return;
  throw invalidValue(
    'availabilityZone',
    wanted,
    `Subnet '${instance.subnetId}' is in the availability zone ${instance.zone}`,
  );
}
