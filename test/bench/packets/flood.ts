/** A sender of datagrams in a network namespace, for as long as it is held. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const PROGRAM = new URL('flood.program.ts', import.meta.url).pathname;

export interface Sent {
  readonly packets: number;
  /** Processor time of the whole way that the packets went. */
  readonly cpuNs: number;
}

export class Flood implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  /** `from` is the port that it sends from. */
  constructor(netns: string, destination: string, port: number, from: number) {
    const enter = ['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${netns}`];
    const program = [process.execPath, '--no-warnings', PROGRAM, destination, String(port), String(from)];
    const child = spawn('setpriv', [...enter, ...program], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child = child;
    this.#answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  async send(packets: number): Promise<Sent> {
    this.#child.stdin?.write(`${packets}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`the sender ended with ${this.#child.exitCode ?? this.#child.signalCode}`);
    return JSON.parse(value) as Sent;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await gone;
  }
}
