/**
 * What the daemon asks of the kernel. One implementation speaks netlink (`KernelDatapath`); nothing above this line
 * knows a netlink message. Every apply is idempotent; every delete tolerates absence.
 * All failures are `DatapathError`.
 */

import type { Bandwidth, PortMapping } from '#cni/spec/runtime-config.ts';
import type { Family } from '#warm-pool/model.ts';

/** Numbers and marks by which everything of ours is recognised in the kernel; the README of this folder explains each. */
export interface OwnershipMarks {
  /** rtm_protocol of our routes and FRA_PROTOCOL of our rules. */
  readonly protocol: number;
  /** IFLA_GROUP of our veths: `groupBase + interface index`, `groupMask` selects the base. */
  readonly groupBase: number;
  readonly groupMask: number;
  /** Packet-mark bits that choose the ENI's table. Must not touch 0x80, 0x4000, 0x8000. */
  readonly eniMarkMask: number;
  /** Connection-mark bit for flows that must use the primary ENI (AWS_VPC_K8S_CNI_CONNMARK). */
  readonly connmark: number;
  /** Routing table that holds one route for each local pod. */
  readonly podTable: number;
  /** nftables table name, family inet. */
  readonly nftTable: string;
}

export interface HostConfig {
  readonly primaryMac: string;
  readonly primaryAddress: string;
  /** Destinations that are reached with the pod's own address, without SNAT: VPC CIDRs and exclusions. */
  readonly noSnatCidrs: readonly string[];
  /** AWS_VPC_K8S_CNI_EXTERNALSNAT: somebody else translates; no SNAT here. */
  readonly externalSnat: boolean;
  readonly randomizeSnat: 'prng' | 'hashrandom' | 'none';
  readonly nodePortSupport: boolean;
  readonly eniMtu: number;
  /** Pods of an earlier life of the daemon whose host ports stay published; those that are known already need not be named. */
  readonly publishing?: readonly Pick<PodAttachment, 'hostIfName' | 'addresses' | 'portMappings'>[];
  /** Families that pods get; IPv4 alone unless told. Pods that are there already keep their way whatever this says. */
  readonly family?: Family;
  /** The primary ENI's first own IPv6 address, which must be on its link; none if it has none. */
  readonly primaryIpv6Address?: string | undefined;
  /** ENABLE_V4_EGRESS: pods with nothing but IPv6 reach IPv4 by the node's address. Off unless told. */
  readonly ipv4Egress?: boolean;
  /** ENABLE_POD_ENI: how pods with branch ENIs are attached; none are expected unless told. */
  readonly branchMode?: 'strict' | 'standard' | undefined;
  /** DISABLE_TCP_EARLY_DEMUX: else the kernel drops what strict branch pods answer to the node's own connections. */
  readonly disableTcpEarlyDemux?: boolean;
  /** ENABLE_V6_EGRESS: pods with nothing but IPv4 reach IPv6 by the node's address, if it has one. Off unless told. */
  readonly ipv6Egress?: boolean;
  /** AWS_EXTERNAL_SERVICE_CIDRS: destinations of either family to which pods go by table main, whichever ENI they are on. */
  readonly externalServiceCidrs?: readonly string[];
  /** DISABLE_POD_V6: IPv6 is switched off in the namespaces of pods that have no IPv6 address. Off unless told. */
  readonly disablePodIpv6?: boolean;
}

/** One secondary ENI on the host. */
export interface HostInterface {
  readonly id: string;
  readonly mac: string;
  readonly primaryAddress: string;
  readonly subnetCidr: string;
  /** Its own IPv6 address, if it has one; pods' addresses come from its prefixes. */
  readonly ipv6Address?: string | undefined;
  /** 1 and up; 0 is the primary ENI, which uses table main. */
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
}

export interface PodAttachment {
  readonly containerId: string;
  readonly ifName: string;
  /** Path of the pod's network namespace. */
  readonly netns: string;
  /** One or two addresses, at most one of each family, IPv4 first; the pod gets each with a default route of its family. */
  readonly addresses: readonly string[];
  readonly hostIfName: string;
  /** deviceIndex and card of the ENI that the address belongs to (0/0: primary ENI). */
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly mtu: number;
  /**
   * Which interface of a pod with several this is, 1 to 30; absent or 0 is the one that its default routes in table main use.
   * Another one has gateways and a table of this number, for what is sent from its addresses.
   */
  readonly index?: number;
  /** Ports of the node that lead to this pod; nobody else has them (`host-port/published.ts` tells who has). */
  readonly portMappings?: readonly PortMapping[];
  /** Limits of what the pod receives and sends; they have passed `bandwidth/limits.ts`. */
  readonly bandwidth?: Bandwidth;
  /** Set where the pod has an ENI of its own; device and card are then 0. */
  readonly branch?: BranchInterface | undefined;
  /** Of both ends of a link that another CNI made (`adoptPod`); derived from the container where absent. */
  readonly macs?: LinkMacs | undefined;
}

