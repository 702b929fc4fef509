import { formatAddress4, formatAddress6 } from './cidr.ts';
import type { Context } from './context.ts';
import type { FilterTable } from './filters.ts';
import { formatIpv4Prefix, privateDnsName } from './interface-description.ts';
import { formatIpv6Prefix } from './ipv6-allocation.ts';
import type { AttachmentRecord, InterfaceRecord, VpcState } from './state.ts';
import { zoneIdOf } from './zones.ts';

type Select = FilterTable<InterfaceRecord>[string];

/** Filters about public addresses and requesters, of which the emulator has none: known, and met by no interface. */
const NEVER_HELD = [
  'requester-id',
  ...[
    'allocation-id',
    'association-id',
    'carrier-ip',
    'customer-owned-ip',
    'ip-owner-id',
    'public-dns-name',
    'public-ip',
  ].flatMap((name) => [`association.${name}`, `addresses.association.${name}`]),
];

/** The filters of DescribeNetworkInterfaces that speak of what the emulator has. */
export function interfaceFilters(state: VpcState, context: Context): FilterTable<InterfaceRecord> {
  const primary: Select = (held) => held.addresses.slice(0, 1).map(formatAddress4);
  return {
    'network-interface-id': (held) => [held.id],
    'subnet-id': (held) => [held.subnetId],
    'vpc-id': (held) => [held.vpcId],
    'availability-zone': (held) => [held.zone],
    'availability-zone-id': (held) => [zoneIdOf(held.zone)],
    description: (held) => [held.description],
    'interface-type': (held) => [held.interfaceType],
    'mac-address': (held) => [held.mac],
    'owner-id': () => [context.accountId],
    'requester-managed': () => [false],
    'source-dest-check': (held) => [held.sourceDestCheck],
    status: (held) => [held.attachment === undefined ? 'available' : 'in-use'],
    'group-id': (held) => held.groups,
    'group-name': (held) => held.groups.map((id) => state.securityGroups.get(id)?.name),
    'private-ip-address': primary,
    'private-dns-name': (held) => held.addresses.slice(0, 1).map((address) => privateDnsName(address, context)),
    'addresses.private-ip-address': (held) => held.addresses.map(formatAddress4),
    'addresses.primary': (held) => held.addresses.map((_, index) => index === 0),
    'ipv4-prefixes.ipv4-prefix': (held) => held.prefixes.map(formatIpv4Prefix),
    'ipv6-addresses.ipv6-address': (held) => held.ipv6Addresses.map(formatAddress6),
    'ipv6-prefixes.ipv6-prefix': (held) => held.ipv6Prefixes.map(formatIpv6Prefix),
    ...attachmentFilters(context),
    ...Object.fromEntries(NEVER_HELD.map((name) => [name, () => []])),
  };
}

function attachmentFilters(context: Context): FilterTable<InterfaceRecord> {
  const of =
    (select: (attachment: AttachmentRecord) => string | number | boolean): Select =>
    (held) =>
      held.attachment === undefined ? [] : [select(held.attachment)];
  return {
    'attachment.attachment-id': of((attachment) => attachment.id),
    'attachment.instance-id': of((attachment) => attachment.instanceId),
    'attachment.instance-owner-id': of(() => context.accountId),
    'attachment.device-index': of((attachment) => attachment.deviceIndex),
    'attachment.network-card-index': of((attachment) => attachment.networkCardIndex),
    'attachment.delete-on-termination': of((attachment) => attachment.deleteOnTermination),
    'attachment.attach-time': of((attachment) => new Date(attachment.attachedAt).toISOString()),
    'attachment.status': of(() => 'attached'),
  };
}
