/** A real cluster: a control plane and nodes on the fabric, each node with kubelet, containerd, kube-proxy and ipamd. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ClusterNode } from '#test/support/cluster-node.ts';
import type { Cluster } from '#test/support/cluster.ts';
import { cniBinary } from '#test/support/cni-binary.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { buildIpamd } from '#tools/build-ipamd.ts';
import { built } from '../build.ts';
import { ClusterControlPlane } from './control-plane.ts';
import { buildImages } from './images.ts';
import { KubernetesNode, type NodeParts, type NodePlan } from './node.ts';
import { DaemonSet } from './daemon-set.ts';
import { removeAfterwards } from './remover.ts';
import { applyDefinitions, applyRights } from './objects.ts';

const CONTROL_PLANE_TYPE = 'm5.large';
const NODE_TYPE = 'm5.xlarge';
/** Names that nodes may have: the tokens of all are there from the start. */
const NODE_NAMES = ['node-a', 'node-b', 'node-c'] as const;

/** Of every ipamd, so that what pods give back is soon there again. */
const SETTINGS = { IP_COOLDOWN_PERIOD: '5', WELLSPRING_ENI_MINIMUM_AGE: '1' };

export interface BedOptions {
  /** How ipamd runs: as a process of the node, or in the pods of the chart's DaemonSet, from its image. */
  readonly as: 'process' | 'daemon-set';
}

export class KubernetesBed implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly plane: ClusterControlPlane;
  readonly nodes: KubernetesNode[] = [];
  readonly #stack: AsyncDisposableStack;
  readonly #directory: string;
  readonly #parts: Parts;

  private constructor(
    parts: Parts & { readonly cluster: Cluster; readonly plane: ClusterControlPlane; readonly directory: string },
    stack: AsyncDisposableStack,
  ) {
    this.cluster = parts.cluster;
    this.plane = parts.plane;
    this.#directory = parts.directory;
    this.#parts = parts;
    this.#stack = stack;
  }

  /** Two nodes are Ready when it resolves. */
  static create(options: BedOptions): Promise<KubernetesBed> {
    return KubernetesBed.#create(options).catch(sayAll);
  }

  static async #create(options: BedOptions): Promise<KubernetesBed> {
    await using stack = new AsyncDisposableStack();
    // Disposed of after all others, whose work it would do at the same time.
    const last = stack.use(new DisposableStack());
    const directory = await mkdtemp(join(tmpdir(), 'wellspring-kubernetes-'));
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const cluster = stack.use(await testCluster({ instanceTypes: [NODE_TYPE, NODE_TYPE], env: SETTINGS }));
    last.use(remover(cluster, directory));
    const images = [...(await buildImages(directory))];
    // Builds of its own: what stands under dist/ may be older, and may be built anew meanwhile.
    const daemonSet = options.as === 'daemon-set' ? await DaemonSet.build(directory) : undefined;
    const ipamd = daemonSet === undefined ? (await buildIpamd(join(directory, 'ipamd'))).directory : undefined;
    const programs = { kubelet: await built('kubelet'), kubeProxy: await built('kube-proxy'), ipamd };
    const { netns, address } = await newInstance(cluster, 'plane', CONTROL_PLANE_TYPE);
    const plane = stack.use(
      await ClusterControlPlane.start({
        netns,
        address,
        directory: join(directory, 'plane'),
        nodeNames: NODE_NAMES,
      }),
    );
    await applyDefinitions(plane);
    if (daemonSet === undefined) await applyRights(plane);
    else images.push(daemonSet.image);
    await daemonSet?.install(plane, SETTINGS);
    const bed = new KubernetesBed({ images, programs, cluster, plane, directory }, stack.move());
    await using unfinished = new AsyncDisposableStack();
    unfinished.use(bed);
    // Both are over before anything is cleaned up.
    const joins = await Promise.allSettled(cluster.nodes.map((node) => bed.#join(node)));
    for (const join_ of joins) if (join_.status === 'rejected') throw join_.reason;
    unfinished.move();
    return bed;
  }

  node(name: string): KubernetesNode {
    const found = this.nodes.find((node) => node.name === name);
    if (found === undefined) throw new Error(`there is no node ${name}`);
    return found;
  }

  /** A new instance, and Ready when it resolves. */
  async addNode(name: (typeof NODE_NAMES)[number], plan: Partial<NodePlan> = {}): Promise<KubernetesNode> {
    const { netns, instanceId } = await newInstance(this.cluster, name, NODE_TYPE);
    const directory = join(this.#directory, `of-${name}`);
    const node = new ClusterNode({
      name,
      instanceId,
      netns,
      directory,
      prefix: netns.replace(name, ''),
      cniBinary: await cniBinary(),
      env: {},
    });
    return this.#join(node, plan);
  }

  /** Its instance is terminated. */
  async removeNode(name: string): Promise<void> {
    const node = this.node(name);
    await node[Symbol.asyncDispose]();
    this.nodes.splice(this.nodes.indexOf(node), 1);
    const { cloud, fabric } = this.cluster;
    await fabric.removeNode(node.facts.instanceId);
    cloud.region.execute('TerminateInstances', { InstanceIds: [node.facts.instanceId] });
  }

  async #join(node: ClusterNode, plan: Partial<NodePlan> = {}): Promise<KubernetesNode> {
    const joined = await KubernetesNode.create({
      cluster: this.cluster,
      node,
      plane: this.plane,
      images: this.#parts.images,
      programs: this.#parts.programs,
      plan: { env: { ...SETTINGS, ...plan.env }, labels: plan.labels ?? {} },
    });
    this.#stack.use(joined);
    this.nodes.push(joined);
    this.nodes.sort((one, other) => one.name.localeCompare(other.name));
    await joined.boot();
    return joined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync().catch(sayAll);
  }
}

/** Jest shows nothing of what the error of a disposal covers. */
function sayAll(error: unknown): never {
  if (!(error instanceof SuppressedError)) throw error;
  throw new Error(`${String(error.suppressed)}\nand while that was cleaned up: ${String(error.error)}`);
}

interface Parts {
  readonly images: readonly string[];
  readonly programs: NodeParts['programs'];
}

/** Its namespaces and directories are gone even if this process is killed. */
function remover(cluster: Cluster, directory: string): Disposable {
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error('the cluster has no node');
  const prefix = node.netns.replace(node.name, '');
  return removeAfterwards({ prefix, directories: [directory, dirname(node.directory)] });
}

/** An instance in the first node's subnet, plugged into the fabric. */
export async function newInstance(
  { cloud, fabric, vpcId }: Cluster,
  name: string,
  instanceType: string,
): Promise<{ readonly instanceId: string; readonly netns: string; readonly address: string }> {
  const subnet = cloud.region.subnets().find((each) => each.vpcId === vpcId);
  const { Instances } = cloud.region.execute('RunInstances', {
    ImageId: 'ami-12345678',
    InstanceType: instanceType as 'm5.large',
    MinCount: 1,
    MaxCount: 1,
    SubnetId: subnet?.id,
  });
  const [instance] = Instances ?? [];
  const instanceId = instance?.InstanceId ?? '';
  await fabric.addNode(instanceId, name);
  return { instanceId, netns: fabric.nodeNamespace(instanceId), address: instance?.PrivateIpAddress ?? '' };
}
