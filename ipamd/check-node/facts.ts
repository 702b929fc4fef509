/**
 * What is known of a node at one moment: plain JSON, collected live or read out of a bundle. The rules of `doctor` judge this
 * document and nothing else, so that `analyze` finds the same.
 */
import type { KernelFacts } from './kernel-facts.ts';
import type { NftRuleset } from './nft-ruleset.ts';

export const FACTS_VERSION = 2;

/** Something that could be found out, or why not. */
export type Known<T> = { readonly value: T } | { readonly unknown: string };

export function valueOr<T, D>(known: Known<T>, otherwise: D): T | D {
  return 'value' in known ? known.value : otherwise;
}

/** A process that shares the node's network namespace. */
export interface ProcessFact {
  readonly pid: number;
  /** /proc/PID/comm, at most 15 bytes. */
  readonly name: string;
}

/** A file, link or directory; `null` in a list of files where it is not there. */
export interface FileFact {
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'socket' | 'other';
  /** Permission bits. */
  readonly mode: number;
  readonly bytes: number;
}

/** A file of the runtime's CNI directory. */
export interface ConflistFact {
  readonly file: string;
  /** Plugin types in order; undefined: no JSON that a runtime understands. */
  readonly types: readonly string[] | undefined;
  readonly name: string | undefined;
  /** Of our plugin: the socket that the binary asks. */
  readonly socketPath: string | undefined;
}

export interface SoftwareFacts {
  /** Programs known to take away what others put into the kernel, in this network namespace. */
  readonly running: readonly ProcessFact[];
  /** Whether the processes of the whole node are seen (shareProcessNamespace, hostPID), or those of a container alone. */
  readonly seesHost: boolean;
  /** Units that systemd starts, of those that matter (links in *.wants). */
  readonly enabledUnits: readonly string[];
  /** networkd.conf and its drop-ins: `ManageForeignRoutingPolicyRules` and `ManageForeignRoutes`; undefined: not set. */
  readonly networkd: Readonly<Record<string, string>>;
  /** `unmanaged-devices` of NetworkManager's configuration. */
  readonly unmanagedDevices: readonly string[];
  /** Files of amazon-ec2-net-utils. */
  readonly netUtils: readonly string[];
}

export interface CniFacts {
  readonly confDirectory: string;
  readonly binDirectory: string;
  readonly conflists: Known<readonly ConflistFact[]>;
  /** Our binary; null where it is not there. */
  readonly binary: Known<FileFact | null>;
  /** What it says to VERSION; unknown where it was not asked or said nothing. */
  readonly speaks: Known<readonly string[]>;
}

/** How an endpoint of the daemon answers. */
export type Reach = { readonly ok: true; readonly ms: number } | { readonly ok: false; readonly why: string };

export interface DaemonFacts {
  readonly cniSocket: string;
  readonly cniReach: Reach;
  readonly introspectSocket: string;
  readonly introspectReach: Reach;
  /** Pages of introspection by path; empty while it does not answer. */
  readonly pages: Readonly<Record<string, unknown>>;
  readonly stateDirectory: string;
  /** What the journal says; unknown where it cannot be read. */
  readonly journal: Known<JournalFact>;
  /** Deletions that the CNI binary left for the daemon. */
  readonly spooled: Known<number>;
}

export interface JournalFact {
  readonly bytes: number;
  readonly records: number;
  readonly damaged: number;
  readonly sameBoot: boolean;
  readonly pods: readonly JournalPod[];
  readonly enis: readonly {
    readonly id: string;
    readonly deviceIndex: number;
    readonly networkCardIndex: number;
    readonly mac: string;
  }[];
  readonly freeBytes: number;
}

export interface JournalPod {
  readonly namespace: string;
  readonly name: string;
  readonly containerId: string;
  readonly ifName: string;
  readonly addresses: readonly string[];
  readonly hostIfName: string;
  readonly netns: string;
}

export interface MetadataFact {
  readonly endpoint: string;
  readonly instanceId: string;
  readonly region: string;
  readonly subnetId: string;
  readonly interfaceId: string;
  readonly ms: number;
}

/** What EC2 says of one action with DryRun. */
export interface PermissionFact {
  readonly action: string;
  /** `no-credentials`: nobody gave any, so EC2 was not asked. */
  readonly outcome: 'allowed' | 'denied' | 'no-credentials' | 'unknown';
  /** EC2's code and words; for `no-credentials` where they were looked for, `; ` and what to do. */
  readonly says: string;
}

/** undefined: the kernel does it; otherwise the errno. */
export type FeatureFacts = Readonly<Record<string, string | undefined>>;

export interface KubeletFacts {
  readonly running: boolean;
  /** From its flags or its configuration file; undefined where neither says (110 then). */
  readonly maxPods: number | undefined;
  readonly from: string;
}

export interface NodeFacts {
  readonly factsVersion: typeof FACTS_VERSION;
  /** RFC 3339, UTC. */
  readonly takenAt: string;
  /** Of wellspringctl. */
  readonly version: string;
  readonly kernelRelease: string;
  readonly kernel: Known<KernelFacts>;
  /** Of everybody, in the kernel's own expressions. */
  readonly nft: Known<NftRuleset>;
  /** Tables of iptables-legacy, which nft does not see. */
  readonly legacyTables: readonly string[];
  /** Below /proc/sys, by path. */
  readonly sysctls: Readonly<Record<string, string>>;
  readonly features: Known<FeatureFacts>;
  readonly software: SoftwareFacts;
  readonly cni: CniFacts;
  readonly daemon: DaemonFacts;
  readonly metadata: Known<MetadataFact>;
  readonly permissions: Known<readonly PermissionFact[]>;
  readonly kubelet: Known<KubeletFacts>;
}

/** What `trace` needs. */
export type DatapathFacts = Pick<NodeFacts, 'kernel' | 'nft' | 'legacyTables' | 'sysctls' | 'daemon'>;
