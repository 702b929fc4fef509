import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { writeConflist } from '#ipamd/conflist.ts';
import { cniBinary } from '#test/support/cni-binary.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import type { PodName, SandboxStatus } from './cri.ts';
import { installedPlugin } from './needs.ts';
import { NodeDaemon } from './node-daemon.ts';
import { startContainerdNode, type ContainerdNode } from './node.ts';
import { buildPauseImage } from './pause-image.ts';
import type { Vantage } from './traffic.ts';

/** A pod as ipamd shows it under /v1/pods. */
export interface ShownPod {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly address: string;
  readonly eni: string;
  readonly containerId: string;
}

/** One node with everything that a real one has but kubelet. */
export class BedNode {
  readonly cluster: ClusterNode;
  readonly containerd: ContainerdNode;
  readonly daemon: NodeDaemon;

  constructor(cluster: ClusterNode, containerd: ContainerdNode, daemon: NodeDaemon) {
    this.cluster = cluster;
    this.containerd = containerd;
    this.daemon = daemon;
  }

  /** `uid` distinguishes a pod from an earlier one of the same name, as in the API server. */
  runPod(
    name: string,
    uid = `uid-of-${name}`,
    more: Pick<PodName, 'portMappings' | 'annotations'> = {},
  ): Promise<SandboxStatus> {
    return this.containerd.runPod({ namespace: 'default', name, uid, ...more });
  }

  shownPods(): Promise<readonly ShownPod[]> {
    return this.cluster.introspect<readonly ShownPod[]>('/v1/pods');
  }

  vantage(pod: SandboxStatus): Vantage {
    return { netnsPath: this.containerd.outside(pod.netns) };
  }
}

/** The embedded cloud with its fabric, and nodes that run ipamd and containerd with our conflist and binary. */
export class Bed implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly nodes: readonly BedNode[];
  readonly #stack: AsyncDisposableStack;

  private constructor(cluster: Cluster, nodes: readonly BedNode[], stack: AsyncDisposableStack) {
    this.cluster = cluster;
    this.nodes = nodes;
    this.#stack = stack;
  }

  /** `env`: settings of every ipamd beside the bed's own. */
  static async create(instanceTypes: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Bed> {
    await using stack = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), 'wellspring-e2e-'));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const cniBinDir = join(directory, 'bin');
    await mkdir(cniBinDir);
    await copyFile(await cniBinary(), join(cniBinDir, 'wellspring-cni'));
    await copyFile(installedPlugin('loopback'), join(cniBinDir, 'loopback'));
    const pauseImage = await buildPauseImage(directory);
    const cluster = stack.use(await testCluster({ instanceTypes, attachLinkDelayMs: 100 }));
    const nodes: BedNode[] = [];
    for (const node of cluster.nodes) {
      const workDir = join(directory, node.name);
      const cniConfDir = join(workDir, 'net.d');
      await writeConflist(cniConfDir, { socketPath: node.socketPath, spoolDirectory: node.spoolDirectory });
      const { netns } = node;
      const options = { name: `wse-${netns}`, netns: node.netnsPath, cniBinDir, cniConfDir, workDir, pauseImage };
      const containerd = stack.use(await startContainerdNode(options));
      const settings = { IP_COOLDOWN_PERIOD: '1', WELLSPRING_ENI_MINIMUM_AGE: '1', WARM_ENI_TARGET: '1' };
      const daemon = new NodeDaemon(containerd, node, {
        ...settings,
        ...env,
        WELLSPRING_METRICS_BIND_ADDRESS: `unix:${join(node.directory, 'metrics.sock')}`,
      });
      stack.defer(() => daemon.stop('SIGTERM'));
      await daemon.start();
      nodes.push(new BedNode(node, containerd, daemon));
    }
    return new Bed(cluster, nodes, stack.move());
  }

  /** Stops everything, then names what is left of the nodes on this machine. */
  async end(): Promise<readonly string[]> {
    await this[Symbol.asyncDispose]();
    return this.nodes.flatMap(({ containerd }) => containerd.leftovers());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
