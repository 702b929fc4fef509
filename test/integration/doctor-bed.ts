/** A node with a pod whose drift is left as it is, files of its own to look at, and `doctor` asked about it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkNode } from '#ipamd/check-node/check.ts';
import { collectFacts } from '#ipamd/check-node/collect.ts';
import type { Finding } from '#ipamd/check-node/finding.ts';
import { CONFLIST_FILE, conflist } from '#ipamd/conflist.ts';
import type { PodRow } from '#ipamd/observe/explain-rows.ts';
import { type AddedPod, addPod, converged } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { cniBinary } from '#test/support/cni-binary.ts';
import { type Output, run, runCommand } from '#test/support/command.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const MAIN = new URL('../../ipamd/ctl/main.ts', import.meta.url).pathname;
const UNPRIVILEGED = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--no-new-privs'];
/** Damage is to stay until it was looked at. */
export const WITHOUT_REPAIR = { WELLSPRING_DRIFT_REPAIR: 'false' };

/** wellspringctl anywhere. */
export function ctlAnywhere(...args: readonly string[]): Promise<Output> {
  return run(process.execPath, ['--no-warnings', MAIN, ...args]);
}

export class DoctorBed implements AsyncDisposable {
  readonly cluster: Cluster;
  readonly node: ClusterNode;
  readonly pod: AddedPod;
  readonly hostIfName: string;
  /** The node's file system, as far as it is looked at. */
  readonly root: string;
  readonly #children: ChildProcess[] = [];

  private constructor(parts: Pick<DoctorBed, 'cluster' | 'node' | 'pod' | 'hostIfName' | 'root'>) {
    this.cluster = parts.cluster;
    this.node = parts.node;
    this.pod = parts.pod;
    this.hostIfName = parts.hostIfName;
    this.root = parts.root;
  }

  static async open(): Promise<DoctorBed> {
    const cluster = await testCluster();
    const root = await mkdtemp(join(tmpdir(), 'wellspring-root-'));
    cluster.afterwards(() => rm(root, { recursive: true, force: true }));
    try {
      const [node] = cluster.nodes as [ClusterNode];
      await mkdir(join(root, 'opt/cni/bin'), { recursive: true });
      await mkdir(join(root, 'etc/cni/net.d'), { recursive: true });
      await symlink(await cniBinary(), join(root, 'opt/cni/bin/wellspring-cni'));
      const list = conflist({ socketPath: node.socketPath, spoolDirectory: node.spoolDirectory });
      await writeFile(join(root, 'etc/cni/net.d', CONFLIST_FILE), JSON.stringify(list));
      await node.startDaemon(WITHOUT_REPAIR);
      await converged(cluster, node);
      const pod = await addPod(node, 'web');
      await converged(cluster, node);
      const [row] = await node.introspect<readonly PodRow[]>('/v1/pods');
      return new DoctorBed({ cluster, node, pod, root, hostIfName: row?.hostIfName ?? '' });
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  get #environment(): Readonly<Record<string, string | undefined>> {
    const places = { HOST_CNI_CONFDIR_PATH: '', HOST_CNI_BIN_PATH: '' };
    return { PATH: process.env['PATH'], ...this.node.daemonEnv, ...places };
  }

  /** In this process, which is quick; `ctl('doctor')` is the command. */
  async doctor(): Promise<readonly Finding[]> {
    const how = { asksCloud: false, version: '0', now: () => Date.now(), netns: this.node.netnsPath };
    const socket = this.node.introspectionSocket;
    return checkNode(await collectFacts({ ...how, root: this.root, environment: this.#environment, socket }));
  }

  ctl(...args: readonly string[]): Promise<Output> {
    return this.#inNode([], args);
  }

  /** By nobody, who may nothing. */
  ctlUnprivileged(...args: readonly string[]): Promise<Output> {
    return this.#inNode(UNPRIVILEGED, args);
  }

  /** By somebody whom nobody gave keys. */
  ctlWithoutKeys(...args: readonly string[]): Promise<Output> {
    return this.#inNode(['env', '-u', 'AWS_ACCESS_KEY_ID', '-u', 'AWS_SECRET_ACCESS_KEY'], args);
  }

  /** With settings of ipamd beside those of the node's. */
  ctlWith(settings: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Output> {
    return this.#inNode(['env', ...Object.entries(settings).map(([name, value]) => `${name}=${value}`)], args);
  }

  /** With standard output in a file. */
  ctlInto(file: string, ...args: readonly string[]): Promise<Output> {
    return this.#inNode(['sh', '-c', `exec "$0" "$@" >'${file}'`], args);
  }

  #inNode(as: readonly string[], args: readonly string[]): Promise<Output> {
    const command = [
      ...as,
      process.execPath,
      '--no-warnings',
      MAIN,
      ...args,
      '--socket',
      this.node.introspectionSocket,
    ];
    return run('nsenter', [`--net=${this.node.netnsPath}`, ...command], { env: this.#environment, timeoutMs: 150_000 });
  }

  async shell(script: string): Promise<void> {
    await runCommand('nsenter', [`--net=${this.node.netnsPath}`, 'sh', '-c', script]);
  }

  /** A process of this name in the node's network namespace. */
  async running(name: string, ...args: readonly string[]): Promise<void> {
    const path = join(this.root, name);
    // A shell keeps the name that it is started by; Node gives itself another.
    await symlink('/bin/sh', path);
    const enter = ['--pdeathsig', 'KILL', 'nsenter', `--net=${this.node.netnsPath}`];
    const child = spawn('setpriv', [...enter, path, '-c', 'echo up; read forever', '--', ...args]);
    this.#children.push(child);
    let isUp = false;
    child.stdout.on('data', () => (isUp = true));
    await until(`${name} runs`, 60_000, () => isUp);
  }

  endRunning(): void {
    for (const child of this.#children.splice(0)) child.kill('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.endRunning();
    await this.cluster[Symbol.asyncDispose]();
  }
}
