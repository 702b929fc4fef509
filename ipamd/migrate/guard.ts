/**
 * Keeps a daemon from taking a node over that it must not: while the peer runs, and where that would switch something off
 * that nobody said may go. Asked once, before the first pod of the peer is adopted.
 */
import type { Config } from '../config/config.ts';
import { readPeerKernel } from '../datapath/peer/node-facts.ts';
import type { ClusterSource } from '../kubernetes/source.ts';
import type { PeerNode } from '../start/peer-pods.ts';
import { askCluster } from './ask-cluster.ts';
import { runsBeside } from './collect.ts';
import type { ClusterFacts, Known } from './facts.ts';
import { branchFindings, policyFindings } from './preflight.ts';

/** Ends a start. The message says what would be lost, and what to do. */
export class MigrationRefused extends Error {
  readonly code: 'peer-running' | 'migration-loses';

  constructor(code: MigrationRefused['code'], message: string) {
    super(message);
    this.name = 'MigrationRefused';
    this.code = code;
  }
}

export interface GuardOptions {
  readonly config: Pick<Config, 'backingStore' | 'migrateWithout'>;
  readonly source: ClusterSource | undefined;
  readonly signal: AbortSignal;
}

/** The same node, whose pods are given out only where nothing speaks against it; rejects with MigrationRefused otherwise. */
export function guarded(peer: PeerNode, options: GuardOptions): PeerNode {
  return {
    ...peer,
    async allocations() {
      const found = await peer.allocations();
      if (found.length > 0) await guard(options);
      return found;
    },
  };
}

async function guard({ config, source, signal }: GuardOptions): Promise<void> {
  const { backingStore, migrateWithout } = config;
  if (await runsBeside(backingStore))
    throw new MigrationRefused(
      'peer-running',
      `amazon-vpc-cni-k8s runs on this node (it answers beside ${backingStore}), and two daemons would give the same addresses away: delete its DaemonSet; ipamd starts when it is gone.`,
    );
  const kernel = { value: await readPeerKernel() };
  // Without an API server the kernel alone is asked: nobody can have made policies then.
  const cluster: Known<ClusterFacts> = source === undefined ? { value: NO_CLUSTER } : await askCluster(source, signal);
  const open = [...policyFindings({ kernel, cluster }), ...branchFindings({ kernel })].filter(
    ({ level, accept }) => level === 'refuse' && (accept === null || !migrateWithout.includes(accept)),
  );
  const [first] = open;
  if (first === undefined) return;
  const all = open.map(({ seen }) => seen).join('; ');
  throw new MigrationRefused(
    'migration-loses',
    `taking this node over from amazon-vpc-cni-k8s would switch something off: ${all}. ${first.cure ?? ''} \`wellspringctl preflight\` shows the whole.`,
  );
}

const NO_CLUSTER: ClusterFacts = {
  networkPolicies: { value: 0 },
  policyEndpoints: { value: 0 },
  securityGroupPolicies: { value: 0 },
  daemonSet: { value: undefined },
};
