/**
 * The port to the cloud. One method per EC2 call that the daemon needs; nouns and verbs are the EC2 API's.
 *
 * Promises of every implementation (test/conformance/cloud-provider holds them):
 * - every refusal is a `CloudError`; nothing else is thrown;
 * - deletes and detaches of what is already gone fail with `not-found` (the caller decides that this is success);
 * - `clientToken` makes createNetworkInterface idempotent; assigns are not idempotent: after `unavailable` or
 *   `aborted` the caller must describe the interface to learn what happened;
 * - lists are complete: paging is the implementation's business.
 */

export interface CallOptions {
  /** Ends the call; it then fails with `aborted`. */
  readonly signal?: AbortSignal | undefined;
  /** Why the call is made, e.g. `start`, `below-warm-ip-target`; goes to the call ledger and the metrics. */
  readonly cause: string;
}

export type Tags = Readonly<Record<string, string>>;

export interface NetworkInterfaceDescription {
  readonly id: string;
  readonly subnetId: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly mac: string;
  readonly description: string;
  /** `interface`, `efa`, `efa-only`, `trunk`, `branch` ... as EC2 says. */
  readonly interfaceType: string;
  readonly status: 'available' | 'associated' | 'attaching' | 'in-use' | 'detaching';
  readonly primaryAddress: string;
  /** Without the primary address. */
  readonly secondaryAddresses: readonly string[];
  readonly ipv4Prefixes: readonly string[];
  readonly ipv6Addresses: readonly string[];
  readonly ipv6Prefixes: readonly string[];
  readonly securityGroupIds: readonly string[];
  readonly tags: Tags;
  readonly attachment: InterfaceAttachment | undefined;
}

export interface InterfaceAttachment {
  readonly attachmentId: string;
  readonly instanceId: string;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly deleteOnTermination: boolean;
  readonly status: 'attaching' | 'attached' | 'detaching' | 'detached';
}

export interface SubnetDescription {
  readonly id: string;
  readonly vpcId: string;
  readonly availabilityZone: string;
  readonly cidr: string;
  readonly ipv6Cidrs: readonly string[];
  readonly availableAddresses: number;
  readonly tags: Tags;
}

export interface InstanceTypeDescription {
  readonly instanceType: string;
  readonly hypervisor: 'nitro' | 'xen' | 'unknown';
  readonly bareMetal: boolean;
  readonly ipv4PerInterface: number;
  readonly ipv6PerInterface: number;
  readonly ipv6Supported: boolean;
  readonly defaultNetworkCardIndex: number;
  readonly networkCards: readonly { readonly networkCardIndex: number; readonly maximumInterfaces: number }[];
}

/** EC2 filters: a name and the values of which one must match; `*` and `?` are wildcards. */
export type Filters = Readonly<Record<string, readonly string[]>>;

export interface CreateNetworkInterfaceRequest {
  readonly subnetId: string;
  readonly securityGroupIds: readonly string[];
  readonly description: string;
  readonly tags: Tags;
  readonly clientToken: string;
  /** At most one of these two, not counting 0; neither makes an interface with its primary IPv4 address alone. */
  readonly secondaryAddressCount?: number;
  readonly ipv4PrefixCount?: number;
  /** /80 prefixes beside whatever IPv4 was asked for; the subnet must have an IPv6 CIDR block. */
  readonly ipv6PrefixCount?: number;
}

export interface AssignRequest {
  readonly networkInterfaceId: string;
  /** Exactly one of the following. */
  readonly addressCount?: number;
  readonly prefixCount?: number;
  readonly addresses?: readonly string[];
  readonly prefixes?: readonly string[];
}

/** Only what is new. */
export interface Assigned {
  readonly addresses: readonly string[];
  readonly prefixes: readonly string[];
}

export interface UnassignRequest {
  readonly networkInterfaceId: string;
  readonly addresses?: readonly string[];
  readonly prefixes?: readonly string[];
}

