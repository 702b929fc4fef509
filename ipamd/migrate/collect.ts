/** Finds out what preflight judges. Reads alone. */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { release } from 'node:os';
import { dirname, join } from 'node:path';
import { legacyTables } from '../check-node/collect/nft.ts';
import { readPeerKernel } from '../datapath/peer/node-facts.ts';
import type { ClusterSource } from '../kubernetes/source.ts';
import { readPeerCheckpoint } from '../start/peer-pods.ts';
import { askCluster } from './ask-cluster.ts';
import type { Known, MigrationFacts } from './facts.ts';

export interface CollectOptions {
  /** AWS_VPC_K8S_CNI_BACKING_STORE. */
  readonly checkpointPath: string;
  readonly source: ClusterSource | undefined;
  readonly signal: AbortSignal;
  /** Path of the node's network namespace; this process's own if left out. */
  readonly hostNetns?: string | undefined;
}

/** Never rejects: what cannot be read is unknown. */
export async function collectMigrationFacts({
  checkpointPath,
  source,
  signal,
  hostNetns,
}: CollectOptions): Promise<MigrationFacts> {
  const [checkpoint, peerRuns, kernel, legacy, cluster] = await Promise.all([
    known(readPeerCheckpoint(checkpointPath)),
    runsBeside(checkpointPath),
    known(readPeerKernel(hostNetns)),
    legacyTables(),
    askCluster(source, signal),
  ]);
  const policyAgentSocket = existsSync(join(dirname(checkpointPath), 'npa.sock'));
  return {
    checkpoint,
    checkpointPath,
    peerRuns,
    policyAgentSocket,
    kernel,
    legacyTables: legacy,
    kernelRelease: release(),
    cluster,
  };
}

const NOBODY: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED']);

/** Whether the peer's daemon answers on its socket, which stands beside its checkpoint. */
export function runsBeside(checkpointPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(join(dirname(checkpointPath), 'ipamd.sock'));
    const done = (runs: boolean) => {
      socket.destroy();
      resolve(runs);
    };
    socket.on('connect', () => done(true));
    // Nobody listens, or nothing is there. Whatever else it is, somebody may be.
    socket.on('error', (error: NodeJS.ErrnoException) => done(!NOBODY.has(error.code ?? '')));
    socket.setTimeout(2000, () => done(true));
  });
}

function known<T>(asked: Promise<T>): Promise<Known<T>> {
  return asked.then(
    (value) => ({ value }),
    (error: unknown) => ({ unknown: error instanceof Error ? error.message : String(error) }),
  );
}
