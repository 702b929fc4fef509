import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { join } from 'node:path';

import { until } from '../../support/until.ts';

/** A hundred pods that are killed at once on a busy machine take their time. */
const LAST_PROCESS_MS = 60_000;

/** Every cgroup hierarchy of this machine, version 1 (one for each controller) and 2. */
function hierarchies(): readonly string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .flatMap(([, path]) => (path === undefined ? [] : [path]));
}

/** The directories of the cgroup `name` that exist in any hierarchy. */
export function cgroupDirectories(name: string): readonly string[] {
  return hierarchies()
    .map((root) => join(root, name))
    .filter((path) => existsSync(path));
}

/** Removes the cgroup `name` and what is below it from all hierarchies; waits for the last process in it to be gone. */
export async function removeCgroup(name: string): Promise<void> {
  for (const top of cgroupDirectories(name)) {
    await until(`${top} has no process left`, LAST_PROCESS_MS, () => removeTree(top).then(always, whetherBusy));
  }
}

const always = (): boolean => true;

function whetherBusy(error: NodeJS.ErrnoException): boolean {
  if (error.code === 'EBUSY') return false;
  throw error;
}

async function removeTree(path: string): Promise<void> {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeTree(join(path, entry.name));
  }
  await rmdir(path);
}
