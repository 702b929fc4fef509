/**
 * A file in place as a whole or not at all: written beside its place, made durable, renamed over what was there. A runtime
 * that looks meanwhile, and a machine that loses its power, find the old file or the new one.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface FileToPlace {
  readonly path: string;
  readonly content: Uint8Array;
  /** Permission bits, whatever the umask. */
  readonly mode: number;
}

/** What an installer that was killed left behind is of nobody's use after this time, in milliseconds. */
const ABANDONED_AFTER_MS = 600_000;

/**
 * Resolves when the file is durable under its name: true if anything had to be written, false if it was there already with
 * the same bytes and mode (directories are watched, and a file that is put anew is news). Makes the directory where it is
 * missing. Rejects with the file system's error; the place then holds what it held before.
 */
export async function placeFile(file: FileToPlace): Promise<boolean> {
  const directory = dirname(file.path);
  await mkdir(directory, { recursive: true });
  await removeAbandoned(file.path);
  if (await isThere(file)) return false;
  const temporary = join(directory, `${marker(file.path)}${randomBytes(6).toString('hex')}`);
  try {
    await write(temporary, file);
    await rename(temporary, file.path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await makeDurable(directory);
  return true;
}

/** Takes a file away, and what killed installers left of it; durable when it resolves. False if there was none. */
export async function takeAway(path: string): Promise<boolean> {
  const found = await lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
  await removeAbandoned(path, 0);
  if (!found) return false;
  await rm(path);
  await makeDurable(dirname(path));
  return true;
}

/** Runtimes leave files alone that begin with a dot, and those of conflists that end in none of their suffixes. */
function marker(path: string): string {
  return `.${basename(path)}.new-`;
}

async function write(path: string, { content, mode }: FileToPlace): Promise<void> {
  const handle = await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600);
  try {
    await handle.writeFile(content);
    await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A link or anything else than a file is replaced. */
async function isThere({ path, content, mode }: FileToPlace): Promise<boolean> {
  try {
    const found = await lstat(path);
    if (!found.isFile() || found.size !== content.length || (found.mode & 0o7777) !== mode) return false;
    return (await readFile(path)).equals(content);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

async function removeAbandoned(path: string, olderThanMs = ABANDONED_AFTER_MS): Promise<void> {
  const names = await readdir(dirname(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  for (const name of names.filter((each) => each.startsWith(marker(path)))) {
    const left = join(dirname(path), name);
    const age = await lstat(left).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => -1,
    );
    if (age >= olderThanMs) await rm(left, { force: true });
  }
}

async function makeDurable(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
