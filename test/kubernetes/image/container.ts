/**
 * A container of the DaemonSet, started by runc from the image's file system with what the manifest grants and nothing more:
 * capabilities, mounts, a root file system that cannot be written, and /proc/sys as containerd shows it to containers.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run, runCommand } from '#test/support/command.ts';
import type { Container, PodSpec } from './manifest.ts';

export interface ImageConfig {
  readonly Env: readonly string[];
  readonly Entrypoint: readonly string[];
}

export interface ContainerOptions {
  readonly id: string;
  readonly container: Container;
  readonly pod: PodSpec;
  readonly rootfs: string;
  readonly image: ImageConfig;
  readonly netns: string;
  /** Where paths of the host are in this test; those that are not here are the machine's own. */
  readonly hostPaths: Readonly<Record<string, string>>;
  readonly env: Readonly<Record<string, string>>;
  readonly directory: string;
}

/** Read-only and hidden parts of /proc, by containerd's default (oci/spec.go, populateDefaultUnixSpec). */
const READ_ONLY = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];
const MASKED = ['/proc/acpi', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list', '/sys/firmware'];

/** Writes the bundle and starts it; the log of the container is `ID.log` in the directory. */
export class RunningContainer implements AsyncDisposable {
  readonly log: string;
  readonly #options: ContainerOptions;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number>;

  constructor(options: ContainerOptions) {
    this.#options = options;
    const bundle = join(options.directory, options.id);
    mkdirSync(bundle, { recursive: true });
    writeFileSync(join(bundle, 'config.json'), JSON.stringify(runtimeConfig(options)));
    this.log = join(options.directory, `${options.id}.log`);
    const log = openSync(this.log, 'a');
    const args = ['--root', join(options.directory, 'runc'), 'run', '--bundle', bundle, options.id];
    this.#child = spawn('runc', args, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#ended = once(this.#child, 'exit').then(([code]) => (code as number | null) ?? -1);
  }

  /** Exit status, when it has ended. */
  ended(): Promise<number> {
    return this.#ended;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null;
  }

  /** A program inside of the container, as by `kubectl exec`. */
  async exec(...command: readonly string[]): ReturnType<typeof run> {
    return run('runc', ['--root', this.#root, 'exec', this.#options.id, ...command]);
  }

  /** SIGTERM, as kubelet sends it. */
  async stop(): Promise<number> {
    if (!this.hasEnded) await runCommand('runc', ['--root', this.#root, 'kill', this.#options.id, 'TERM']);
    return this.#ended;
  }

  get #root(): string {
    return join(this.#options.directory, 'runc');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.hasEnded) return;
    await run('runc', ['--root', this.#root, 'delete', '--force', this.#options.id]);
    await this.#ended;
  }
}

function runtimeConfig({ container, pod, rootfs, image, netns, hostPaths, env, id }: ContainerOptions): object {
  const { securityContext, command } = container;
  const capabilities = (securityContext.capabilities.add ?? []).map((name) => `CAP_${name}`);
  const ofManifest = container.env.flatMap(({ name, value }) => (value === undefined ? [] : [`${name}=${value}`]));
  const given = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return {
    ociVersion: '1.0.2',
    process: {
      user: { uid: 0, gid: 0 },
      args: command ?? image.Entrypoint,
      env: [...image.Env, ...ofManifest, ...given],
      cwd: '/',
      noNewPrivileges: false,
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    },
    root: { path: rootfs, readonly: securityContext.readOnlyRootFilesystem === true },
    mounts: [...ownMounts(), ...container.volumeMounts.map((mount) => hostMount(mount, pod, hostPaths))],
    linux: {
      cgroupsPath: `/${id}`,
      namespaces: [...['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type })), { type: 'network', path: netns }],
      rootfsPropagation: 'rslave',
      readonlyPaths: READ_ONLY,
      maskedPaths: MASKED,
    },
  };
}

function ownMounts(): readonly object[] {
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    { destination: '/sys', type: 'bind', source: '/sys', options: ['rbind', 'nosuid', 'noexec', 'nodev', 'ro'] },
  ];
}

function hostMount(
  { name, mountPath, readOnly = false, mountPropagation }: Container['volumeMounts'][number],
  { volumes }: PodSpec,
  hostPaths: Readonly<Record<string, string>>,
): object {
  const path = volumes.find((volume) => volume.name === name)?.hostPath.path ?? '';
  const source = hostPaths[path] ?? path;
  const propagation = mountPropagation === 'HostToContainer' ? 'rslave' : 'rprivate';
  return { destination: mountPath, type: 'bind', source, options: ['rbind', propagation, readOnly ? 'ro' : 'rw'] };
}
