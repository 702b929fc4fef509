/**
 * The nouns of the warm pool: what a node holds, what it should hold, and what is being done about it.
 *
 * Everything here is plain, readonly, JSON-serialisable data. Addresses and CIDRs are strings in canonical text form
 * (RFC 5952 for IPv6); they are parsed once at the edge. Times are milliseconds since the Unix epoch.
 */

import type { PlanConstraint } from './plan-constraints.ts';

/** Identifies one network attachment of a container, as the CNI spec does (SPEC.md, "attachment"). */
export interface Attachment {
  readonly networkName: string;
  readonly containerId: string;
  readonly ifName: string;
}

/** What is known of the pod behind an attachment; informative only, never a key. */
export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** How addresses are taken from EC2: one secondary address at a time, or as /28 prefixes. */
export type AllocationMode = 'address' | 'prefix';

/**
 * Which addresses a pod gets: an IPv4 address, an IPv6 address, or (`dual`) one of each from the same interface. IPv6
 * addresses come out of /80 prefixes; `AllocationMode` is about IPv4.
 */
export type Family = 'ipv4' | 'ipv6' | 'dual';

/** What the instance type allows (DescribeInstanceTypes, NetworkInfo). */
export interface InstanceLimits {
  /** Attached interfaces on one network card; already lowered by MAX_ENI. */
  readonly maxInterfaces: number;
  /** Addresses an interface may hold, its primary address included; a /28 prefix takes the room of one address. */
  readonly ipv4PerInterface: number;
  /** Pods that the node may run; no more addresses than this are ever needed. */
  readonly maxPods: number;
}

/** Targets under the peer's names (reference: amazon-vpc-cni-k8s README). `undefined` is "not set". */
export interface WarmTargets {
  readonly warmEniTarget: number;
  readonly warmIpTarget: number | undefined;
  readonly minimumIpTarget: number | undefined;
  readonly warmPrefixTarget: number;
  /** An interface is kept this long after `since`, however little it is used; 60 s where absent. */
  readonly interfaceMinimumAgeMs?: number;
}

/** A range that EC2 has given to an interface: one secondary address (/32) or one prefix (/28). */
export interface AddressBlock {
  readonly cidr: string;
  readonly kind: AllocationMode;
}

/**
 * - `attaching`: created in EC2, but its link is not yet programmed on the node; its addresses cannot be given out.
 * - `ready`: link, address and route table are in place.
 * - `draining`: its removal is under way; its addresses must not be given out.
 */
export type InterfacePhase = 'attaching' | 'ready' | 'draining';

export interface NetworkInterface {
  readonly id: string;
  readonly subnetId: string;
  readonly mac: string;
  readonly primaryAddress: string;
  readonly isPrimary: boolean;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly attachmentId: string;
  readonly phase: InterfacePhase;
  /** False for an interface that the pool must not touch (tags, trunk, EFA-only): it only takes a slot of its card. */
  readonly managed: boolean;
  /** It has no address and never will (EC2, InterfaceType `efa-only`); a card on which it is alone hosts no pods. */
  readonly efaOnly?: true;
  /**
   * True for an interface that hosts no new pod, because its subnet is excluded: live pods stay, idle addresses and at
   * last the interface go back. Absent is "not said": the ledger then keeps what was said before; at first, false.
   */
  readonly excludedFromPods?: boolean;
  /** When this daemon first saw it; a young interface is not removed. */
  readonly since: number;
  readonly blocks: readonly AddressBlock[];
  /** Its /80 prefixes; absent is none. They take no room of IPv4 addresses, and go with the interface only. */
  readonly ipv6Prefixes?: readonly string[];
  /** Its own first IPv6 address, which is given to no pod; absent where it has none. */
  readonly ipv6Address?: string;
  /** The cloud said that it holds all that it may, although less is known of it: until then it has no room. */
  readonly fullUntil?: number | undefined;
}

/** One address in the hands of one attachment. */
export interface Assignment {
  readonly attachment: Attachment;
  readonly pod: PodReference;
  /** The one by which the pool knows it: IPv4 on an IPv4 or dual-stack node, IPv6 on an IPv6 node. */
  readonly address: string;
  /** The second address, on a dual-stack node: out of a /80 prefix of the same interface. */
  readonly ipv6Address?: string;
  readonly interfaceId: string;
  /** The block the address was taken from. */
  readonly cidr: string;
  readonly assignedAt: number;
}

/** An address that was released and must rest before it is used again. */
export interface CoolDown {
  readonly address: string;
  readonly until: number;
}

/** A subnet in which interfaces may be created. */
export interface Subnet {
  readonly id: string;
  readonly cidr: string;
  readonly availableAddresses: number;
  /** Nothing is asked of this subnet before this time, because it refused; 0 where it did not. */
  readonly backOffUntil: number;
  /** Prefixes are not asked of this subnet before this time (InsufficientCidrBlocks); 0 where it never refused one. */
  readonly prefixBackOffUntil: number;
  /** Whether it has an IPv6 CIDR block; absent is not known. */
  readonly hasIpv6?: boolean;
  /** No /80 is asked of this subnet before this time, because it refused one; absent where it did not. */
  readonly ipv6BackOffUntil?: number;
}

