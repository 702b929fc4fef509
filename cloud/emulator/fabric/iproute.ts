import { spawn } from 'node:child_process';

/** A network namespace: a name under /run/netns, or `undefined` for the one this process runs in. */
export type Namespace = string | undefined;

/** No batch of the fabric takes more than a second; a kernel that hangs must not hang its caller. */
const TIME_LIMIT_MS = 30_000;

/** Words that mean to iproute2's batch reader what they say: no quotes, comments or line ends. */
const PLAIN_LINE = /^[A-Za-z0-9_.:,/+-]+( [A-Za-z0-9_.:,/+-]+)*$/;

/** iproute2 or another tool refused; the message holds its own words and, of a batch, the line it failed on. */
export class FabricCommandError extends Error {
  constructor(command: string, message: string, options?: ErrorOptions) {
    super(`${command}: ${message}`, options);
    this.name = 'FabricCommandError';
  }
}

/**
 * Runs iproute2 lines in one process, in a namespace, and resolves with its standard output. Stops at the first line
 * that fails and rejects with a `FabricCommandError`; the lines before it have taken effect. No lines, no process.
 */
export async function ipBatch(
  namespace: Namespace,
  lines: readonly string[],
  options: { readonly json?: boolean; readonly ipv6?: boolean } = {},
): Promise<string> {
  if (lines.length === 0) return '';
  const odd = lines.find((line) => !PLAIN_LINE.test(line));
  if (odd !== undefined) throw new FabricCommandError('ip', `refusing the line ${JSON.stringify(odd)}`);
  const where = namespace === undefined ? [] : ['-n', namespace];
  const how = [...(options.json === true ? ['-j'] : []), ...(options.ipv6 === true ? ['-6'] : [])];
  try {
    return await run('ip', [...where, ...how, '-batch', '-'], `${lines.join('\n')}\n`);
  } catch (error) {
    const number = /Command failed -:(\d+)/.exec(String(error))?.[1];
    if (number === undefined || !(error instanceof Error)) throw error;
    const place = namespace === undefined ? '' : ` in ${namespace}`;
    throw new FabricCommandError(`ip ${lines[Number(number) - 1] ?? '?'}${place}`, error.message, { cause: error });
  }
}

/** Runs a program with `input` on its standard input and resolves with its standard output; any other end rejects. */
export function run(command: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(TIME_LIMIT_MS);
    const child = spawn(command, args, { stdio: 'pipe', signal, killSignal: 'SIGKILL' });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    const fail = (message: string): void => {
      reject(new FabricCommandError([command, ...args].join(' '), message));
    };
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error) => fail(error.message));
    child.on('close', (code, killedBy) => {
      if (code === 0) resolve(Buffer.concat(out).toString());
      else fail(`${Buffer.concat(err).toString().trim()} (${killedBy ?? `exit status ${code ?? '?'}`})`);
    });
    // A child that ends before it has read everything is reported by its exit status, not by EPIPE.
    child.stdin.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') fail(error.message);
    });
    child.stdin.end(input);
  });
}
