import { Ec2Error } from '../ec2-error.ts';
import type { Context } from './context.ts';
import { checkInterfaceCount, checkLoad, loadOf, typeOf } from './limits.ts';
import { instanceOf, interfaceOf, interfaceOfAttachment } from './lookup.ts';
import { invalidCombination, invalidValue, required } from './parameters.ts';
import type { InstanceRecord, InterfaceRecord, VpcState } from './state.ts';
import type { Transition } from './transition.ts';

export interface Slot {
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly deleteOnTermination: boolean;
}

export const attachNetworkInterface: Transition<'AttachNetworkInterface'> = (state, input, context) => {
  const held = interfaceOf(state, input.NetworkInterfaceId);
  const instance = instanceOf(state, input.InstanceId);
  const deviceIndex = required(input.DeviceIndex, 'DeviceIndex');
  const networkCardIndex = input.NetworkCardIndex ?? typeOf(instance, context).defaultNetworkCardIndex;
  const attached = attach(
    state,
    held,
    instance,
    { deviceIndex, networkCardIndex, deleteOnTermination: false },
    context,
  );
  return {
    state: attached.state,
    output: { AttachmentId: attached.attachmentId, NetworkCardIndex: networkCardIndex },
  };
};

/** Puts an interface into a slot of an instance, if EC2's rules allow it. */
export function attach(
  state: VpcState,
  held: InterfaceRecord,
  instance: InstanceRecord,
  slot: Slot,
  context: Context,
): { readonly state: VpcState; readonly attachmentId: string } {
  checkAttachable(held, instance);
  const type = typeOf(instance, context);
  const attached = instance.interfaceIds.map((id) => interfaceOf(state, id));
  checkSlot(attached, instance, slot);
  checkInterfaceCount(type, attached, slot.networkCardIndex);
  checkLoad(loadOf(held), type);
  const { id } = context.identities.next('eni-attach');
  const attachment = { ...slot, id, instanceId: instance.id, attachedAt: context.now };
  return {
    state: {
      ...state,
      interfaces: state.interfaces.set(held.id, { ...held, attachment }),
      instances: state.instances.set(instance.id, { ...instance, interfaceIds: [...instance.interfaceIds, held.id] }),
      attachments: state.attachments.set(id, held.id),
    },
    attachmentId: id,
  };
}

export const detachNetworkInterface: Transition<'DetachNetworkInterface'> = (state, input) => {
  const held = interfaceOfAttachment(state, input.AttachmentId);
  const { attachment } = held;
  if (attachment === undefined) throw new Ec2Error('IncorrectState', `Network interface '${held.id}' is not attached`);
  const instance = instanceOf(state, attachment.instanceId);
  if (instance.interfaceIds[0] === held.id) {
    throw new Ec2Error(
      'OperationNotPermitted',
      `The network interface at device index ${attachment.deviceIndex} and networkCard index ${attachment.networkCardIndex} cannot be detached.`,
    );
  }
  const interfaceIds = instance.interfaceIds.filter((id) => id !== held.id);
  const detached = detach(state, held);
  return {
    state: { ...detached, instances: detached.instances.set(instance.id, { ...instance, interfaceIds }) },
    output: {},
  };
};

/** Ends an attachment on the interface's side; the instance's list is the caller's to mend. */
export function detach(state: VpcState, held: InterfaceRecord): VpcState {
  return {
    ...state,
    interfaces: state.interfaces.set(held.id, { ...held, attachment: undefined }),
    attachments: held.attachment === undefined ? state.attachments : state.attachments.delete(held.attachment.id),
  };
}

function checkAttachable(held: InterfaceRecord, instance: InstanceRecord): void {
  if (instance.terminatedAt !== undefined) {
    throw new Ec2Error('IncorrectState', `Instance '${instance.id}' is not 'running' or 'stopped'.`);
  }
  if (held.attachment !== undefined) {
    throw new Ec2Error('InvalidNetworkInterface.InUse', `Interface: [${held.id}] in use.`);
  }
  if (held.zone !== instance.zone) {
    throw invalidCombination(
      `You may not attach a network interface to an instance if they are not in the same availability zone: ` +
        `'${held.id}' is in ${held.zone}, '${instance.id}' in ${instance.zone}`,
    );
  }
}

function checkSlot(attached: readonly InterfaceRecord[], instance: InstanceRecord, slot: Slot): void {
  if (!Number.isInteger(slot.deviceIndex) || slot.deviceIndex < 0) {
    throw invalidValue('deviceIndex', slot.deviceIndex, 'Expecting a non-negative integer.');
  }
  const taken = attached.some(
    ({ attachment }) =>
      attachment?.deviceIndex === slot.deviceIndex && attachment.networkCardIndex === slot.networkCardIndex,
  );
  if (taken) {
    throw new Ec2Error(
      'InvalidParameterValue',
      `Instance '${instance.id}' already has an interface attached at device index '${slot.deviceIndex}'.`,
    );
  }
}