/** What the planner sees. Made from the ledger by `snapshot()`. */
export interface Snapshot {
  /** The network card that is planned for; absent is 0. Limits and waiting pods are its own; of the others nothing is judged. */
  readonly networkCardIndex?: number;
  readonly mode: AllocationMode;
  /** Absent is `ipv4`. */
  readonly family?: Family;
  readonly limits: InstanceLimits;
  readonly interfaces: readonly InterfaceUse[];
  /** Best first is not promised; the planner chooses. */
  readonly subnets: readonly Subnet[];
  /** Calls that were sent and not answered yet: the planner never asks twice for what is in flight. */
  readonly inFlight: readonly Action[];
  /** ADD requests that wait for an address. */
  readonly waiting: number;
  /** Set while the cloud refused something for the whole node (throttled, denied, unavailable). */
  readonly cloudBackOffUntil: number;
  /** What else holds actions back; absent is "nothing". */
  readonly constraints?: readonly PlanConstraint[];
}

/** An interface and how its blocks are used. */
export interface InterfaceUse {
  readonly networkInterface: NetworkInterface;
  readonly blocks: readonly BlockUse[];
  /** Absent where it has no /80. */
  readonly ipv6?: readonly Ipv6PrefixUse[];
  /**
   * Pods that had an address of it which it is not known to hold now; absent for none. What is known may be older than
   * they are, so it must not go under them.
   */
  readonly orphans?: number;
}

/** How a /80 is used; it is never full. */
export interface Ipv6PrefixUse {
  readonly cidr: string;
  readonly assigned: number;
  /** The part of `assigned` that belongs to pods without an IPv4 address. */
  readonly alone: number;
  readonly cooling: number;
  /** When the first of its cooling addresses is free again; absent where none cools. */
  readonly coolUntil?: number;
}

export interface BlockUse {
  readonly block: AddressBlock;
  readonly assigned: number;
  readonly cooling: number;
  /** Addresses that can be given out now: block size less assigned less cooling. */
  readonly free: number;
  /** When the first of its cooling addresses is free again; absent where none cools. */
  readonly coolUntil?: number;
}

/** One thing to do in the cloud, as data. `reason` says why in a closed set of codes; `inputs` what it was computed from. */
export type Action =
  | ({
      readonly kind: 'create-interface';
      readonly subnetId: string;
      readonly deviceIndex: number;
      readonly networkCardIndex: number;
      /** How many /80 prefixes the interface is created with; absent is none. */
      readonly ipv6PrefixCount?: number;
    } & Growth)
  | ({ readonly kind: 'assign'; readonly interfaceId: string } & Growth)
  /** One /80 for an interface that has none. */
  | { readonly kind: 'assign-ipv6-prefix'; readonly interfaceId: string; readonly why: Explanation }
  | {
      readonly kind: 'release';
      readonly interfaceId: string;
      readonly cidrs: readonly string[];
      readonly why: Explanation;
    }
  | { readonly kind: 'delete-interface'; readonly interfaceId: string; readonly why: Explanation };

interface Growth {
  /** What is asked for: `count` secondary addresses or `count` prefixes. */
  readonly mode: AllocationMode;
  readonly count: number;
  readonly why: Explanation;
}

/** Something the planner would do and cannot, or need not do now. */
export interface Refusal {
  readonly why: Explanation;
  /** When it is worth planning again, if that is known. */
  readonly retryAt: number | undefined;
}

export interface Explanation {
  readonly reason: ReasonCode;
  readonly inputs: Readonly<Record<string, number | string>>;
}

export type ReasonCode =
  | 'below-warm-ip-target'
  | 'below-minimum-ip-target'
  | 'below-warm-eni-target'
  | 'below-warm-prefix-target'
  | 'pods-waiting'
  | 'no-ipv6-prefix'
  | 'above-warm-ip-target'
  | 'above-warm-eni-target'
  | 'above-warm-prefix-target'
  | 'wrong-mode'
  | 'interface-excluded'
  | 'interface-not-needed'
  | 'interrupted-deletion'
  | 'interface-limit'
  | 'address-limit'
  | 'subnet-exhausted'
  | 'no-free-prefix'
  | 'no-ipv6-cidr'
  | 'ipv6-back-off'
  | 'cloud-back-off'
  | 'provisioning-disabled'
  | 'node-unschedulable'
  | 'eniconfig-unknown'
  | 'eniconfig-unusable'
  | 'max-pods-reached'
  | 'interface-too-young'
  | 'cooling-down';

export interface Plan {
  readonly actions: readonly Action[];
  readonly refusals: readonly Refusal[];
  /** The earliest time at which time alone (a cool-down, a back-off, an age) changes the plan. */
  readonly wakeAt: number | undefined;
}
