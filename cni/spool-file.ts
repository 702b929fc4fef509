/** The durable write of a spooled deletion, from Node. */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, statSync, unlinkSync, writeSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { SpoolOutcome } from './step.ts';

/** As `SpoolStep` promises; on failure nothing half-written stays under the final name. */
export function writeDurably(directory: string, name: string, text: string): SpoolOutcome {
  const temporary = join(directory, `.${randomBytes(8).toString('hex')}`);
  try {
    makeDirectory(directory);
    const fd = openSync(temporary, 'wx', 0o600);
    try {
      const bytes = Buffer.from(text);
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
      fsyncSync(fd);
      renameSync(temporary, join(directory, name));
    } catch (error) {
      unlinkSync(temporary);
      throw error;
    } finally {
      closeSync(fd);
    }
    syncDirectory(directory);
    return { kind: 'written' };
  } catch (error) {
    return { kind: 'failed', reason: errnoName(error) };
  }
}

/**
 * Makes what is missing of an absolute path; a new directory survives a crash only once its parent is on disk. (Node's
 * own recursive mkdir never returns where a directory cannot be made and the kernel says ENOENT, as below /proc.)
 */
function makeDirectory(directory: string): void {
  let parent = '/';
  for (const part of directory.split('/').filter((name) => name !== '')) {
    const path = join(parent, part);
    try {
      mkdirSync(path, { mode: 0o700 });
      syncDirectory(parent);
    } catch (error) {
      if (errnoName(error) !== 'EEXIST') throw error;
    }
    parent = path;
  }
  if (!statSync(directory).isDirectory())
    throw Object.assign(new Error(`${directory} is no directory`), { code: 'EEXIST' });
}

function syncDirectory(directory: string): void {
  const fd = openSync(directory, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function errnoName(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code);
  return String(error);
}
