/** The processes that share a network namespace. */
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import type { ProcessFact } from '../facts.ts';

/** Names a network namespace; this process's own where no path is given. '' where it cannot be read. */
export async function namespaceOf(netns: string | undefined): Promise<string> {
  if (netns === undefined) return readlink('/proc/self/ns/net').catch(() => '');
  return stat(netns).then(
    ({ ino }) => `net:[${ino}]`,
    () => '',
  );
}

/** A process whose namespace may not be read counts as one of it: better one too many than one too few. */
export async function processesIn(namespace: string): Promise<readonly ProcessFact[]> {
  const found: ProcessFact[] = [];
  for (const pid of (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry))) {
    const theirs = await readlink(`/proc/${pid}/ns/net`).catch(() => namespace);
    if (theirs !== namespace) continue;
    const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
    if (name !== '') found.push({ pid: Number(pid), name: name.trim() });
  }
  return found;
}
