/** One LocalStack process on a free port of the loopback address, with nothing but EC2. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { closeSync, openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '#test/support/free-port.ts';
import { until } from '#test/support/until.ts';

const STARTS_WITHIN_MS = 120_000;
const STOPS_WITHIN_MS = 10_000;

export interface LocalStack extends AsyncDisposable {
  readonly endpoint: string;
}

/** Serves EC2 when it resolves; its process and its files are gone when it is disposed of, or this process dies. */
export async function startLocalStack(python: string, signal: AbortSignal): Promise<LocalStack> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'wellspring-localstack-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const port = await freePort();
  const log = join(directory, 'localstack.log');
  const output = openSync(log, 'a');
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', python, '-m', 'localstack.runtime.main'], {
    stdio: ['ignore', output, output],
    cwd: directory,
    env: environmentOf(directory, port),
    // A terminal's Ctrl-C is for the lane, which stops it in its turn.
    detached: true,
  });
  closeSync(output);
  stack.defer(() => stop(child));
  const endpoint = `http://127.0.0.1:${String(port)}`;
  try {
    await until(`LocalStack at ${endpoint} serves EC2`, STARTS_WITHIN_MS, async () => {
      signal.throwIfAborted();
      if (child.exitCode !== null) throw new Error(`LocalStack ended with ${String(child.exitCode)}`);
      return (await ec2Of(endpoint)) === 'running';
    });
  } catch (error) {
    if (signal.aborted) throw error;
    const tail = (await readFile(log, 'utf8')).split('\n').slice(-15).join('\n');
    throw new Error(`${String(error)}; its log ends:\n${tail}`, { cause: error });
  }
  const running = stack.move();
  return { endpoint, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** What a LocalStack says of its EC2: `running`, `available` ...; undefined where none answers. */
export async function ec2Of(endpoint: string): Promise<string | undefined> {
  try {
    const answer = await fetch(new URL('/_localstack/health', endpoint), { signal: AbortSignal.timeout(5000) });
    const health: unknown = await answer.json();
    const services = typeof health === 'object' && health !== null && 'services' in health ? health.services : {};
    return (services as Readonly<Record<string, string>>)['ec2'];
  } catch {
    return undefined;
  }
}

/** It takes /.dockerenv for its own container and would write to /var/lib; OVERRIDE_IN_DOCKER tells it otherwise. */
function environmentOf(directory: string, port: number): NodeJS.ProcessEnv {
  return {
    PATH: process.env['PATH'],
    HOME: directory,
    TMPDIR: directory,
    FILESYSTEM_ROOT: directory,
    OVERRIDE_IN_DOCKER: '0',
    GATEWAY_LISTEN: `127.0.0.1:${String(port)}`,
    SERVICES: 'ec2',
    EAGER_SERVICE_LOADING: '1',
    DISABLE_EVENTS: '1',
    SKIP_SSL_CERT_DOWNLOAD: '1',
    DNS_ADDRESS: '0',
  };
}

/** It takes some seconds to end on SIGTERM. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGTERM');
  const impatient = setTimeout(() => child.kill('SIGKILL'), STOPS_WITHIN_MS);
  await gone;
  clearTimeout(impatient);
}
