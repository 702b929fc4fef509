/** The C program that sends recorded messages, compiled by the compiler that the CNI binary is compiled with. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { compileC } from '../compile-c.ts';
import type { RecordedDatagram } from './recording.ts';
import type { Took } from './stopwatch.ts';

const SOURCE = new URL('bare.c', import.meta.url).pathname;
/** The program's path; undefined without a C compiler in PATH. */
export function compileBare(directory: string): Promise<string | undefined> {
  return compileC(SOURCE, directory);
}

/** Files that the program reads, one for each recording. */
export async function writeRecordings(
  recordings: readonly (readonly RecordedDatagram[])[],
  directory: string,
): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  return Promise.all(
    recordings.map(async (recording, index) => {
      const file = join(directory, `recording-${index}`);
      await writeFile(file, recording.map(lineOf).join(''));
      return file;
    }),
  );
}

/** The running program; disposed of when its input ends. */
export class BareProgram implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  private constructor(child: ChildProcess, answers: AsyncIterator<string>) {
    this.#child = child;
    this.#answers = answers;
  }

  /** Undefined without a C compiler in PATH. */
  static async start(
    hostNetns: string,
    recordings: readonly (readonly RecordedDatagram[])[],
    directory: string,
  ): Promise<BareProgram | undefined> {
    const program = await compileBare(directory);
    if (program === undefined) return undefined;
    const files = await writeRecordings(recordings, directory);
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, hostNetns, ...files], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    return new BareProgram(child, createInterface({ input: child.stdout })[Symbol.asyncIterator]());
  }

  /** What a recording took for a pod in this namespace. Rejects when the program ended. */
  async run(recording: number, netns: string): Promise<Took> {
    this.#child.stdin?.write(`${recording} ${netns}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error(`the C program ended with ${this.#child.exitCode ?? this.#child.signalCode}`);
    const [wallUs = Number.NaN, cpuUs = Number.NaN] = value.split(' ').map((ns) => Number(ns) / 1000);
    return { wallUs, cpuUs };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await gone;
  }
}

function lineOf({ place, patch, bytes }: RecordedDatagram): string {
  return `${place === 'host' ? 'h' : 'p'} ${patch} ${bytes.toString('hex')}\n`;
}
