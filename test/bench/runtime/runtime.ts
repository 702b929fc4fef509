/**
 * In a container runtime's place: programs are executed by a small C program (runtime.c), because Node needs four times as
 * long as Go or C to start a process, which would hide what is measured.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { compileC } from '../compile-c.ts';

const SOURCE = new URL('runtime.c', import.meta.url).pathname;

/** One program to execute. No argument is empty. */
export interface Execution {
  readonly program: string;
  readonly args?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** 64 KiB at most. */
  readonly stdin: string;
}

export interface Executed {
  readonly ms: number;
  /** As of waitpid(2): 0 is an exit with 0. */
  readonly status: number;
  readonly stdout: string;
}

export interface Batch {
  /** In the order of the calls. */
  readonly calls: readonly Executed[];
  /** From the first start to the last end. */
  readonly ms: number;
}

/** The running program; disposed of when its input ends. */
export class Runtime implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: Reader;

  private constructor(child: ChildProcess, output: Readable) {
    this.#child = child;
    this.#answers = new Reader(output);
  }

  /** Undefined without a C compiler in PATH. */
  static async start(directory: string): Promise<Runtime | undefined> {
    const program = await compileC(SOURCE, directory);
    if (program === undefined) return undefined;
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program], { stdio: ['pipe', 'pipe', 'inherit'] });
    return new Runtime(child, child.stdout);
  }

  /** Executes all, so many at a time. Rejects when the program ended. */
  async batch(executions: readonly Execution[], atATime = 1): Promise<Batch> {
    this.#child.stdin?.write(Buffer.concat([u32(executions.length), u32(atATime), ...executions.map(encode)]));
    const ms = await this.#milliseconds();
    const calls: Executed[] = [];
    for (let index = 0; index < executions.length; index += 1) calls.push(await this.#executed());
    return { calls, ms };
  }

  async one(execution: Execution): Promise<Executed> {
    const { calls } = await this.batch([execution]);
    const [call] = calls;
    if (call === undefined) throw new Error('a batch of one has one answer');
    return call;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await gone;
  }

  async #milliseconds(): Promise<number> {
    return Number((await this.#answers.take(8)).readBigUInt64LE()) / 1e6;
  }

  async #executed(): Promise<Executed> {
    const ms = await this.#milliseconds();
    const status = (await this.#answers.take(4)).readUInt32LE();
    const length = (await this.#answers.take(4)).readUInt32LE();
    return { ms, status, stdout: (await this.#answers.take(length)).toString() };
  }
}

/** Bytes of a stream, as many at a time as one asks for. */
class Reader {
  readonly #chunks: AsyncIterator<Buffer>;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.#chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  async take(length: number): Promise<Buffer> {
    while (this.#rest.length < length) {
      const { value, done } = await this.#chunks.next();
      if (done === true) throw new Error('the program that executes others ended');
      this.#rest = Buffer.concat([this.#rest, value]);
    }
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }
}

function encode({ program, args = [], env, stdin }: Execution): Buffer {
  const strings = [program, ...args, '', ...Object.entries(env).map(([name, value]) => `${name}=${value}`)];
  const text = Buffer.from(strings.map((string) => `${string}\0`).join(''));
  const input = Buffer.from(stdin);
  return Buffer.concat([u32(text.length), text, u32(input.length), input]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
