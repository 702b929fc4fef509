/** One node of a cluster: its namespace, its ipamd as a child process, and the pods a runtime would start on it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, openSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { conflist, NETWORK_NAME } from '#ipamd/conflist.ts';
import { runCommand } from './command.ts';
import { runCni, type CniOutcome } from './cni-runner.ts';
import { until } from './until.ts';

const REPOSITORY = new URL('../../', import.meta.url).pathname;
const START_DEADLINE_MS = 20_000;

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
  /** How long the ADD may wait for an address; the binary's own default where absent. */
  readonly deadlineMs?: number;
  /** What a runtime adds for the capabilities of the conflist. */
  readonly runtimeConfig?: object;
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

  /** ipamd serves when it resolves. Rejects with the end of its log when it ends or does not serve in time. */
  async startDaemon(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const log = openSync(this.logPath, 'a');
    // Should this process be killed, the daemon must not outlive it.
    const enter = ['--pdeathsig', 'KILL', 'nsenter', `--net=${this.netnsPath}`];
    const program = this.#options.program ?? ['--no-warnings', join(REPOSITORY, 'ipamd/main.ts')];
    const child = spawn('setpriv', [...enter, process.execPath, ...program], {
      stdio: ['ignore', log, log],
      env: { PATH: process.env['PATH'], ...this.daemonEnv, ...env },
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
  introspect<T = unknown>(path: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: this.introspectionSocket, path, timeout: 2000 }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('end', () => resolve(JSON.parse(body) as T));
      });
      call.on('timeout', () => call.destroy(new Error('no answer')));
      call.on('error', reject);
      call.end();
    });
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
      conflist: { ...list, cniVersion: '1.1.0', plugins: [{ ...list.plugins[0], ...keys }] },
      env: { CNI_COMMAND: command, CNI_PATH: '/opt/cni/bin' },
    });
  }

  /** A page of the daemon's metrics and health port, fetched from within the node. */
  page(path: string): Promise<string> {
    const script = `fetch('http://127.0.0.1:61678${path}').then(async (answer) => console.log(answer.status, await answer.text()))`;
    return runCommand('nsenter', [`--net=${this.netnsPath}`, process.execPath, '-e', script]);
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
  cniCall(command: 'ADD' | 'DEL' | 'CHECK', pod: TestPod, more: CniCallOptions = {}): Parameters<typeof runCni>[0] {
    const list = this.conflist as { readonly plugins: readonly object[] };
    const deadline = more.deadlineMs === undefined ? {} : { deadlineMs: more.deadlineMs };
    const asked = more.runtimeConfig === undefined ? {} : { runtimeConfig: more.runtimeConfig };
    return {
      binary: this.#options.cniBinary,
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
