/** One node of a real cluster, as a machine that can be switched off and on: containerd, kubelet, ipamd and kube-proxy on it. */
import { chmod, copyFile } from 'node:fs/promises';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { maxPodsOffline } from '#ipamd/ctl/max-pods.ts';
import { writeConflist } from '#ipamd/conflist.ts';
import { containerdConfig } from '#test/e2e/containerd/containerd-config.ts';
import { CriClient } from '#test/e2e/containerd/cri.ts';
import { installedPlugin } from '#test/e2e/containerd/needs.ts';
import { heldBy } from '#test/support/cluster-facts.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import type { Cluster } from '#test/support/cluster.ts';
import { cniBinary } from '#test/support/cni-binary.ts';
import { runCommand } from '#test/support/command.ts';
import { writeKubeconfig } from '#test/support/kubernetes/kubeconfig.ts';
import { until } from '#test/support/until.ts';
import { RELEASE } from '#tools/build-ipamd.ts';
import { KubeProxy } from '../proxy/kube-proxy.ts';
import { cloudEnvironment } from './cloud-environment.ts';
import type { ClusterControlPlane } from './control-plane.ts';
import { CONTAINERD_SOCKET, kubeletCommand } from './kubelet.ts';
import { Machine } from './machine.ts';
import { NodeProcess } from './node-process.ts';
import { isReady } from './objects.ts';

const START_MS = 240_000;
const IMPORT_MS = 300_000;

export interface NodePlan {
  /** Settings of its ipamd beside the bed's. */
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

export interface NodeParts {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly plane: ClusterControlPlane;
  /** Archives that its containerd is given. */
  readonly images: readonly string[];
  /** `ipamd`: the directory that it was built into; undefined where a DaemonSet brings it and its CNI binary. */
  readonly programs: { readonly kubelet: string; readonly kubeProxy: string; readonly ipamd: string | undefined };
  readonly plan: NodePlan;
}

export class KubernetesNode implements AsyncDisposable {
  readonly name: string;
  readonly facts: ClusterNode;
  readonly #parts: NodeParts;
  readonly #machine: Machine;
  readonly #cgroup: string;
  #processes: Processes | undefined;
  #hasImages = false;

  private constructor(parts: NodeParts, machine: Machine, cgroup: string) {
    this.name = parts.node.name;
    this.facts = parts.node;
    this.#parts = parts;
    this.#machine = machine;
    this.#cgroup = cgroup;
  }

  /** Switched off. */
  static async create(parts: NodeParts): Promise<KubernetesNode> {
    const { node } = parts;
    const cgroup = `wsk-${node.netns}`;
    const { name, netns, directory } = node;
    return new KubernetesNode(parts, await Machine.create({ name, cgroup, netns, directory }), cgroup);
  }

  /** The address of its primary ENI. */
  get address(): string {
    const { cluster, node } = this.#parts;
    return heldBy(cluster, node).find(({ attachment }) => attachment?.deviceIndex === 0)?.primaryAddress ?? '';
  }

  get zone(): string {
    const { cluster, node } = this.#parts;
    return cluster.cloud.region.instances().find(({ id }) => id === node.instanceId)?.availabilityZone ?? '';
  }

  get containerd(): NodeProcess {
    return this.#running.containerd;
  }

  get kubelet(): NodeProcess {
    return this.#running.kubelet;
  }

  get ipamd(): NodeProcess {
    const { ipamd } = this.#running;
    if (ipamd === undefined) throw new Error(`ipamd of ${this.name} is a pod`);
    return ipamd;
  }