/** The hardware addresses of a pod's link, in lower case. */
export interface LinkMacs {
  readonly host: string;
  readonly pod: string;
}

/** The ENI of a pod that has one of its own, on a trunk (VPC resource controller, annotation vpc.amazonaws.com/pod-eni). */
export interface BranchInterface {
  readonly mac: string;
  /** 1 to 4094, once on a trunk. */
  readonly vlanId: number;
  /** MAC of the trunk ENI, whose link must be there. */
  readonly trunkMac: string;
  /** Of its IPv4 subnet; needed where the pod has an IPv4 address. */
  readonly subnetCidr?: string | undefined;
  /** POD_SECURITY_GROUP_ENFORCING_MODE. */
  readonly mode: 'strict' | 'standard';
}

/** A branch pod as the kernel shows it; without `vlanId` its VLAN link is gone, without an address its own. */
export interface KernelBranchPod extends KernelPod {
  readonly mode: BranchInterface['mode'];
  readonly vlanId?: number;
  readonly mac?: string;
}

/** What is known of a pod that goes. */
export interface PodRemoval {
  readonly hostIfName: string;
  readonly addresses: readonly string[];
  /** Another CNI plumbed it: its rules and routes for the addresses go; its link goes with the pod's namespace. */
  readonly plumbedBy?: 'amazon-vpc-cni' | undefined;
}

/** What was made, for the CNI result. */
export interface PodLinks {
  readonly hostIfName: string;
  readonly hostMac: string;
  readonly containerMac: string;
}

/** A pod link as the kernel shows it: found by our link group, identified by our alias. */
export interface KernelPod {
  readonly hostIfName: string;
  readonly ifIndex: number;
  /** `<containerId>/<ifName>` from the link's alias; empty if the alias is missing. */
  readonly key: string;
  /** Addresses that our pod table routes to this link, without helper addresses for egress. */
  readonly addresses: readonly string[];
  /** Ports of the node that lead to one of them; absent where there are none. */
  readonly portMappings?: readonly PortMapping[];
}

/** A difference between what was promised and what the kernel has. */
export interface Damage {
  readonly object: string;
  readonly expected: string;
  readonly found: string;
}

/** What drift is counted by: the kind of object. */
export type DriftKind = 'link' | 'address' | 'sysctl' | 'rule' | 'route' | 'neighbour' | 'qdisc' | 'nft';

/** Something of ours that somebody else changed, and what became of it. */
export interface Drift extends Damage {
  readonly kind: DriftKind;
  /**
   * `held-back`: repaired so often that the next repair waits; `failed`: the kernel refused; `missing`: a link that is gone,
   * which is left to DEL, GC and the cloud. These three are told once, until the object is as it should be again.
   */
  readonly outcome: 'repaired' | 'held-back' | 'failed' | 'missing';
  /** Why it failed. */
  readonly error?: string;
  /** When it is tried again. */
  readonly retryInMs?: number;
}

/** What was found at one moment. */
export interface DriftReport {
  readonly drifts: readonly Drift[];
  /** Processes that may have done it: those that the kernel named, and those that are known for it and run here. */
  readonly culprits: readonly string[];
  /** Why the kernel could not be compared; it will be tried again. */
  readonly failure?: string;
}

/** Repairs for as long as it is not disposed of. */
export interface DriftRepair extends AsyncDisposable {
  /** How many objects are not as they should be now, and left so. */
  unrepaired(): ReadonlyMap<DriftKind, number>;
  /** How often the kernel was compared with what it should hold. */
  readonly comparisons: number;
}

/** A pod of an earlier life of the daemon. Its link stays as it is in what is not named here. */
export type KeptPod = Pick<
  PodAttachment,
  'containerId' | 'ifName' | 'hostIfName' | 'addresses' | 'portMappings' | 'macs' | 'branch'
