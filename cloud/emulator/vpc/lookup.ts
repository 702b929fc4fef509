import { Ec2Error } from '../ec2-error.ts';
import { required } from './parameters.ts';
import type { PersistentMap } from './persistent-map.ts';
import type {
  InstanceRecord,
  InterfaceRecord,
  Resource,
  SecurityGroupRecord,
  SubnetRecord,
  VpcRecord,
  VpcState,
} from './state.ts';

/** How EC2 speaks of one kind of resource when an id is wrong. */
interface Kind {
  readonly prefix: string;
  readonly malformed: string;
  readonly notFound: string;
  readonly missing: (ids: readonly string[]) => string;
}

const one =
  (noun: string) =>
  (ids: readonly string[]): string =>
    `The ${noun} ID '${ids.join(', ')}' does not exist`;

const VPC: Kind = {
  prefix: 'vpc',
  malformed: 'InvalidVpcID.Malformed',
  notFound: 'InvalidVpcID.NotFound',
  missing: one('vpc'),
};
const SUBNET: Kind = {
  prefix: 'subnet',
  malformed: 'InvalidSubnetID.Malformed',
  notFound: 'InvalidSubnetID.NotFound',
  missing: one('subnet'),
};
const GROUP: Kind = {
  prefix: 'sg',
  malformed: 'InvalidGroupId.Malformed',
  notFound: 'InvalidGroup.NotFound',
  missing: (ids) => `The security group '${ids.join(', ')}' does not exist`,
};
const INTERFACE: Kind = {
  prefix: 'eni',
  malformed: 'InvalidNetworkInterfaceID.Malformed',
  notFound: 'InvalidNetworkInterfaceID.NotFound',
  missing: one('networkInterface'),
};
const INSTANCE: Kind = {
  prefix: 'i',
  malformed: 'InvalidInstanceID.Malformed',
  notFound: 'InvalidInstanceID.NotFound',
  missing: (ids) =>
    ids.length === 1
      ? `The instance ID '${ids[0]}' does not exist`
      : `The instance IDs '${ids.join(', ')}' do not exist`,
};
const ATTACHMENT: Kind = {
  prefix: 'eni-attach',
  malformed: 'InvalidNetworkInterfaceAttachmentId.Malformed',
  notFound: 'InvalidAttachmentID.NotFound',
  missing: one('attachment'),
};
const RESERVATION: Kind = {
  prefix: 'scr',
  malformed: 'InvalidSubnetCidrReservationID.Malformed',
  notFound: 'InvalidSubnetCidrReservationID.NotFound',
  missing: one('subnet CIDR reservation'),
};

export const vpcOf = (state: VpcState, id: string | undefined): VpcRecord =>
  find(VPC, state.vpcs, required(id, 'VpcId'));
export const subnetOf = (state: VpcState, id: string | undefined): SubnetRecord =>
  find(SUBNET, state.subnets, required(id, 'SubnetId'));
export const groupOf = (state: VpcState, id: string | undefined): SecurityGroupRecord =>
  find(GROUP, state.securityGroups, required(id, 'GroupId'));
export const interfaceOf = (state: VpcState, id: string | undefined): InterfaceRecord =>
  find(INTERFACE, state.interfaces, required(id, 'NetworkInterfaceId'));
export const instanceOf = (state: VpcState, id: string | undefined): InstanceRecord =>
  find(INSTANCE, state.instances, required(id, 'InstanceId'));

/** The interface that an attachment id belongs to. */
export function interfaceOfAttachment(state: VpcState, id: string | undefined): InterfaceRecord {
  return interfaceOf(state, find(ATTACHMENT, state.attachments, required(id, 'AttachmentId')));
}

/** The subnet that a CIDR reservation id belongs to. */
export function subnetOfReservation(state: VpcState, id: string | undefined): SubnetRecord {
  return subnetOf(state, find(RESERVATION, state.reservations, required(id, 'SubnetCidrReservationId')));
}

export const vpcsNamed = (state: VpcState, ids: readonly string[] | undefined): readonly VpcRecord[] =>
  findAll(VPC, state.vpcs, ids);
export const subnetsNamed = (state: VpcState, ids: readonly string[] | undefined): readonly SubnetRecord[] =>
  findAll(SUBNET, state.subnets, ids);
export const groupsNamed = (state: VpcState, ids: readonly string[] | undefined): readonly SecurityGroupRecord[] =>
  findAll(GROUP, state.securityGroups, ids);
export const interfacesNamed = (state: VpcState, ids: readonly string[] | undefined): readonly InterfaceRecord[] =>
  findAll(INTERFACE, state.interfaces, ids);
export const instancesNamed = (state: VpcState, ids: readonly string[] | undefined): readonly InstanceRecord[] =>
  findAll(INSTANCE, state.instances, ids);

function find<T>(kind: Kind, records: PersistentMap<T>, id: string): T {
  checkForm(kind, id);
  const record = records.get(id);
  if (record === undefined) throw new Ec2Error(kind.notFound, kind.missing([id]));
  return record;
}

/** The records with these ids, or all of them where no id is given; in the order of creation. */
function findAll<T extends Resource>(
  kind: Kind,
  records: PersistentMap<T>,
  ids: readonly string[] | undefined,
): readonly T[] {
  if (ids === undefined || ids.length === 0) return records.values();
  const missing: string[] = [];
  const found: T[] = [];
  for (const id of new Set(ids)) {
    checkForm(kind, id);
    const record = records.get(id);
    if (record === undefined) missing.push(id);
    else found.push(record);
  }
  if (missing.length > 0) throw new Ec2Error(kind.notFound, kind.missing(missing));
  return found;
}

/** EC2 ids end in 8 (old) or 17 hexadecimal digits. */
function checkForm(kind: Kind, id: string): void {
  const digits = id.startsWith(`${kind.prefix}-`) ? id.slice(kind.prefix.length + 1) : '';
  if (!/^([0-9a-f]{8}|[0-9a-f]{17})$/.test(digits)) {
    throw new Ec2Error(kind.malformed, `Invalid id: "${id}" (expecting "${kind.prefix}-...")`);
  }
}
