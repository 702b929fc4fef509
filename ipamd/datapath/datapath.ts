/**
 * What the daemon asks of the kernel. One implementation speaks netlink (`KernelDatapath`); nothing above this line
 * knows a netlink message. Every apply is idempotent; every delete tolerates absence.
 * All failures are `DatapathError`.
 */

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
}

/** One secondary ENI on the host. */
export interface HostInterface {
  readonly id: string;
  readonly mac: string;
  readonly primaryAddress: string;
  readonly subnetCidr: string;
  /** 1 and up; 0 is the primary ENI, which uses table main. */
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
}

export interface PodAttachment {
  readonly containerId: string;
  readonly ifName: string;
  /** Path of the pod's network namespace. */
  readonly netns: string;
  readonly address: string;
  readonly hostIfName: string;
  /** deviceIndex and card of the ENI that the address belongs to (0/0: primary ENI). */
  readonly deviceIndex: number;
  readonly networkCardIndex: number;
  readonly mtu: number;
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
  /** Addresses that our pod table routes to this link. */
  readonly addresses: readonly string[];
}

/** A difference between what was promised and what the kernel has. */
export interface Damage {
  readonly object: string;
  readonly expected: string;
  readonly found: string;
}

export interface Datapath {
  /** Rules, nft table, sysctls. Removes what of ours does not belong. */
  setUpHost(config: HostConfig): Promise<void>;
  /** Waits (netlink multicast, no polling) until a link with this MAC exists; rejects when the signal aborts. */
  waitForLink(mac: string, signal: AbortSignal): Promise<void>;
  /** Address, MTU, up, routing table, rules and mark of one secondary ENI. The link must exist. */
  setUpInterface(networkInterface: HostInterface): Promise<void>;
  /** Removes table, rules and mark of an ENI that leaves; the link may be gone already. */
  tearDownInterface(deviceIndex: number, networkCardIndex: number): Promise<void>;
  addPod(pod: PodAttachment): Promise<PodLinks>;
  /** Removes route at once; the link goes in the background. Works with a namespace that is gone, twice, and by name and address alone. */
  deletePod(pod: { readonly hostIfName: string; readonly addresses: readonly string[] }): Promise<void>;
  /** Empty when the kernel holds all that was promised for this pod. */
  checkPod(pod: PodAttachment): Promise<readonly Damage[]>;
  listPods(): Promise<readonly KernelPod[]>;
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
