/**
 * A machine that is no more than namespaces: it can be switched off, which ends every process on it and drops its mounts,
 * and on again, with the disk as it was. Nothing of it outlives this process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { cgroupDirectories, removeCgroup } from '#test/e2e/containerd/cgroups.ts';
import { until } from '#test/support/until.ts';

export interface MachineOptions {
  /** Host name. */
  readonly name: string;
  /** Name of its cgroup in every hierarchy; unique on this computer. */
  readonly cgroup: string;
  /** Name of its network namespace in /run/netns, by which it is found at each start. */
  readonly netns: string;
  /** Exists and is the machine's own. */
  readonly directory: string;
}

const BOOT_MS = 120_000;

/**
 * A file system in memory, because an overlay may not have its upper layer on another overlay. It lives with this process.
 * The copies of mounted network namespaces go, or they would keep those alive that a machine has no more.
 */
const DISK = `
if mountpoint -q /run/netns; then umount -R -l /run/netns; fi
mount -t tmpfs -o mode=0755 tmpfs "$1"
mkdir -p "$1/lib" "$1/log" "$1/opt/cni/bin" "$1/net.d"
echo mounted
exec cat
`;

/**
 * The first process: private /run, /var, /etc and /opt, as far as a node's programs write there, shared mounts as
 * systemd makes them, and an end with standard input. A shell that waits also collects orphans.
 */
const INIT = `
disk=$1 own=$2 name=$3 boot=$4
mount -t tmpfs -o mode=0755 tmpfs /run
mkdir -p /run/netns /run/lock /run/containerd /run/wellspring /run/private-etc
mount --bind "$own/run" /run/wellspring
cp -a /etc/. /run/private-etc/
mkdir -p /run/private-etc/cni
mount --bind /run/private-etc /etc
mount --bind "$disk/opt" /opt
mkdir -p /etc/cni/net.d
mount --bind "$disk/net.d" /etc/cni/net.d
mount --bind "$disk/lib" /var/lib
mount --bind "$disk/log" /var/log
mount --bind "$boot" /proc/sys/kernel/random/boot_id
mount --make-rshared /
hostname "$name"
ip link set lo up
echo booted
cat >/dev/null
`;

export class Machine implements AsyncDisposable {
  readonly #options: MachineOptions;
  readonly #disk: ChildProcess;
  #first: { readonly child: ChildProcess; readonly pid: number } | undefined;

  private constructor(options: MachineOptions, disk: ChildProcess) {
    this.#options = options;
    this.#disk = disk;
  }

  /** With an empty disk, switched off. */
  static async create(options: MachineOptions): Promise<Machine> {
    const disk = join(options.directory, 'disk');
    await mkdir(disk, { recursive: true });
    await mkdir(join(options.directory, 'run'), { recursive: true, mode: 0o700 });
    const child = spawn('unshare', ['--mount', '--propagation=private', 'sh', '-euc', DISK, 'disk', disk], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const machine = new Machine(options, child);
    try {
      await saying(child, 'mounted');
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** PID of the first process as this computer counts. Throws while the machine is off. */
  get pid(): number {
    if (this.#first === undefined) throw new Error(`${this.#options.name} is switched off`);
    return this.#first.pid;
  }

  /** Arguments of nsenter that run a command as a process of this machine. It forks: the command is nsenter's child. */
  get enter(): readonly string[] {
    return [`--target=${this.pid}`, '--net', '--mount', '--pid', '--uts'];
  }

  /** A path of the machine as a process outside must spell it. */
  outside(path: string): string {
    return join(`/proc/${this.pid}/root`, path.replace(/^\/var\/run\//, '/run/'));
  }

  async switchOn(): Promise<void> {
    const { directory, name, netns, cgroup } = this.#options;
    makeCgroup(cgroup);
    const bootId = join(directory, 'boot-id');
    writeFileSync(bootId, `${randomUUID()}\n`);
    const log = openSync(join(directory, 'init.log'), 'a');
    const namespaces = ['--mount', '--uts', '--pid', '--fork', '--mount-proc', '--propagation=private'];
    const argv = [`--net=/run/netns/${netns}`, 'nsenter', `--target=${this.#disk.pid}`, '--mount'];
    const script = ['sh', '-euc', INIT, 'init', join(directory, 'disk'), directory, name, bootId];
    const child = spawn('nsenter', [...argv, 'unshare', ...namespaces, '--kill-child=SIGKILL', ...script], {
      stdio: ['pipe', 'pipe', log],
    });
    closeSync(log);
    await saying(child, 'booted');
    this.#first = { child, pid: Number(childrenOf(child.pid).split(' ')[0]) };
  }

  /**
   * As by a power cut: every process is gone when it resolves, and every cgroup. kubelet's cAdvisor would ask containerd for
   * seconds about each that is left, and the node's status would wait for that.
   */
  async switchOff(): Promise<void> {
    const first = this.#first;
    this.#first = undefined;
    if (first === undefined) return;
    const { child } = first;
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      // The kernel ends all others of its PID namespace.
      process.kill(first.pid, 'SIGKILL');
      await gone;
    }
    await removeCgroup(this.#options.cgroup);
  }

  /** Off, and the disk is thrown away. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.switchOff();
    if (this.#disk.exitCode === null && this.#disk.signalCode === null) {
      const gone = once(this.#disk, 'exit');
      this.#disk.kill('SIGKILL');
      await gone;
    }
    await removeCgroup(this.#options.cgroup);
  }
}

/** Version 1 gives a new group of cpuset no processors, and kubelet then cannot put a pod below it. */
function makeCgroup(name: string): void {
  for (const path of cgroupDirectories('.')) {
    const group = join(path, name);
    mkdirSync(group, { recursive: true });
    for (const file of ['cpuset.cpus', 'cpuset.mems']) copyIfThere(join(path, file), join(group, file));
  }
}

function copyIfThere(from: string, to: string): void {
  if (existsSync(from)) writeFileSync(to, readFileSync(from));
}

/** Resolves when the child has written the word as a line; rejects when it ends or takes too long. */
async function saying(child: ChildProcess, word: string): Promise<void> {
  let said = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text));
  await until(`the machine says ${word}`, BOOT_MS, () => {
    if (child.exitCode !== null || child.signalCode !== null)
      throw new Error(`the machine ended (${child.signalCode ?? child.exitCode}) before it said ${word}`);
    return said.includes(word);
  });
}

/** The nsenters and unshare are one process after the other; the first process of the machine is unshare's child. */
function childrenOf(pid: number | undefined): string {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
}