export interface CloudProvider {
  describeNetworkInterfaces(
    request: { readonly ids?: readonly string[]; readonly filters?: Filters },
    options: CallOptions,
  ): Promise<readonly NetworkInterfaceDescription[]>;
  describeSubnets(
    request: { readonly ids?: readonly string[]; readonly filters?: Filters },
    options: CallOptions,
  ): Promise<readonly SubnetDescription[]>;
  describeInstanceTypes(
    request: { readonly instanceTypes: readonly string[] },
    options: CallOptions,
  ): Promise<readonly InstanceTypeDescription[]>;
  createNetworkInterface(
    request: CreateNetworkInterfaceRequest,
    options: CallOptions,
  ): Promise<NetworkInterfaceDescription>;
  attachNetworkInterface(
    request: {
      readonly networkInterfaceId: string;
      readonly instanceId: string;
      readonly deviceIndex: number;
      readonly networkCardIndex: number;
    },
    options: CallOptions,
  ): Promise<{ readonly attachmentId: string }>;
  /** Sets DeleteOnTermination of an attachment, or replaces the security groups. */
  modifyNetworkInterfaceAttribute(
    request: {
      readonly networkInterfaceId: string;
      readonly deleteOnTermination?: { readonly attachmentId: string; readonly value: boolean };
      readonly securityGroupIds?: readonly string[];
    },
    options: CallOptions,
  ): Promise<void>;
  detachNetworkInterface(
    request: { readonly attachmentId: string; readonly force?: boolean },
    options: CallOptions,
  ): Promise<void>;
  deleteNetworkInterface(request: { readonly networkInterfaceId: string }, options: CallOptions): Promise<void>;
  assignPrivateIpAddresses(request: AssignRequest, options: CallOptions): Promise<Assigned>;
  unassignPrivateIpAddresses(request: UnassignRequest, options: CallOptions): Promise<void>;
  assignIpv6Addresses(request: AssignRequest, options: CallOptions): Promise<Assigned>;
  unassignIpv6Addresses(request: UnassignRequest, options: CallOptions): Promise<void>;
  createTags(
    request: { readonly resourceIds: readonly string[]; readonly tags: Tags },
    options: CallOptions,
  ): Promise<void>;
}

/** Who and where this node is, from instance metadata. At most 10 requests, once, at start. */
export interface InstanceIdentity {
  readonly instanceId: string;
  readonly instanceType: string;
  readonly region: string;
  readonly availabilityZone: string;
  readonly primaryMac: string;
  readonly primaryInterfaceId: string;
  readonly primaryAddress: string;
  readonly subnetId: string;
  readonly subnetCidr: string;
  readonly vpcId: string;
  readonly vpcCidrs: readonly string[];
  readonly securityGroupIds: readonly string[];
}

export interface InstanceMetadata {
  identity(options?: { readonly signal?: AbortSignal }): Promise<InstanceIdentity>;
}

/** What instance metadata says of the network of this node; the service is on the node's own link, and no EC2 call. */
export interface NetworkMetadata {
  /** MACs of the attached interfaces, in lower case. One request. */
  macs(options?: { readonly signal?: AbortSignal }): Promise<readonly string[]>;
  /** What may change of an interface and its VPC while the node runs. Two requests. */
  facts(
    mac: string,
    options?: { readonly signal?: AbortSignal },
  ): Promise<{ readonly securityGroupIds: readonly string[]; readonly vpcCidrs: readonly string[] }>;
  /** Every attached interface, without what metadata does not know (tags, type, attachment id). Twelve requests for each. */
  interfaces(options?: { readonly signal?: AbortSignal }): Promise<readonly MetadataInterface[]>;
}

export interface MetadataInterface {
  readonly id: string;
  readonly mac: string;
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly subnetId: string;
  readonly subnetCidr: string;
  readonly subnetIpv6Cidrs: readonly string[];
  readonly vpcId: string;
  /** Empty for an interface without IPv4 addresses. */
  readonly primaryAddress: string;
  readonly secondaryAddresses: readonly string[];
  readonly ipv4Prefixes: readonly string[];
  readonly ipv6Addresses: readonly string[];
  readonly ipv6Prefixes: readonly string[];
  readonly securityGroupIds: readonly string[];
}
