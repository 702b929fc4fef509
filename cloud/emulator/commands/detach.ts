/** `up --detach`: the program runs again in a session of its own, and this one ends when that one serves. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SERVES_WITHIN_MS = 60_000;
/** Set in the detached process: the directory of its log, which it removes when it ends well. */
const LOG_DIRECTORY = 'WELLSPRING_CLOUD_LOG_DIRECTORY';

/** After a good end nobody needs the log of a detached cloud. */
export function removeOwnLog(): void {
  const directory = process.env[LOG_DIRECTORY];
  if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
}

/** Resolves with the exit code; what the cloud says when it serves is printed. */
export async function detach(args: readonly string[], json: boolean): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'wellspring-cloud-'));
  const log = join(directory, 'cloud.log');
  const output = openSync(log, 'a');
  const own = args.filter((arg) => arg !== '--detach' && arg !== '--json');
  const child: ChildProcess = spawn(process.execPath, [...process.execArgv, process.argv[1] ?? '', ...own, '--json'], {
    detached: true,
    stdio: ['ignore', 'pipe', output],
    env: { ...process.env, [LOG_DIRECTORY]: directory },
  });
  closeSync(output);
  const line = await firstLine(child);
  if (line === undefined) {
    process.stderr.write(readFileSync(log, 'utf8') || 'wellspring-cloud: it ended without a word\n');
    rmSync(directory, { recursive: true, force: true });
    return child.exitCode ?? 1;
  }
  const { endpoint } = JSON.parse(line) as { readonly endpoint: string };
  if (json) process.stdout.write(line);
  else {
    process.stdout.write(`EC2 is served at ${endpoint}\n`);
    process.stderr.write(`Its messages are in ${log}; wellspring-cloud down --endpoint ${endpoint} ends it.\n`);
  }
  child.stdout?.destroy();
  child.unref();
  return 0;
}

/** Undefined where it ended before, or took too long and was ended. */
function firstLine(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    let said = '';
    const timer = setTimeout(() => child.kill('SIGTERM'), SERVES_WITHIN_MS);
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('\n')) done(said);
    });
    child.once('exit', () => done(undefined));
    function done(line: string | undefined): void {
      clearTimeout(timer);
      resolve(line);
    }
  });
}
