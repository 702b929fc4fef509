/** The two ends of a conversation between pods, for as long as they are held. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { TwoPods } from './two-nodes.ts';

const PORT = 7000;

export interface Latency {
  readonly p50Us: number;
  readonly p99Us: number;
}

export interface Transfer {
  readonly bytes: number;
  readonly seconds: number;
}

export class Talk implements AsyncDisposable {
  readonly #server: ChildProcess;
  readonly #client: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(server: ChildProcess, client: ChildProcess, answers: AsyncIterator<string>) {
    this.#server = server;
    this.#client = client;
    this.#answers = answers;
  }

  /** `program` is traffic.c, compiled. */
  static async begin(program: string, { from, to, address }: TwoPods): Promise<Talk> {
    const [server, said] = start(to, program, ['serve', `${PORT}`]);
    const [client, answers] = start(from, program, ['ask', address, `${PORT}`]);
    const talk = new Talk(server, client, answers);
    const { done } = await said.next();
    if (done !== true) return talk;
    await talk[Symbol.asyncDispose]();
    throw new Error(`the server in ${to} ended`);
  }

  /** So many requests of one byte, one after the other. */
  request(count: number): Promise<Latency> {
    return this.#ask<Latency>(`request ${count}`);
  }

  /** One connection that sends as fast as it can. */
  stream(milliseconds: number): Promise<Transfer> {
    return this.#ask<Transfer>(`stream ${milliseconds}`);
  }

  async #ask<T>(order: string): Promise<T> {
    this.#client.stdin?.write(`${order}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`"${order}" has no answer: ${this.#client.exitCode ?? this.#client.signalCode}`);
    return JSON.parse(value) as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of [this.#client, this.#server]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
  }
}

function start(
  netns: string,
  program: string,
  args: readonly string[],
): readonly [ChildProcess, AsyncIterator<string>] {
  const enter = ['--pdeathsig', 'KILL', 'nsenter', `--net=/run/netns/${netns}`];
  const child = spawn('setpriv', [...enter, program, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  return [child, createInterface({ input: child.stdout })[Symbol.asyncIterator]()];
}
