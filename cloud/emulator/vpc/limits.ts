import type { InstanceTypeRecord } from '#cloud/instance-types.ts';
import { Ec2Error } from '../ec2-error.ts';
import type { Context } from './context.ts';
import { instanceOf } from './lookup.ts';
import { invalidValue } from './parameters.ts';
import type { InstanceRecord, InterfaceRecord, VpcState } from './state.ts';

/** What an interface that is attached to nothing may carry. */
const UNATTACHED_LIMIT = 50;

/** How many addresses an interface carries, or would carry. A prefix takes the room of one address. */
export interface Load {
  readonly addresses: number;
  readonly prefixes: number;
  readonly ipv6Addresses: number;
  readonly ipv6Prefixes: number;
}

export function loadOf(held: InterfaceRecord): Load {
  return {
    addresses: held.addresses.length,
    prefixes: held.prefixes.length,
    ipv6Addresses: held.ipv6Addresses.length,
    ipv6Prefixes: held.ipv6Prefixes.length,
  };
}

/** The type of the instance that the interface is attached to. */
export function typeOfHost(state: VpcState, held: InterfaceRecord, context: Context): InstanceTypeRecord | undefined {
  if (held.attachment === undefined) return undefined;
  return typeOf(instanceOf(state, held.attachment.instanceId), context);
}

export function typeOf(instance: InstanceRecord, context: Context): InstanceTypeRecord {
  const type = context.types.get(instance.instanceType);
  if (type === undefined) throw new Ec2Error('InternalError', `No such instance type: ${instance.instanceType}`, 500);
  return type;
}

/** Refuses a load that an interface cannot carry on an instance of this type, or attached to nothing. */
export function checkLoad(load: Load, type: InstanceTypeRecord | undefined): void {
  if (type !== undefined && load.prefixes + load.ipv6Prefixes > 0 && !hasPrefixes(type)) {
    throw new Ec2Error(
      'UnsupportedOperation',
      `The instance type '${type.instanceType}' does not support prefix assignment`,
    );
  }
  if (load.addresses + load.prefixes > (type?.ipv4PerInterface ?? UNATTACHED_LIMIT)) {
    throw new Ec2Error('PrivateIpAddressLimitExceeded', 'Number of private addresses will exceed limit.');
  }
  const ipv6 = load.ipv6Addresses + load.ipv6Prefixes;
  if (ipv6 > 0 && type !== undefined && !type.ipv6Supported) {
    throw new Ec2Error(
      'UnsupportedOperation',
      `The instance type '${type.instanceType}' does not support IPv6 addresses`,
    );
  }
  if (ipv6 > (type?.ipv6PerInterface ?? UNATTACHED_LIMIT)) {
    throw new Ec2Error('PrivateIpAddressLimitExceeded', 'Number of IPv6 addresses will exceed limit.');
  }
}

/** Refuses one interface more than the type, or its network card, takes. */
export function checkInterfaceCount(
  type: InstanceTypeRecord,
  attached: readonly InterfaceRecord[],
  networkCardIndex: number,
): void {
  const card = type.networkCards.find((known) => known.index === networkCardIndex);
  if (card === undefined) {
    throw invalidValue('networkCardIndex', networkCardIndex, `${type.instanceType} has no such network card.`);
  }
  const count = attached.length + 1;
  if (count > type.maxInterfaces) {
    throw new Ec2Error(
      'AttachmentLimitExceeded',
      `Interface count ${count} exceeds the limit for ${type.instanceType}`,
    );
  }
  const onCard = attached.filter((held) => held.attachment?.networkCardIndex === networkCardIndex).length + 1;
  if (onCard > card.maxInterfaces) {
    throw new Ec2Error(
      'AttachmentLimitExceeded',
      `Interface count ${onCard} exceeds the limit for network card ${networkCardIndex} of ${type.instanceType}`,
    );
  }
}

/** Prefixes need the Nitro system; bare metal instances have it too. */
function hasPrefixes(type: InstanceTypeRecord): boolean {
  return type.hypervisor === 'nitro' || type.bareMetal;
}
