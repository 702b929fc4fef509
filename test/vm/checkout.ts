/**
 * The checkout as it is when the machine starts. The guest keeps what it knows of this machine's files for good, so a file that is
 * edited meanwhile would be read with its old length.
 */
import { cp, mkdir } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Too large to copy; nobody edits them by hand. */
const SHARED = ['node_modules', 'dist'];
const LEFT_OUT = new Set([...SHARED, '.git']);

/** Copies the checkout `root` to `into`, and returns the lines of bash that put the copy in its place in the guest. */
export async function copyCheckout(root: string, into: string): Promise<readonly string[]> {
  await cp(root, into, { recursive: true, filter: (path) => !LEFT_OUT.has(relative(root, path)) });
  const shared = SHARED.filter((name) => existsSync(join(root, name)));
  for (const name of shared) await mkdir(join(into, name));
  const mounts = shared.map((name) => `mount --bind ${join(root, name)} ${join(into, name)}`);
  return [...mounts, `mount --rbind ${into} ${root}`];
}
