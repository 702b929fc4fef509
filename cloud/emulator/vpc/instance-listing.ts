import { Ec2Error } from '../ec2-error.ts';
import { formatAddress4, formatAddress6 } from './cidr.ts';
import type { Context } from './context.ts';
import type { FilterTable } from './filters.ts';
import { applyFilters } from './filters.ts';
import { describeReservation } from './instance-description.ts';
import { privateDnsName } from './interface-description.ts';
import { isDescribed } from './instances.ts';
import { typeOf } from './limits.ts';
import { instancesNamed, interfaceOf } from './lookup.ts';
import { pageOf } from './paging.ts';
import type { InstanceRecord, InterfaceRecord, VpcState } from './state.ts';
import type { Query } from './transition.ts';

export const describeInstances: Query<'DescribeInstances'> = (state, input, context) => {
  const ids = input.InstanceIds ?? [];
  const named = instancesNamed(state, ids).filter((instance) => isDescribed(instance, context.now));
  const gone = ids.find((id) => !named.some((instance) => instance.id === id));
  if (gone !== undefined) throw new Ec2Error('InvalidInstanceID.NotFound', `The instance ID '${gone}' does not exist`);
  const chosen = applyFilters(named, input.Filters, instanceFilters(state, context), (instance) => instance.tags);
  const rules = { action: 'DescribeInstances', byId: ids.length > 0, largest: 1000 };
  const page = pageOf(chosen, (instance) => instance.order, input, rules);
  const reservations = Map.groupBy(page.items, (instance) => instance.reservationId);
  return {
    Reservations: [...reservations.values()].map((instances) => describeReservation(state, instances, context)),
    NextToken: page.nextToken,
  };
};

function instanceFilters(state: VpcState, context: Context): FilterTable<InstanceRecord> {
  const interfaces = (instance: InstanceRecord): InterfaceRecord[] =>
    instance.interfaceIds.map((id) => interfaceOf(state, id));
  const primary = (instance: InstanceRecord): InterfaceRecord[] => interfaces(instance).slice(0, 1);
  const groups = (instance: InstanceRecord): readonly string[] => primary(instance).flatMap((held) => held.groups);
  const address = (instance: InstanceRecord): number[] =>
    primary(instance).flatMap((held) => held.addresses.slice(0, 1));
  return {
    'instance-id': (instance) => [instance.id],
    'instance-state-name': (instance) => [instance.terminatedAt === undefined ? 'running' : 'terminated'],
    'instance-state-code': (instance) => [instance.terminatedAt === undefined ? 16 : 48],
    'instance-type': (instance) => [instance.instanceType],
    'image-id': (instance) => [instance.imageId],
    'vpc-id': (instance) => (instance.terminatedAt === undefined ? [instance.vpcId] : []),
    'subnet-id': (instance) => (instance.terminatedAt === undefined ? [instance.subnetId] : []),
    'availability-zone': (instance) => [instance.zone],
    architecture: (instance) => [typeOf(instance, context).architectures.at(-1)],
    'client-token': (instance) => [instance.clientToken],
    'key-name': (instance) => [instance.keyName],
    'launch-index': (instance) => [instance.launchIndex],
    'launch-time': (instance) => [new Date(instance.launchedAt).toISOString()],
    'owner-id': () => [context.accountId],
    'reservation-id': (instance) => [instance.reservationId],
    'private-ip-address': (instance) => address(instance).map(formatAddress4),
    'private-dns-name': (instance) => address(instance).map((one) => privateDnsName(one, context)),
    'instance.group-id': groups,
    'instance.group-name': (instance) => groups(instance).map((id) => state.securityGroups.get(id)?.name),
    'network-interface.network-interface-id': (instance) => instance.interfaceIds,
    'network-interface.subnet-id': (instance) => interfaces(instance).map((held) => held.subnetId),
    'network-interface.vpc-id': (instance) => interfaces(instance).map((held) => held.vpcId),
    'network-interface.mac-address': (instance) => interfaces(instance).map((held) => held.mac),
    'network-interface.description': (instance) => interfaces(instance).map((held) => held.description),
    'network-interface.group-id': (instance) => interfaces(instance).flatMap((held) => held.groups),
    'network-interface.addresses.private-ip-address': (instance) =>
      interfaces(instance).flatMap((held) => held.addresses.map(formatAddress4)),
    'network-interface.ipv6-addresses.ipv6-address': (instance) =>
      interfaces(instance).flatMap((held) => held.ipv6Addresses.map(formatAddress6)),
    'network-interface.attachment.attachment-id': (instance) => interfaces(instance).map((held) => held.attachment?.id),
    'network-interface.attachment.device-index': (instance) =>
      interfaces(instance).map((held) => held.attachment?.deviceIndex),
  };
}