  /** Its container runtime; to be closed. */
  cri(): CriClient {
    return new CriClient(this.#machine.outside(CONTAINERD_SOCKET));
  }

  /** A path on the node, as this process must spell it. */
  outside(path: string): string {
    return this.#machine.outside(path);
  }

  /** The node is Ready, and pods may come, when it resolves. */
  async boot(): Promise<void> {
    await this.#machine.switchOn();
    await this.#install();
    this.#processes = this.#prepare();
    const { containerd, kubelet, kubeProxy } = this.#processes;
    containerd.start();
    await this.runtimeIsReady();
    if (!this.#hasImages) await this.#importImages();
    kubelet.start();
    await Promise.all([this.#processes.ipamd === undefined ? undefined : this.#serveAndInstall(), kubeProxy.start()]);
    await this.isReady();
  }

  /** Power off and on: what the kernel and the processes knew is gone, the disk and the ENIs are there. */
  async reboot(): Promise<void> {
    const { cluster, node } = this.#parts;
    await this.powerOff();
    await cluster.fabric.removeNode(node.instanceId);
    await cluster.fabric.addNode(node.instanceId, node.name);
    await this.boot();
  }

  /** As the installer of the DaemonSet does it. */
  async #serveAndInstall(): Promise<void> {
    await this.startIpamd();
    await writeConflist(this.outside('/etc/cni/net.d'), {
      socketPath: '/run/wellspring/ipamd.sock',
      spoolDirectory: '/var/lib/wellspring/del-spool',
    });
  }

  async powerOff(): Promise<void> {
    await this.#processes?.kubeProxy.stop();
    await this.#machine.switchOff();
    this.#processes = undefined;
  }

  /** It serves when it resolves. */
  async startIpamd(): Promise<void> {
    const { ipamd } = this;
    ipamd.start();
    await until(`ipamd of ${this.name} serves`, START_MS, async () => {
      return ipamd.alive() && (await this.facts.introspect('/v1/status').catch(() => undefined)) !== undefined;
    });
  }

  /** containerd answers on CRI and could run a sandbox, were there a network. */
  async runtimeIsReady(): Promise<void> {
    const { containerd } = this.#running;
    await until(`containerd of ${this.name} is ready`, START_MS, async () => {
      if (!containerd.alive() || !existsSync(this.outside(CONTAINERD_SOCKET))) return false;
      const cri = this.cri();
      const conditions = await cri.conditions().catch(() => []);
      cri.close();
      return conditions.some(({ type, status }) => type === 'RuntimeReady' && status);
    });
  }

  async isReady(): Promise<void> {
    await until(`${this.name} is Ready`, START_MS, async () => {
      return this.#running.kubelet.alive() && (await isReady(this.#parts.plane, this.name));
    });
  }

  /** Path by which this process opens the network namespace of a pod that runs here. */
  netnsOf(podName: string): Promise<string> {
    return this.#withSandboxOf(podName, async (cri, id) => this.outside((await cri.podSandboxStatus(id)).netns));
  }

  /** Behind kubelet's back. */
  stopSandboxOf(podName: string): Promise<void> {
    return this.#withSandboxOf(podName, (cri, id) => cri.stopPodSandbox(id));
  }

  /** Another name for an image that it has. */
  async tagImage(image: string, name: string): Promise<void> {
    await this.#ctr('images', 'tag', '--force', image, name);
  }

  async #withSandboxOf<T>(podName: string, work: (cri: CriClient, id: string) => Promise<T>): Promise<T> {
    const cri = this.cri();
    try {
      const sandboxes = await cri.listPodSandboxes();
      const found = sandboxes.find(({ name, state }) => name === podName && state === 'SANDBOX_READY');
      if (found === undefined) throw new Error(`${podName} has no sandbox on ${this.name}`);
      return await work(cri, found.id);
    } finally {
      cri.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
    await this.#machine[Symbol.asyncDispose]();
  }

  get #running(): Processes {
    if (this.#processes === undefined) throw new Error(`${this.name} is switched off`);
    return this.#processes;
  }

  async #install(): Promise<void> {
    const binaries = this.outside('/opt/cni/bin');
    const install = async (from: string, name: string) => {
      await copyFile(from, join(binaries, name));
      await chmod(join(binaries, name), 0o755);
    };
    if (this.#parts.programs.ipamd !== undefined) await install(await cniBinary(), 'wellspring-cni');
    await install(installedPlugin('loopback'), 'loopback');
  }

  async #importImages(): Promise<void> {
    for (const archive of this.#parts.images) await this.#ctr('images', 'import', archive);
    this.#hasImages = true;
  }

  #ctr(...args: readonly string[]): Promise<string> {
    const address = ['--address', this.outside(CONTAINERD_SOCKET), '--namespace', 'k8s.io'];
    return runCommand('ctr', [...address, ...args], { timeoutMs: IMPORT_MS });
  }

  #prepare(): Processes {
    const { node, plane, programs, plan } = this.#parts;
    const { directory } = node;
    const { enter } = this.#machine;
    const config = join(directory, 'containerd.toml');
    const directories = { cniBinDir: '/opt/cni/bin', cniConfDir: '/etc/cni/net.d' };
    writeFileSync(config, containerdConfig({ socket: CONTAINERD_SOCKET, ...directories }));
    const process_ = (name: string, command: readonly string[], env: Readonly<Record<string, string>> = {}) =>
      new NodeProcess({ name: `${name} of ${node.name}`, enter, command, env, log: join(directory, `${name}.log`) });
    const { server, certificate } = plane;
    const kubelet = kubeletCommand({
      program: programs.kubelet,
      nodeName: node.name,
      nodeIp: this.address,
      instanceId: node.instanceId,
      zone: this.zone,
      maxPods: maxPodsOffline('m5.xlarge', []).maxPods,
      labels: plan.labels,
      cgroup: this.#cgroup,
      server,
      certificate,
      token: plane.token(node.name),
      directory,
    });
    mkdirSync(join(directory, 'proxy'), { recursive: true });
    return {
      containerd: process_('containerd', ['containerd', '--config', config, '--log-level', 'info']),
      kubelet: process_('kubelet', kubelet),
      ipamd:
        programs.ipamd === undefined
          ? undefined
          : process_('ipamd', ipamdCommand(programs.ipamd), this.#ipamdEnvironment()),
      kubeProxy: new KubeProxy({
        program: programs.kubeProxy,
        mode: 'iptables',
        kubeconfig: plane.kubeconfigFor('kube-proxy', join(directory, 'proxy')),
        nodeName: node.name,
        netns: node.netns,
        directory: join(directory, 'proxy'),
        deadlineMs: START_MS,
      }),
    };
  }

  #ipamdEnvironment(): Readonly<Record<string, string>> {
    const { node, plane, plan } = this.#parts;
    return {
      ...node.daemonEnv,
      WELLSPRING_SOCKET: '/run/wellspring/ipamd.sock',
      WELLSPRING_STATE_DIRECTORY: '/var/lib/wellspring',
      WELLSPRING_SPOOL_DIRECTORY: '/var/lib/wellspring/del-spool',
      ...cloudEnvironment(),
      MY_NODE_NAME: node.name,
      KUBECONFIG: writeKubeconfig(join(node.directory, 'ipamd.kubeconfig'), {
        server: plane.server,
        token: plane.token('ipamd'),
        certificateAuthority: plane.certificate,
      }),
      ...plan.env,
    };
  }
}

function ipamdCommand(directory: string): readonly string[] {
  return [process.execPath, ...RELEASE.flags, join(directory, 'ipamd.cjs')];
}

interface Processes {
  readonly containerd: NodeProcess;
  readonly kubelet: NodeProcess;
  readonly ipamd: NodeProcess | undefined;
  readonly kubeProxy: KubeProxy;
}
