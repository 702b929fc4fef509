/**
 * A pod's namespace that hangs must not stop others. CNI_NETNS is a path that the runtime chose; on a file system whose server is
 * dead (FUSE, NFS) opening it never returns, and the datapath opens it on the main thread. So a thread of libuv's pool tries it
 * first, unless the kernel knows without asking anybody that it is a namespace. What hangs holds that thread for good: one for each
 * directory at most, the rest is refused at once.
 */
import { closeSync, constants, open } from 'node:fs';
import { dirname } from 'node:path';
import { DatapathError } from './datapath.ts';
import { isNamespaceForSure } from './netlink/transport.ts';

/** A namespace of nsfs or procfs opens within microseconds. */
const PATIENCE_MS = 2000;

/** See the file's comment. */
export class NamespaceDoor {
  readonly #hanging = new Set<string>();
  /** One open at a time in each directory, or a burst of ADDs would take every thread before the first is given up. */
  readonly #tails = new Map<string, Promise<void>>();

  /**
   * Resolves when the path has been opened or refused, which the caller finds out by opening it. Throws `DatapathError`
   * no-such-netns where it did neither in time.
   */
  async reach(netns: string): Promise<void> {
    if (isNamespaceForSure(netns)) return;
    const directory = dirname(netns);
    const mine = (this.#tails.get(directory) ?? Promise.resolve()).then(() => this.#open(netns, directory));
    const tail = mine.catch(() => undefined);
    this.#tails.set(directory, tail);
    try {
      await mine;
    } finally {
      if (this.#tails.get(directory) === tail) this.#tails.delete(directory);
    }
  }

  #open(netns: string, directory: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#hanging.has(directory)) {
      reject(hangs(netns, 'the opening of another one in its directory has not returned yet'));
      return promise;
    }
    const giveUp = setTimeout(() => {
      this.#hanging.add(directory);
      reject(
        hangs(netns, `it could not be opened within ${PATIENCE_MS} ms: is it on a file system whose server is gone?`),
      );
    }, PATIENCE_MS);
    // O_NONBLOCK: a FIFO opens at once, and is found to be no namespace afterwards.
    open(netns, constants.O_RDONLY | constants.O_NONBLOCK, (_error, fd: number | undefined) => {
      clearTimeout(giveUp);
      this.#hanging.delete(directory);
      if (fd !== undefined) closeSync(fd);
      resolve();
    });
    return promise;
  }
}

function hangs(netns: string, why: string): DatapathError {
  return new DatapathError('no-such-netns', `network namespace ${netns}: ${why}`, { errno: 'ETIMEDOUT' });
}
