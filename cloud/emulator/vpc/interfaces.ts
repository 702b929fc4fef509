import type { NetworkInterface } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../ec2-error.ts';
import { PREFIX_SIZE, release } from './address-space.ts';
import { applyFilters } from './filters.ts';
import { addInterface } from './interface-creation.ts';
import { describeInterface } from './interface-description.ts';
import { interfaceFilters } from './interface-filters.ts';
import { returnIpv6 } from './ipv6-allocation.ts';
import { interfaceOf, interfaceOfAttachment, interfacesNamed, subnetOf } from './lookup.ts';
import { pageOf } from './paging.ts';
import { atMostOne, required } from './parameters.ts';
import { groupsForInterface } from './security-groups.ts';
import type { InterfaceRecord, SubnetRecord, VpcState } from './state.ts';
import { tagsFor } from './tag-sets.ts';
import { idempotent } from './tokens.ts';
import type { Query, Transition } from './transition.ts';

const create: Transition<'CreateNetworkInterface'> = (state, input, context) => {
  const tags = tagsFor(input.TagSpecifications, 'network-interface');
  const added = addInterface(state, input, tags, undefined, context);
  const described = describeInterface(added.state, added.created, context);
  // EC2 answers `pending` here, which the SDK's enumeration does not know, and `available` in the first Describe.
  const networkInterface: NetworkInterface = { ...described, Status: 'pending' as NetworkInterface['Status'] };
  return { state: added.state, output: { NetworkInterface: networkInterface, ClientToken: input.ClientToken } };
};

export const createNetworkInterface = idempotent('CreateNetworkInterface', create, (input) => input.ClientToken);

export const describeNetworkInterfaces: Query<'DescribeNetworkInterfaces'> = (state, input, context) => {
  const named = interfacesNamed(state, input.NetworkInterfaceIds);
  const chosen = applyFilters(named, input.Filters, interfaceFilters(state, context), (held) => held.tags);
  const byId = (input.NetworkInterfaceIds ?? []).length > 0;
  const page = pageOf(chosen, (held) => held.order, input, {
    action: 'DescribeNetworkInterfaces',
    byId,
    largest: 1000,
  });
  return {
    NetworkInterfaces: page.items.map((held) => describeInterface(state, held, context)),
    NextToken: page.nextToken,
  };
};

export const deleteNetworkInterface: Transition<'DeleteNetworkInterface'> = (state, input) => {
  const held = interfaceOf(state, input.NetworkInterfaceId);
  if (held.attachment !== undefined) {
    throw new Ec2Error('InvalidNetworkInterface.InUse', `Network interface '${held.id}' is currently in use.`);
  }
  return { state: removeInterface(state, held), output: {} };
};

/** Takes an interface out of the region and gives its addresses back to the subnet. */
export function removeInterface(state: VpcState, held: InterfaceRecord): VpcState {
  const subnet = freeAddresses(subnetOf(state, held.subnetId), held);
  const { attachment } = held;
  return {
    ...state,
    subnets: state.subnets.set(subnet.id, { ...subnet, interfaceCount: subnet.interfaceCount - 1 }),
    interfaces: state.interfaces.delete(held.id),
    attachments: attachment === undefined ? state.attachments : state.attachments.delete(attachment.id),
  };
}

/** Gives what an interface holds back to its subnet. */
export function freeAddresses(
  subnet: SubnetRecord,
  held: Pick<InterfaceRecord, 'addresses' | 'prefixes' | 'ipv6Addresses' | 'ipv6Prefixes'>,
): SubnetRecord {
  const ranges = [
    ...held.addresses.map((address) => ({ offset: address - subnet.cidr.base, size: 1 })),
    ...held.prefixes.map((prefix) => ({ offset: prefix - subnet.cidr.base, size: PREFIX_SIZE })),
  ];
  const freed = ranges.length === 0 ? subnet : { ...subnet, space: release(subnet.space, ranges) };
  return returnIpv6(freed, held.ipv6Addresses, held.ipv6Prefixes);
}

export const modifyNetworkInterfaceAttribute: Transition<'ModifyNetworkInterfaceAttribute'> = (state, input) => {
  const held = interfaceOf(state, input.NetworkInterfaceId);
  const named = atMostOne({
    Attachment: input.Attachment !== undefined,
    Groups: input.Groups !== undefined && input.Groups.length > 0,
    Description: input.Description !== undefined,
    SourceDestCheck: input.SourceDestCheck !== undefined,
  });
  if (named === 0) throw new Ec2Error('MissingParameter', 'The request must contain an attribute to modify');
  const changed: InterfaceRecord = {
    ...held,
    ...(input.Attachment === undefined ? {} : { attachment: changedAttachment(state, held, input.Attachment) }),
    ...(input.Groups === undefined || input.Groups.length === 0
      ? {}
      : { groups: groupsForInterface(state, held.vpcId, input.Groups) }),
    ...(input.Description === undefined ? {} : { description: input.Description.Value ?? '' }),
    ...(input.SourceDestCheck === undefined
      ? {}
      : { sourceDestCheck: required(input.SourceDestCheck.Value, 'SourceDestCheck.Value') }),
  };
  return { state: { ...state, interfaces: state.interfaces.set(held.id, changed) }, output: {} };
};

function changedAttachment(
  state: VpcState,
  held: InterfaceRecord,
  change: { readonly AttachmentId?: string | undefined; readonly DeleteOnTermination?: boolean | undefined },
): InterfaceRecord['attachment'] {
  const id = required(change.AttachmentId, 'Attachment.AttachmentId');
  if (interfaceOfAttachment(state, id).id !== held.id || held.attachment === undefined) {
    throw new Ec2Error('InvalidAttachmentID.NotFound', `The attachment ID '${id}' does not exist on '${held.id}'`);
  }
  const deleteOnTermination = required(change.DeleteOnTermination, 'Attachment.DeleteOnTermination');
  return { ...held.attachment, deleteOnTermination };
}
