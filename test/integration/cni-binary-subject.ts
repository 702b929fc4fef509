/** The two forms of the CNI program, run as a container runtime runs them, and daemons that misbehave. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildCniBinary, writeNodeFallback } from '#tools/build-cni.ts';
import type { CniBinaryKind } from '#tools/build-cni.ts';

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export type Environment = Readonly<Record<string, string>>;

/** Executes `path` with this environment and no other. Kills it, and says so by `signal`, after 90 s. */
export async function execute(path: string, env: Environment, stdin: string | Uint8Array): Promise<Outcome> {
  const child = spawn(path, [], {
    env: { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'], ...env },
    timeout: 90_000,
    killSignal: 'SIGKILL',
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // It may answer without reading to the end (too large), and its status is what counts.
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  const text = (chunks: readonly Buffer[]): string => Buffer.concat(chunks).toString('utf8');
  return { status, signal, stdout: text(stdout), stderr: text(stderr) };
}

/** Where both programs are, and a directory for sockets and spools. */
export interface Bench {
  readonly directory: string;
  readonly compiled: string;
  readonly kind: CniBinaryKind;
  readonly fallback: string;
  readonly close: () => Promise<void>;
}

export async function makeBench(): Promise<Bench> {
  const directory = await mkdtemp(join(tmpdir(), 'wellspring-cni-'));
  const compiled = await buildCniBinary({ log: (line) => void process.stderr.write(`${line}\n`) });
  const fallback = await writeNodeFallback(join(directory, 'fallback'));
  const close = (): Promise<void> => rm(directory, { recursive: true, force: true });
  return { directory, compiled: compiled.path, kind: compiled.kind, fallback: fallback.path, close };
}

/** A server on a unix socket that does `behave` with each connection. */
export async function listen(path: string, behave: (socket: Socket) => void): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    behave(socket);
  });
  server.listen(path);
  await once(server, 'listening');
  const dispose = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return { [Symbol.asyncDispose]: dispose };
}