> & {
  /** The ENI that its address belongs to; undefined where that is not known. */
  readonly place: Pick<PodAttachment, 'deviceIndex' | 'networkCardIndex'> | undefined;
};

/** A pod of amazon-vpc-cni-k8s that becomes one of ours. */
export type AdoptedPod = Pick<
  PodAttachment,
  'containerId' | 'ifName' | 'hostIfName' | 'addresses' | 'deviceIndex' | 'networkCardIndex'
>;

/** An object of amazon-vpc-cni-k8s on the host, in words of `ip` and `nft`. */
export interface PeerRemain {
  readonly what: string;
  /** Who would lose something without it; undefined: nobody. */
  readonly neededBy: string | undefined;
}

export interface Datapath {
  /** Rules, nft table, sysctls. Removes what of ours does not belong. */
  setUpHost(config: HostConfig): Promise<void>;
  /** Waits (netlink multicast, no polling) until a link with this MAC exists; rejects when the signal aborts. */
  waitForLink(mac: string, signal: AbortSignal): Promise<void>;
  /**
   * Calls the listener, within a second, after a link that could be an ENI came, changed or went (netlink multicast; the
   * links of pods are none). Absent where a datapath cannot tell.
   */
  watchLinks?(listener: () => void): AsyncDisposable;
  /** MACs of the links that could be ENIs, in lower case. */
  listLinks?(): Promise<readonly string[]>;
  /** Address, MTU, up, routing table, rules and mark of one secondary ENI. The link must exist. */
  setUpInterface(networkInterface: HostInterface): Promise<void>;
  /** Removes table, rules and mark of an ENI that leaves; the link may be gone already. */
  tearDownInterface(deviceIndex: number, networkCardIndex: number): Promise<void>;
  addPod(pod: PodAttachment): Promise<PodLinks>;
  /** Removes route at once; the link goes in the background. Works with a namespace that is gone, twice, and by name and address alone. */
  deletePod(pod: PodRemoval): Promise<void>;
  /** Empty when the kernel holds all that was promised for this pod. */
  checkPod(pod: PodAttachment): Promise<readonly Damage[]>;
  /** Pods with addresses of the pool; those with branch ENIs are not among them. */
  listPods(): Promise<readonly KernelPod[]>;
  /** Tells of pods that run since before this datapath was opened, so that their share of the host is repaired, too. */
  keepPods?(pods: readonly KeptPod[]): Promise<void>;
  /**
   * Turns the link that amazon-vpc-cni-k8s made for a pod into one of ours, without touching the pod's namespace and without
   * a moment in which a packet of the pod has no way; then takes the peer's rules and route away. The pod's ENI must be set
   * up. Rejects with `no-such-link` where the link is gone. Safe to repeat. Absent where a datapath cannot.
   */
  adoptPod?(pod: AdoptedPod): Promise<LinkMacs>;
  /**
   * What amazon-vpc-cni-k8s left on the host: rules and nf_tables objects. With `remove`, what nothing needs is taken away, and
   * what is told was there before. Absent where a datapath cannot tell.
   */
  peerRemains?(how: { readonly remove: boolean }): Promise<readonly PeerRemain[]>;
  /**
   * From now on, what others take away or change of ours is put back within a second. The reporter is told afterwards.
   * Absent where a datapath cannot.
   */
  repairDrift?(report: (report: DriftReport) => void): DriftRepair;
  /** Pods with ENIs of their own, also those of which parts are gone. Absent where a datapath knows none. */
  listBranchPods?(): Promise<readonly KernelBranchPod[]>;
  /** Resolves when every background removal has finished. */
  settled(): Promise<void>;
  /** Removes everything of ours from the host: pods' links and routes, tables, rules, nft table. */
  cleanUp(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type DatapathErrorCode =
  /** CNI_NETNS is not there or is not a network namespace. */
  | 'no-such-netns'
  /** The interface name exists already in the pod's namespace. */
  | 'name-in-use'
  /** The ENI's link is not on this host. */
  | 'no-such-link'
  /** EPERM. */
  | 'not-permitted'
  /** Anything else that the kernel refused; errno and extended-ack text are in the message. */
  | 'kernel-refused';

export class DatapathError extends Error {
  readonly code: DatapathErrorCode;
  readonly errno: string | undefined;
  constructor(
    code: DatapathErrorCode,
    message: string,
    options: { readonly errno?: string; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'DatapathError';
    this.code = code;
    this.errno = options.errno;
  }
}
