/** One node of a cluster: its namespace, its ipamd as a child process, and the pods a runtime would start on it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { request, type RequestOptions } from 'node:http';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { conflist, NETWORK_NAME } from '#ipamd/conflist.ts';
import { runCommand } from './command.ts';
import { type CniCall, runCni, type CniOutcome } from './cni-runner.ts';
import { FROM_SOURCES } from './daemon-program.ts';
import { connectInNamespace } from './listen-in-namespace.ts';
import { until } from './until.ts';
import { bareEnvironment } from './bare-environment.ts';

/** How long a machine of any speed may take; who cannot serve ends before. */
const START_DEADLINE_MS = 90_000;
const ANSWER_DEADLINE_MS = 30_000;
/** For commands that nothing keeps waiting but a busy machine. */
const PATIENCE_MS = 60_000;
const METRICS_PORT = 61678;

export interface ClusterNodeOptions {
  readonly name: string;
  readonly instanceId: string;
  readonly netns: string;
  readonly directory: string;
  readonly prefix: string;
  readonly cniBinary: string;
  readonly env: Readonly<Record<string, string>>;
  /** What node is given to run ipamd: flags and the program. The sources of this checkout where absent. */
  readonly program?: readonly string[];
}

export interface TestPod {
  readonly name: string;
  readonly containerId: string;
  /** Name of its network namespace in /run/netns. */
  readonly netns: string;
}

export interface CniCallOptions {
  readonly prevResult?: unknown;
  readonly netns?: string;
  /** How long the ADD may wait for an address (the binary's own default where absent), and others for the daemon. */
  readonly deadlineMs?: number;
  /** What a runtime adds for the capabilities of the conflist. */
  readonly runtimeConfig?: object;
  /** Another CNI binary than the cluster's, of another version. */
  readonly binary?: string;
}

export class ClusterNode implements AsyncDisposable {
  readonly name: string;
  readonly instanceId: string;
  readonly netns: string;
  readonly directory: string;
  readonly socketPath: string;
  readonly spoolDirectory: string;
  readonly logPath: string;
  readonly #options: ClusterNodeOptions;
  readonly #pods = new Set<string>();
  #daemon: ChildProcess | undefined;

  constructor(options: ClusterNodeOptions) {
    this.#options = options;
    this.name = options.name;
    this.instanceId = options.instanceId;
    this.netns = options.netns;
    this.directory = options.directory;
    this.socketPath = join(options.directory, 'run', 'ipamd.sock');
    this.spoolDirectory = join(options.directory, 'del-spool');
    this.logPath = join(options.directory, 'ipamd.log');
  }

  get netnsPath(): string {
    return `/run/netns/${this.netns}`;
  }

  get introspectionSocket(): string {
    return join(this.directory, 'run', 'introspect.sock');
  }

  get daemonPid(): number | undefined {
    return this.#daemon?.pid;
  }

  get conflist(): ReturnType<typeof conflist> {
    return conflist({ socketPath: this.socketPath, spoolDirectory: this.spoolDirectory });
  }

  /** ipamd serves when it resolves; `other` is another program than the cluster's. Rejects with the end of its log when it ends or does not serve in time. */
  async startDaemon(env: Readonly<Record<string, string>> = {}, other?: readonly string[]): Promise<void> {
    const log = openSync(this.logPath, 'a');
    // Should this process be killed, the daemon must not outlive it.
    const enter = ['--pdeathsig', 'KILL', 'nsenter', `--net=${this.netnsPath}`];
    const program = other ?? this.#options.program ?? FROM_SOURCES;
    const child = spawn('setpriv', [...enter, process.execPath, ...program], {
      stdio: ['ignore', log, log],
      env: {
        ...bareEnvironment(),
        ...this.daemonEnv,
        ...env,
      },
    });
    closeSync(log);
    this.#daemon = child;
    try {
      await until(`ipamd of ${this.name} serves`, START_DEADLINE_MS, async () => {
        if (child.exitCode !== null || child.signalCode !== null)
          throw new Error(`ipamd ended with ${child.exitCode ?? child.signalCode}`);
        return (await this.introspect('/v1/status').catch(() => undefined)) !== undefined;
      });
    } catch (error) {
      const tail = (await readFile(this.logPath, 'utf8')).split('\n').slice(-15).join('\n');
      throw new Error(`${(error as Error).message}; its log ends:\n${tail}`, { cause: error });
    }
  }

  /** What ipamd of this node is told through its environment. */
  get daemonEnv(): Readonly<Record<string, string>> {
    return {
      WELLSPRING_SOCKET: this.socketPath,
      WELLSPRING_STATE_DIRECTORY: join(this.directory, 'state'),
      WELLSPRING_SPOOL_DIRECTORY: this.spoolDirectory,
      ...this.#options.env,
    };
  }

  /** Ends ipamd; SIGKILL gives it no chance to say goodbye. Resolves when the process is gone. */
  async stopDaemon(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#daemon;
    this.#daemon = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill(signal);
    await gone;
  }

