/** One real kube-proxy in a node's network namespace, as its DaemonSet would run it there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from '#test/support/command.ts';
import { until } from '#test/support/until.ts';

export type ProxyMode = 'iptables' | 'nftables' | 'ipvs';

export interface KubeProxyOptions {
  readonly program: string;
  readonly mode: ProxyMode;
  readonly kubeconfig: string;
  readonly nodeName: string;
  /** Name of the node's namespace in /run/netns. */
  readonly netns: string;
  /** Exists; configuration and log are written there. */
  readonly directory: string;
  /** How long it may take to answer that it is healthy. */
  readonly deadlineMs: number;
}

export class KubeProxy implements AsyncDisposable {
  readonly #options: KubeProxyOptions;
  #child: ChildProcess | undefined;

  constructor(options: KubeProxyOptions) {
    this.#options = options;
  }

  /** It has read the API server's state and programmed the kernel once when it resolves. */
  async start(): Promise<void> {
    const { program, nodeName, netns, directory, deadlineMs } = this.#options;
    const config = join(directory, 'kube-proxy.json');
    const log = join(directory, 'kube-proxy.log');
    writeFileSync(config, JSON.stringify(configuration(this.#options)));
    const enter = ['setpriv', '--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${netns}`, program];
    const run = `exec "$@" >>${log} 2>&1`;
    const child = spawn('sh', ['-c', run, 'kube-proxy', ...enter, `--config=${config}`, '--v=2'], { stdio: 'ignore' });
    this.#child = child;
    await until(`kube-proxy of ${nodeName} is healthy`, deadlineMs, async () => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`kube-proxy ended: ${readFileSync(log, 'utf8').slice(-2000)}`);
      return this.#isHealthy();
    });
  }

  /** What it made in the kernel stays. */
  async stop(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async #isHealthy(): Promise<boolean> {
    const ask = `fetch('http://127.0.0.1:10256/healthz').then(({ status }) => console.log(status), () => console.log(0))`;
    const enter = [`--net=/run/netns/${this.#options.netns}`, process.execPath, '-e', ask];
    return (await runCommand('nsenter', enter)).trim() === '200';
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

function configuration({ mode, kubeconfig, nodeName }: KubeProxyOptions): object {
  const sync = { minSyncPeriod: '100ms', syncPeriod: '2s' };
  return {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode,
    hostnameOverride: nodeName,
    clientConnection: { kubeconfig },
    healthzBindAddress: '127.0.0.1:10256',
    metricsBindAddress: '127.0.0.1:10249',
    // nf_conntrack_max belongs to the machine and cannot be written from here.
    conntrack: { maxPerCore: 0, min: 0 },
    iptables: sync,
    nftables: sync,
    ipvs: sync,
  };
}
