import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { EC2_ENDPOINT_ADDRESS, METADATA_ADDRESS } from '#cloud/emulator/fabric/fabric.ts';
import { EC2_PORT } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { until } from '#test/support/until.ts';
import type { ContainerdNode } from './node.ts';
import { bareEnvironment } from '#test/support/bare-environment.ts';

const MAIN = join(import.meta.dirname, '../../../ipamd/main.ts');

/**
 * ipamd as a process of a containerd node: in its network, mount and PID namespaces, where CNI_NETNS is a path that
 * exists (a DaemonSet gets the same from its hostPath mounts). It ends with the node at the latest.
 */
export class NodeDaemon {
  readonly #node: ContainerdNode;
  readonly #cluster: ClusterNode;
  readonly #settings: Readonly<Record<string, string>>;
  #process: ChildProcess | undefined;

  constructor(node: ContainerdNode, cluster: ClusterNode, settings: Readonly<Record<string, string>>) {
    this.#node = node;
    this.#cluster = cluster;
    this.#settings = settings;
  }

  /** Serving when it resolves; rejects with the end of the log when that takes too long. */
  async start(): Promise<void> {
    const { logPath, name } = this.#cluster;
    const log = openSync(logPath, 'a');
    const child = spawn('nsenter', [...this.#node.enter, process.execPath, '--no-warnings', MAIN], {
      stdio: ['ignore', log, log],
      env: { ...bareEnvironment(), ...this.#environment() },
    });
    closeSync(log);
    this.#process = child;
    try {
      await until(`ipamd of ${name} serves`, 15_000, async () => {
        if (child.exitCode !== null) throw new Error(`ipamd of ${name} ended with status ${child.exitCode}`);
        return (await this.#cluster.introspect('/v1/status').catch(() => undefined)) !== undefined;
      });
    } catch (error) {
      const end = readFileSync(logPath, 'utf8').split('\n').slice(-10).join('\n');
      throw new Error(`${(error as Error).message}; its log ends:\n${end}`, { cause: error });
    }
  }

  /** Resolves when the process is gone. SIGKILL goes to ipamd itself, not to the nsenter that waits for it. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    const daemon = Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim());
    if (daemon > 0) process.kill(daemon, signal);
    else child.kill('SIGKILL');
    await exited;
  }

  #environment(): Readonly<Record<string, string>> {
    const { directory, socketPath, spoolDirectory } = this.#cluster;
    return {
      WELLSPRING_SOCKET: socketPath,
      WELLSPRING_STATE_DIRECTORY: join(directory, 'state'),
      WELLSPRING_SPOOL_DIRECTORY: spoolDirectory,
      AWS_ENDPOINT_URL_EC2: `http://${EC2_ENDPOINT_ADDRESS}:${EC2_PORT}`,
      AWS_EC2_METADATA_SERVICE_ENDPOINT: `http://${METADATA_ADDRESS}`,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      ...this.#settings,
    };
  }
}
