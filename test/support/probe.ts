/** The parent's side of probe-agent.ts: an agent in a network namespace, asked by method calls. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { ProbeAnswer, ProbeCommand } from './probe-agent.ts';

const AGENT = new URL('./probe-agent.ts', import.meta.url).pathname;
export const PROBE_PORT = 7777;
/** An emulated processor takes its time to start Node (test/vm/main.ts). */
const ANSWER_DEADLINE_MS = process.env['WELLSPRING_IN_VM'] === undefined ? 60_000 : 90_000;

export class Probe implements AsyncDisposable {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, (answer: ProbeAnswer) => void>();
  #sequence = 0;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    if (child.stdout === null) throw new Error('the probe has no standard output');
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { id, answer } = JSON.parse(line) as { readonly id: number; readonly answer: ProbeAnswer };
      this.#pending.get(id)?.(answer);
      this.#pending.delete(id);
    });
    child.on('exit', () => {
      for (const resolve of this.#pending.values()) resolve({ error: `the probe in ${name} ended` });
    });
  }

  /** `netns`: path of the namespace. Listening on PROBE_PORT when it resolves. */
  static async start(name: string, netns: string): Promise<Probe> {
    const child = spawn('nsenter', [`--net=${netns}`, process.execPath, '--no-warnings', AGENT], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const probe = new Probe(name, child);
    const { error } = await probe.ask({ op: 'listen', port: PROBE_PORT });
    if (error === undefined) return probe;
    await probe[Symbol.asyncDispose]();
    throw new Error(`probe in ${name}: ${error}`);
  }

  ask(command: ProbeCommand): Promise<ProbeAnswer> {
    const id = (this.#sequence += 1);
    const { promise, resolve } = Promise.withResolvers<ProbeAnswer>();
    this.#pending.set(id, resolve);
    const timer = setTimeout(() => resolve({ error: `no answer from the probe in ${this.name}` }), ANSWER_DEADLINE_MS);
    this.#child.stdin?.write(`${JSON.stringify({ id, command })}\n`);
    return promise.finally(() => clearTimeout(timer));
  }

  /** The address the other side saw, by UDP and by TCP; undefined where either got no answer. A lost neighbour solicitation costs a second. */
  async seenBy(address: string, timeoutMs = 10_000): Promise<string | undefined> {
    const [udp, tcp] = await Promise.all([
      this.ask({ op: 'udp', to: address, port: PROBE_PORT, timeoutMs }),
      this.ask({ op: 'tcp', to: address, port: PROBE_PORT, timeoutMs }),
    ]);
    return udp.seenFrom === tcp.seenFrom ? udp.seenFrom : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()));
    this.#child.kill('SIGKILL');
    await gone;
  }
}
