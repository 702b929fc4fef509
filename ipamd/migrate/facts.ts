/** What is known of a node before a migration from amazon-vpc-cni-k8s. Plain data; `collect.ts` finds it out. */
import type { PeerKernelFacts } from '../datapath/peer/node-facts.ts';
import type { PeerAllocation } from '../store/peer-checkpoint.ts';

/** Something that was found out, or why it was not. */
export type Known<T> = { readonly value: T } | { readonly unknown: string };

export interface ClusterFacts {
  readonly networkPolicies: Known<number>;
  /** PolicyEndpoint, ClusterPolicyEndpoint: what the peer's policy controller made of policies. */
  readonly policyEndpoints: Known<number>;
  readonly securityGroupPolicies: Known<number>;
  /** DaemonSet kube-system/aws-node; value undefined: there is none. */
  readonly daemonSet: Known<PeerDaemonSet | undefined>;
}

export interface PeerDaemonSet {
  /** Of the container aws-node. */
  readonly env: Readonly<Record<string, string>>;
  /** The policy agent's container is there and enforces policies (`--enable-network-policy=true`). */
  readonly enforcesPolicies: boolean;
  readonly image: string;
}

export interface MigrationFacts {
  readonly checkpoint: Known<readonly PeerAllocation[]>;
  readonly checkpointPath: string;
  /** Something answers on the peer's socket. */
  readonly peerRuns: boolean;
  /** Its policy agent's socket is there. */
  readonly policyAgentSocket: boolean;
  readonly kernel: Known<PeerKernelFacts>;
  /** `iptables nat`: tables that iptables-legacy has made. */
  readonly legacyTables: readonly string[];
  /** uname -r. */
  readonly kernelRelease: string;
  readonly cluster: Known<ClusterFacts>;
}
