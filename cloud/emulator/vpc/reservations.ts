import type { SubnetCidrReservation } from '@aws-sdk/client-ec2';
import { Ec2Error } from '../ec2-error.ts';
import type { AddressRange } from './address-space.ts';
import {
  contains4,
  contains6,
  formatCidr4,
  formatCidr6,
  overlaps4,
  overlaps6,
  parseCidr4,
  parseCidr6,
  sizeOf4,
} from './cidr.ts';
import type { Context } from './context.ts';
import type { FilterTable } from './filters.ts';
import { applyFilters } from './filters.ts';
import { subnetOf, subnetOfReservation } from './lookup.ts';
import { pageOf } from './paging.ts';
import { invalidValue, required } from './parameters.ts';
import type { ReservationRecord, SubnetRecord } from './state.ts';
import { tagsFor, tagSetOf } from './tag-sets.ts';
import type { Query, Transition } from './transition.ts';

export const createSubnetCidrReservation: Transition<'CreateSubnetCidrReservation'> = (state, input, context) => {
  const subnet = subnetOf(state, input.SubnetId);
  const type = required(input.ReservationType, 'ReservationType');
  if (type !== 'prefix' && type !== 'explicit')
    throw invalidValue('ReservationType', type, 'Expecting prefix or explicit.');
  const reservation: ReservationRecord = {
    ...reservedBlock(subnet, required(input.Cidr, 'Cidr')),
    ...context.identities.next('scr'),
    tags: tagsFor(input.TagSpecifications, 'subnet-cidr-reservation'),
    subnetId: subnet.id,
    type,
    description: input.Description ?? '',
  };
  const changed = { ...subnet, reservations: [...subnet.reservations, reservation] };
  return {
    state: {
      ...state,
      subnets: state.subnets.set(subnet.id, changed),
      reservations: state.reservations.set(reservation.id, subnet.id),
    },
    output: { SubnetCidrReservation: describeReservation(reservation, context) },
  };
};

export const deleteSubnetCidrReservation: Transition<'DeleteSubnetCidrReservation'> = (state, input, context) => {
  const subnet = subnetOfReservation(state, input.SubnetCidrReservationId);
  const reservation = subnet.reservations.find((held) => held.id === input.SubnetCidrReservationId)!;
  const changed = { ...subnet, reservations: subnet.reservations.filter((held) => held !== reservation) };
  return {
    state: {
      ...state,
      subnets: state.subnets.set(subnet.id, changed),
      reservations: state.reservations.delete(reservation.id),
    },
    output: { DeletedSubnetCidrReservation: describeReservation(reservation, context) },
  };
};

export const getSubnetCidrReservations: Query<'GetSubnetCidrReservations'> = (state, input, context) => {
  const subnet = subnetOf(state, input.SubnetId);
  const chosen = applyFilters(subnet.reservations, input.Filters, RESERVATION_FILTERS, (held) => held.tags);
  const rules = { action: 'GetSubnetCidrReservations', byId: false, largest: 1000 };
  const page = pageOf(chosen, (held) => held.order, input, rules);
  const described = page.items.map((held) => describeReservation(held, context));
  return {
    SubnetIpv4CidrReservations: described.filter((_, index) => page.items[index]!.cidr !== undefined),
    SubnetIpv6CidrReservations: described.filter((_, index) => page.items[index]!.ipv6Cidr !== undefined),
    NextToken: page.nextToken,
  };
};

/** The IPv4 ranges of a subnet that are reserved for one purpose. */
export function reservedRanges(subnet: SubnetRecord, type?: 'prefix' | 'explicit'): readonly AddressRange[] {
  return subnet.reservations
    .filter((held) => type === undefined || held.type === type)
    .flatMap((held) =>
      held.cidr === undefined ? [] : [{ offset: held.cidr.base - subnet.cidr.base, size: sizeOf4(held.cidr) }],
    );
}

const RESERVATION_FILTERS: FilterTable<ReservationRecord> = {
  reservationType: (held) => [held.type],
  'subnet-id': (held) => [held.subnetId],
};

function reservedBlock(subnet: SubnetRecord, text: string): Pick<ReservationRecord, 'cidr' | 'ipv6Cidr'> {
  const cidr = parseCidr4(text);
  if (cidr !== undefined) {
    if (!contains4(subnet.cidr, cidr)) throw outside(subnet, text);
    if (subnet.reservations.some((held) => held.cidr !== undefined && overlaps4(held.cidr, cidr))) throw taken(text);
    return { cidr, ipv6Cidr: undefined };
  }
  const ipv6Cidr = parseCidr6(text);
  if (ipv6Cidr === undefined) throw invalidValue('cidr', text, 'This is not a valid CIDR block.');
  if (subnet.ipv6 === undefined || !contains6(subnet.ipv6.cidr, ipv6Cidr)) throw outside(subnet, text);
  if (subnet.reservations.some((held) => held.ipv6Cidr !== undefined && overlaps6(held.ipv6Cidr, ipv6Cidr)))
    throw taken(text);
  return { cidr: undefined, ipv6Cidr };
}

function outside(subnet: SubnetRecord, text: string): Ec2Error {
  return invalidValue('cidr', text, `It is not within the CIDR block of '${subnet.id}'.`);
}

function taken(text: string): Ec2Error {
  return new Ec2Error('InvalidParameterValue', `The CIDR '${text}' overlaps with an existing subnet CIDR reservation`);
}

function describeReservation(held: ReservationRecord, context: Context): SubnetCidrReservation {
  return {
    SubnetCidrReservationId: held.id,
    SubnetId: held.subnetId,
    Cidr: held.cidr === undefined ? formatCidr6(held.ipv6Cidr!) : formatCidr4(held.cidr),
    ReservationType: held.type,
    OwnerId: context.accountId,
    Description: held.description,
    Tags: tagSetOf(held.tags),
  };
}