  /** GET on the introspection socket. */
  async introspect<T = unknown>(path: string): Promise<T> {
    const { body } = await get({ socketPath: this.introspectionSocket, path });
    return JSON.parse(body) as T;
  }

  /** An empty sandbox: a network namespace and the names a runtime gives it. */
  async createSandbox(name: string): Promise<TestPod> {
    const pod = this.knownSandbox(name);
    await runCommand('ip', ['netns', 'add', pod.netns]);
    this.#pods.add(pod.netns);
    return pod;
  }

  async removeSandbox(pod: TestPod): Promise<void> {
    await runCommand('ip', ['netns', 'delete', pod.netns]);
    this.#pods.delete(pod.netns);
  }

  /** The sandbox of that name, made before. */
  knownSandbox(name: string): TestPod {
    return { name, containerId: this.#containerId(name), netns: `${this.#options.prefix}${name}` };
  }

  #containerId(name: string): string {
    return createHash('sha256').update(`${this.netns}/${name}`).digest('hex');
  }

  /** Runs a program in a pod's network namespace. */
  inside(pod: TestPod, ...command: readonly string[]): Promise<string> {
    return runCommand('nsenter', [`--net=/run/netns/${pod.netns}`, ...command]);
  }

  /** Nothing on this node reaches the address until it is called with undefined. */
  async blackhole(address: string | undefined): Promise<void> {
    if (address !== undefined)
      await runCommand('ip', ['-n', this.netns, 'rule', 'add', 'priority', '1', 'to', address, 'prohibit']);
    else await runCommand('ip', ['-n', this.netns, 'rule', 'delete', 'priority', '1']);
  }

  /** GC with these attachments as the valid ones. */
  gc(valid: readonly { readonly containerID: string; readonly ifname: string }[]): Promise<CniOutcome> {
    return this.#networkCommand('GC', { 'cni.dev/valid-attachments': valid });
  }

  /** STATUS: can the plugin serve ADD? */
  status(): Promise<CniOutcome> {
    return this.#networkCommand('STATUS', {});
  }

  /** The commands of CNI 1.1 that are about the network, not one attachment. */
  #networkCommand(command: 'GC' | 'STATUS', keys: object): Promise<CniOutcome> {
    const list = this.conflist as { readonly plugins: readonly object[] };
    return runCni({
      binary: this.#options.cniBinary,
      conflist: { ...list, cniVersion: '1.1.0', plugins: [{ ...list.plugins[0], deadlineMs: PATIENCE_MS, ...keys }] },
      env: { CNI_COMMAND: command, CNI_PATH: '/opt/cni/bin' },
    });
  }

  /** Status and text of a page of the daemon's metrics and health port, fetched from within the node. */
  async page(path: string): Promise<string> {
    const createConnection = () => new Socket({ fd: connectInNamespace(this.netns, METRICS_PORT) });
    const { status, body } = await get({ path, createConnection });
    return `${status} ${body}`;
  }

  /** The daemon's journal is gone, as on a node that it never ran on. */
  forgetState(): Promise<void> {
    return rm(join(this.directory, 'state'), { recursive: true, force: true });
  }

  /** One CNI command for a pod through the conflist, as libcni would do it. */
  cni(command: 'ADD' | 'DEL' | 'CHECK', pod: TestPod, more: CniCallOptions = {}): Promise<CniOutcome> {
    return runCni(this.cniCall(command, pod, more));
  }

  /** The same, not yet executed: for a test that ends the binary early. */
  cniCall(command: 'ADD' | 'DEL' | 'CHECK', pod: TestPod, more: CniCallOptions = {}): CniCall {
    const list = this.conflist as { readonly plugins: readonly object[] };
    const deadlineMs = more.deadlineMs ?? (command === 'ADD' ? undefined : PATIENCE_MS);
    const deadline = deadlineMs === undefined ? {} : { deadlineMs };
    const asked = more.runtimeConfig === undefined ? {} : { runtimeConfig: more.runtimeConfig };
    return {
      binary: more.binary ?? this.#options.cniBinary,
      conflist: { ...list, plugins: [{ ...list.plugins[0], ...deadline, ...asked }] },
      prevResult: more.prevResult,
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: pod.containerId,
        CNI_NETNS: more.netns ?? `/run/netns/${pod.netns}`,
        CNI_IFNAME: 'eth0',
        CNI_PATH: '/opt/cni/bin',
        CNI_ARGS: `K8S_POD_NAME=${pod.name};IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_UID=uid-${pod.name};K8S_POD_INFRA_CONTAINER_ID=${pod.containerId}`,
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stopDaemon('SIGKILL');
    for (const netns of this.#pods) await runCommand('ip', ['netns', 'delete', netns]).catch(ignoreAbsence);
  }
}

export { NETWORK_NAME };

function ignoreAbsence(error: Error): void {
  if (!error.message.includes('No such file')) throw error;
}

function get(options: RequestOptions): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ ...options, timeout: ANSWER_DEADLINE_MS }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    call.on('timeout', () => call.destroy(new Error('no answer')));
    call.on('error', reject);
    call.end();
  });
}
