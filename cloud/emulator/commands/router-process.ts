/**
 * `--fabric`: the program runs again in a network namespace of its own, where it is the VPC router. The socket that
 * clients on this machine use is opened here and handed over, since out of there nobody could reach it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Server } from 'node:net';
import { createServer } from 'node:net';
import type { HostPort } from '../command-line.ts';
import { enterPrivateNetwork, type Isolation, isolationCommand } from '../fabric/isolate.ts';
import { explain, ListenError } from '../http-listen.ts';

/** Set in the process that is the router. */
const ROUTER = 'WELLSPRING_CLOUD_ROUTER';

export function isRouter(): boolean {
  return process.env[ROUTER] !== undefined;
}

/** Starts the router with the same arguments and waits until it ends. Throws `ListenError` and `IsolationError`. */
export async function runRouter(listen: HostPort, signal: AbortSignal): Promise<number> {
  const server = await openSocket(listen);
  const { command, args, kind, why } = isolationCommand({ keep: true });
  process.stderr.write(`${why}\n`);
  const child: ChildProcess = spawn(
    command,
    [...args, process.execPath, ...process.execArgv, ...process.argv.slice(1)],
    { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env: { ...process.env, [ROUTER]: kind } },
  );
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  child.once('message', () => {
    child.send('listen', server, () => {
      server.close();
      child.disconnect();
    });
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  server.close();
  return code ?? 1;
}

/** In the router: enters its network and takes the socket. */
export async function becomeRouter(): Promise<Server> {
  enterPrivateNetwork({ kind: process.env[ROUTER] as Isolation['kind'], keep: true });
  const handed = once(process, 'message') as Promise<[string, Server]>;
  process.send?.('ready');
  const [, server] = await handed;
  return server;
}

function openSocket(listen: HostPort): Promise<Server> {
  const server = createServer();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(new ListenError(explain(listen, error), error)));
    server.listen(listen.port, listen.host, () => resolve(server));
  });
}
