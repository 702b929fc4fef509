/** Another EC2's VPCs, subnets and security groups as places of ours, in which interfaces can be. Pure. */
import { claim, emptySpace } from '../emulator/vpc/address-space.ts';
import { formatCidr4, formatCidr6, parseCidr4, parseCidr6, sizeOf4 } from '../emulator/vpc/cidr.ts';
import type { Context } from '../emulator/vpc/context.ts';
import { emptyIpv6Space } from '../emulator/vpc/ipv6-space.ts';
import { PersistentMap } from '../emulator/vpc/persistent-map.ts';
import type { SecurityGroupRecord, SubnetRecord, VpcRecord, VpcState } from '../emulator/vpc/state.ts';
import type { Seen, SeenGroup, SeenSubnet, SeenVpc } from './look.ts';

/**
 * The state with the places that were seen. What interfaces hold of a subnet stays; a subnet that is gone goes when none
 * of ours is in it any more. The same state where nothing has changed.
 */
export function adoptPlaces(state: VpcState, seen: Seen, context: Context): VpcState {
  const vpcs = replaced(
    state.vpcs,
    seen.vpcs.flatMap((vpc) => vpcRecord(state.vpcs.get(vpc.id), vpc, context) ?? []),
  );
  const groups = seen.groups.map((group) => groupRecord(state.securityGroups.get(group.id), group, context));
  const subnets = seen.subnets.flatMap((subnet) => subnetRecord(state.subnets.get(subnet.id), subnet, context) ?? []);
  const held = state.subnets.values().filter((subnet) => subnet.interfaceCount > 0);
  const missed = held.filter((subnet) => !subnets.some(({ id }) => id === subnet.id));
  const next = {
    ...state,
    vpcs,
    securityGroups: replaced(state.securityGroups, groups),
    subnets: replaced(state.subnets, [...subnets, ...missed]),
  };
  const same =
    next.vpcs === state.vpcs && next.securityGroups === state.securityGroups && next.subnets === state.subnets;
  return same ? state : next;
}

/** The map itself where it holds these very records already. */
function replaced<T extends { readonly id: string }>(known: PersistentMap<T>, records: readonly T[]): PersistentMap<T> {
  if (known.size === records.length && records.every((record) => known.get(record.id) === record)) return known;
  return records.reduce((map, record) => map.set(record.id, record), PersistentMap.empty<T>());
}

function vpcRecord(known: VpcRecord | undefined, seen: SeenVpc, context: Context): VpcRecord | undefined {
  const cidrs = seen.cidrs.flatMap((text) => parseCidr4(text) ?? []);
  const ipv6Cidrs = seen.ipv6Cidrs.flatMap((text) => parseCidr6(text) ?? []);
  if (cidrs.length === 0) return undefined;
  const same =
    known !== undefined &&
    String(known.cidrs.map((held) => formatCidr4(held.cidr))) === String(cidrs.map(formatCidr4)) &&
    String(known.ipv6Cidrs.map((held) => formatCidr6(held.cidr))) === String(ipv6Cidrs.map(formatCidr6));
  if (same) return known;
  const associate = <C>(cidr: C) => ({ associationId: context.identities.next('vpc-cidr-assoc').id, cidr });
  return {
    id: seen.id,
    order: known?.order ?? context.identities.next('vpc').order,
    tags: {},
    cidrs: cidrs.map(associate),
    ipv6Cidrs: ipv6Cidrs.map(associate),
    tenancy: 'default',
  };
}

function groupRecord(known: SecurityGroupRecord | undefined, seen: SeenGroup, context: Context): SecurityGroupRecord {
  if (known !== undefined) return known;
  return { ...seen, order: context.identities.next('sg').order, tags: {} };
}

function subnetRecord(known: SubnetRecord | undefined, seen: SeenSubnet, context: Context): SubnetRecord | undefined {
  const cidr = parseCidr4(seen.cidr);
  if (cidr === undefined || cidr.length > 28) return undefined;
  const ipv6 = known?.ipv6 ?? ipv6Of(seen);
  if (known !== undefined) return ipv6 === known.ipv6 ? known : { ...known, ipv6 };
  const size = sizeOf4(cidr);
  const reserved = [
    { offset: 0, size: 4 },
    { offset: size - 1, size: 1 },
  ];
  return {
    id: seen.id,
    order: context.identities.next('subnet').order,
    tags: {},
    vpcId: seen.vpcId,
    zone: seen.zone,
    cidr,
    space: claim(emptySpace(size), reserved),
    ipv6,
    reservations: [],
    interfaceCount: 0,
  };
}

/** The /64 that is emulated; larger blocks are not. */
function ipv6Of(seen: SeenSubnet): SubnetRecord['ipv6'] {
  const cidr = seen.ipv6 === undefined ? undefined : parseCidr6(seen.ipv6.cidr);
  if (seen.ipv6 === undefined || cidr?.length !== 64) return undefined;
  return { associationId: seen.ipv6.associationId, cidr, space: emptyIpv6Space() };
}
