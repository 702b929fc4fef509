/** A program in some namespaces, which can be ended and started again, as an init system would. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';

export interface NodeProcessOptions {
  readonly name: string;
  /** Arguments of nsenter, which forks where `--pid` is among them. */
  readonly enter: readonly string[];
  readonly command: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly log: string;
}

export class NodeProcess implements AsyncDisposable {
  readonly #options: NodeProcessOptions;
  #child: ChildProcess | undefined;

  constructor(options: NodeProcessOptions) {
    this.#options = options;
  }

  /** The end of what it has written. */
  get lastWords(): string {
    const { log } = this.#options;
    return existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(-25).join('\n') : 'no log';
  }

  /** The process exists when it returns, no more. */
  start(): void {
    const { enter, command, env, log } = this.#options;
    const file = openSync(log, 'a');
    // Should this process be killed, the one that waits for it must not outlive it.
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', 'nsenter', ...enter, ...command], {
      stdio: ['ignore', file, file],
      env: { PATH: process.env['PATH'], ...env },
    });
    closeSync(file);
  }

  /** True, or throws with its last words, so that a wait for a process that has ended ends at once. */
  alive(): true {
    const child = this.#child;
    if (child !== undefined && child.exitCode === null && child.signalCode === null) return true;
    const how = child === undefined ? 'was not started' : `ended (${child.signalCode ?? child.exitCode})`;
    throw new Error(`${this.#options.name} ${how}; its log ends:\n${this.lastWords}`);
  }

  /** Resolves when the process is gone. Ending one that does not run is no error. */
  async stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    // In a PID namespace the program is the child of the nsenter that waits for it.
    const inner = this.#options.enter.includes('--pid') ? childOf(child.pid) : undefined;
    if (inner !== undefined) process.kill(inner, signal);
    else child.kill(signal);
    await gone;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop('SIGKILL');
  }
}

function childOf(pid: number | undefined): number | undefined {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? undefined : Number(children.split(' ')[0]);
}
