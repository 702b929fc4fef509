import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { cgroupDirectories, removeCgroup } from './cgroups.ts';
import { runCommand } from '../../support/command.ts';
import { until } from '../../support/until.ts';
import { containerdConfig } from './containerd-config.ts';
import { CriClient, type PodName, type SandboxStatus } from './cri.ts';
import { PAUSE_IMAGE } from './pause-image.ts';

export interface ContainerdNodeOptions {
  /** Unique on this machine: it names the cgroup. */
  readonly name: string;
  /** Name under /run/netns, or a path. */
  readonly netns: string;
  /** Must hold `loopback` beside the plugins of the configuration: containerd runs it for every sandbox. */
  readonly cniBinDir: string;
  readonly cniConfDir: string;
  /** Exists, is the node's own, and does not lie under /run or /var/lib. */
  readonly workDir: string;
  /** An archive as `buildPauseImage` makes it. */
  readonly pauseImage: string;
}

/**
 * The first process of the node: private /run and /var/lib, lo (containerd's streaming server listens there), then
 * containerd until standard input ends.
 */
const INIT = `
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t tmpfs -o mode=0755 tmpfs /var/lib
mkdir -p /run/netns /run/containerd /var/lib/containerd
ip link set lo up
hostname "$1"
exec 3<&0
containerd --config "$2" --log-level info &
containerd=$!
(cat <&3 >/dev/null; kill -TERM "$containerd") &
wait "$containerd"
`;

/**
 * One Kubernetes node without kubelet: containerd and runc in the given network namespace, with mount, PID and UTS
 * namespaces of their own. The node's first process ends with this process or with `stop`, whatever happens, and the
 * kernel then ends containerd, shims and pods and drops every mount with it.
 */
export class ContainerdNode {
  readonly name: string;
  readonly cri: CriClient;
  readonly socket: string;
  readonly logFile: string;
  /** PID of the node's first process as this machine counts. */
  readonly pid: number;
  readonly #options: ContainerdNodeOptions;
  readonly #process: ChildProcess;

  constructor(options: ContainerdNodeOptions, process: ChildProcess, pid: number) {
    this.name = options.name;
    this.pid = pid;
    this.socket = join(options.workDir, 'containerd.sock');
    this.logFile = join(options.workDir, 'containerd.log');
    this.cri = new CriClient(this.socket);
    this.#options = options;
    this.#process = process;
  }

  /** Arguments of nsenter that run a command as a process of this node. It forks: the command is nsenter's child. */
  get enter(): readonly string[] {
    return [`--target=${this.pid}`, '--net', '--mount', '--pid', '--uts'];
  }

  /** The same path as a process outside the node must spell it. */
  outside(path: string): string {
    return join(`/proc/${this.pid}/root`, path.replace(/^\/var\/run\//, '/run/'));
  }

  /** RunPodSandbox; resolves when the CNI result is in and the sandbox's process runs. */
  async runPod(pod: PodName): Promise<SandboxStatus> {
    const logDirectory = join(this.#options.workDir, 'pods', pod.uid);
    const id = await this.cri.runPodSandbox(pod, { cgroupParent: `/${this.name}/${pod.uid}`, logDirectory });
    return await this.cri.podSandboxStatus(id);
  }

  /** What kubelet does when a pod goes: StopPodSandbox, then RemovePodSandbox; each makes containerd call DEL. */
  async removePod(id: string): Promise<void> {
    await this.cri.stopPodSandbox(id);
    await this.cri.removePodSandbox(id);
  }

  /** Ends everything on the node. Works at any moment, twice, and without the runtime's help. */
  async stop(): Promise<void> {
    this.cri.close();
    await end(this.#process);
    await removeCgroup(this.name);
  }

  /** What is left of the node on this machine; empty after `stop`. */
  leftovers(): readonly string[] {
    const process = existsSync(`/proc/${this.pid}`) ? [`process ${this.pid}`] : [];
    return [...process, ...cgroupDirectories(this.name)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Starts containerd, imports the pause image and waits until CRI says that runtime and network are ready. Each step has 10 s. */
export async function startContainerdNode(options: ContainerdNodeOptions): Promise<ContainerdNode> {
  const { workDir, name } = options;
  const config = join(workDir, 'containerd.toml');
  await mkdir(workDir, { recursive: true });
  await writeFile(config, containerdConfig({ ...options, socket: join(workDir, 'containerd.sock') }));
  const child = spawnInit(options, config);
  try {
    const node = new ContainerdNode(options, child, await firstProcess(child));
    await ready(node, options.pauseImage, child);
    return node;
  } catch (error) {
    await end(child);
    await removeCgroup(name);
    throw new Error(`${name} did not start: ${lastWords(join(workDir, 'containerd.log'))}`, { cause: error });
  }
}

function spawnInit({ name, netns, workDir }: ContainerdNodeOptions, config: string): ChildProcess {
  const path = netns.startsWith('/') ? netns : `/run/netns/${netns}`;
  const namespaces = ['--mount', '--uts', '--pid', '--mount-proc', '--propagation=private'];
  const log = openSync(join(workDir, 'containerd.log'), 'a');
  const argv = [
    `--net=${path}`,
    'unshare',
    ...namespaces,
    '--fork',
    '--kill-child=SIGKILL',
    'sh',
    '-euc',
    INIT,
    'init',
    name,
    config,
  ];
  const child = spawn('nsenter', argv, { stdio: ['pipe', log, log] });
  closeSync(log);
  return child;
}

/** unshare's only child, as soon as there is one. */
async function firstProcess(child: ChildProcess): Promise<number> {
  const children = () => readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim();
  await until('the first process of the node exists', 5_000, () => alive(child) && children() !== '');
  return Number(children().split(' ')[0]);
}

/** True, or throws, so that a wait for a node that is gone ends at once. */
function alive(child: ChildProcess): true {
  if (child.exitCode === null && child.signalCode === null) return true;
  throw new Error(`containerd ended: ${child.signalCode ?? `exit status ${child.exitCode}`}`);
}

async function ready(node: ContainerdNode, pauseImage: string, child: ChildProcess): Promise<void> {
  const { cri, socket } = node;
  const holds = (what: string, condition: () => Promise<boolean>): Promise<void> =>
    until(what, 10_000, async () => alive(child) && (await condition()));
  await holds('the CRI answers', async () => existsSync(socket) && (await cri.version().catch(() => '')) !== '');
  await runCommand('ctr', ['--address', socket, '--namespace', 'k8s.io', 'images', 'import', pauseImage], {
    timeoutMs: 90_000,
  });
  // The CRI plugin learns of an imported image from an event, a moment after the import has returned.
  await holds('the CRI knows the pause image', () => cri.hasImage(PAUSE_IMAGE));
  await holds('RuntimeReady and NetworkReady', async () => (await cri.conditions()).every(({ status }) => status));
}

/** End of standard input stops containerd and the node; SIGKILL follows if that takes longer than a minute. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.stdin?.on('error', () => undefined).end();
  const killer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  await exited;
  clearTimeout(killer);
}

function lastWords(logFile: string): string {
  return existsSync(logFile) ? readFileSync(logFile, 'utf8').split('\n').slice(-8).join('\n') : 'no log';
}
