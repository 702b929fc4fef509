/**
 * One daemon at a time: a claim is a listening unix socket, so the kernel drops it when its holder ends, however it ends.
 * It is taken before the journal or the kernel is touched; the daemon's own socket comes too late for that.
 */
import { chmod, mkdir, readdir, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { dirname } from 'node:path';

/**
 * Held until it is disposed of. `path` is the claim's own socket file; its directory is made, for root alone.
 * Rejects with `refusal` as its message while another process holds the claim.
 */
export async function claim(path: string, refusal: string): Promise<AsyncDisposable> {
  await privateDirectory(dirname(path));
  const server = await bind(path).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    if (await somebodyAnswers(path)) throw new Error(refusal, { cause: error });
    // Left over from a crash.
    await unlink(path).catch(ignoreAbsence);
    return bind(path);
  });
  return { [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) };
}

/** What this daemon and the CNI binary put into their directories. */
const OURS = /^\.|^(ipamd|introspect)\.sock|^(claim|del-spool)$|^journal/;

/**
 * Makes the directory of a socket; nobody but its owner looks into it. A directory that was there is closed to others
 * only when nothing of theirs is in it: closing /run or /tmp would break the machine.
 */
export async function privateDirectory(path: string): Promise<void> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 });
  if (made !== undefined || ((await stat(path)).mode & 0o077) === 0) return;
  const strangers = (await readdir(path)).filter((name) => !OURS.test(name));
  if (strangers.length > 0) {
    throw new Error(
      `${path} is open to others and holds ${strangers[0]}: give the daemon a directory of its own (WELLSPRING_SOCKET, WELLSPRING_STATE_DIRECTORY)`,
    );
  }
  await chmod(path, 0o700);
}

/** Whether a process listens on the socket file. */
export function somebodyAnswers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export function ignoreAbsence(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

function bind(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => resolve(server));
  });
}
