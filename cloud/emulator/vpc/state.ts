import type { Tags } from '#cloud/provider.ts';
import type { AddressSpace } from './address-space.ts';
import type { Cidr4, Cidr6 } from './cidr.ts';
import type { Ipv6Space } from './ipv6-space.ts';
import { PersistentMap } from './persistent-map.ts';

/** How addresses are chosen when a request leaves the choice to EC2. */
export type Placement = 'lowest' | 'random';

/** Whatever has an id and tags. `order` grows with creation; Describes answer in this order. */
export interface Resource {
  readonly id: string;
  readonly order: number;
  readonly tags: Tags;
}

export interface VpcRecord extends Resource {
  readonly cidrs: readonly CidrAssociation<Cidr4>[];
  readonly ipv6Cidrs: readonly CidrAssociation<Cidr6>[];
  readonly tenancy: 'default' | 'dedicated';
}

export interface CidrAssociation<C> {
  readonly associationId: string;
  readonly cidr: C;
}

export interface SubnetRecord extends Resource {
  readonly vpcId: string;
  readonly zone: string;
  readonly cidr: Cidr4;
  readonly space: AddressSpace;
  readonly ipv6: (CidrAssociation<Cidr6> & { readonly space: Ipv6Space }) | undefined;
  readonly reservations: readonly ReservationRecord[];
  /** Interfaces in the subnet; it cannot be deleted while there are any. */
  readonly interfaceCount: number;
}

/** A subnet CIDR reservation; exactly one of `cidr` and `ipv6Cidr` is set. */
export interface ReservationRecord extends Resource {
  readonly subnetId: string;
  readonly cidr: Cidr4 | undefined;
  readonly ipv6Cidr: Cidr6 | undefined;
  readonly type: 'prefix' | 'explicit';
  readonly description: string;
}

export interface SecurityGroupRecord extends Resource {
  readonly vpcId: string;
  readonly name: string;
  readonly description: string;
}

/** `efa-only` interfaces carry no address at all. */
export type InterfaceType = 'interface' | 'efa' | 'efa-only' | 'trunk' | 'branch';

export interface InterfaceRecord extends Resource {
  readonly subnetId: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly mac: string;
  readonly description: string;
  readonly interfaceType: InterfaceType;
  readonly sourceDestCheck: boolean;
  readonly groups: readonly string[];
  /** The primary address first. */
  readonly addresses: readonly number[];
  /** First addresses of /28 prefixes. */
  readonly prefixes: readonly number[];
  readonly ipv6Addresses: readonly bigint[];
  /** First addresses of /80 prefixes. */
  readonly ipv6Prefixes: readonly bigint[];
  readonly attachment: AttachmentRecord | undefined;
}

export interface AttachmentRecord {
  readonly id: string;
  readonly instanceId: string;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly deleteOnTermination: boolean;
  readonly attachedAt: number;
}

export interface InstanceRecord extends Resource {
  readonly reservationId: string;
  readonly instanceType: string;
  readonly imageId: string;
  readonly keyName: string | undefined;
  readonly userData: string | undefined;
  readonly clientToken: string | undefined;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly zone: string;
  readonly launchIndex: number;
  readonly launchedAt: number;
  /** Set once the instance is terminated; it is then described for an hour more. */
  readonly terminatedAt: number | undefined;
  /** Attached interfaces, in the order of attachment. */
  readonly interfaceIds: readonly string[];
}

/** What a client token was used for (EC2: "Ensuring idempotency"). */
export interface TokenRecord {
  readonly fingerprint: string;
  readonly output: unknown;
  readonly usedAt: number;
}

/** All that the region holds. Immutable: an older value stays valid and can still be described. */
export interface VpcState {
  readonly vpcs: PersistentMap<VpcRecord>;
  readonly subnets: PersistentMap<SubnetRecord>;
  readonly securityGroups: PersistentMap<SecurityGroupRecord>;
  readonly interfaces: PersistentMap<InterfaceRecord>;
  readonly instances: PersistentMap<InstanceRecord>;
  /** Attachment id to interface id. */
  readonly attachments: PersistentMap<string>;
  /** Reservation id to subnet id. */
  readonly reservations: PersistentMap<string>;
  /** Action and client token to what was answered. */
  readonly tokens: PersistentMap<TokenRecord>;
}

/** A region without anything in it, not even a default VPC. */
export function emptyState(): VpcState {
  return {
    vpcs: PersistentMap.empty(),
    subnets: PersistentMap.empty(),
    securityGroups: PersistentMap.empty(),
    interfaces: PersistentMap.empty(),
    instances: PersistentMap.empty(),
    attachments: PersistentMap.empty(),
    reservations: PersistentMap.empty(),
    tokens: PersistentMap.empty(),
  };
}
