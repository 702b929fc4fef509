/**
 * Who may have done it: processes that the kernel named in its news, and processes that are known for it and run at this
 * moment. Read from /proc after the repair, one file at a time, so that nothing waits for it. A guess, and called one.
 */
import { readdir, readFile } from 'node:fs/promises';
import { KNOWN_CULPRITS } from './culprits.data.ts';

/** No node has so many processes that the rest would be worth the time. */
const MOST_PROCESSES = 5000;

/** Names for the log, the named ones first. Never rejects: a process that ends meanwhile is left out. */
export async function findCulprits(doers: ReadonlyMap<number, string>, proc = '/proc'): Promise<readonly string[]> {
  const named = await Promise.all(
    [...doers].map(async ([pid, name]) => {
      const found = name === '' ? await nameOf(proc, pid) : name;
      return found === '' ? [] : [`${KNOWN_CULPRITS.get(found) ?? found} (pid ${pid})`];
    }),
  );
  const running = new Set<string>();
  const entries = await readdir(proc).catch(() => []);
  for (const entry of entries.filter((each) => /^\d+$/.test(each)).slice(0, MOST_PROCESSES)) {
    const known = KNOWN_CULPRITS.get(await nameOf(proc, Number(entry)));
    if (known !== undefined) running.add(`${known} (runs here)`);
  }
  return [...named.flat(), ...running];
}

function nameOf(proc: string, pid: number): Promise<string> {
  return readFile(`${proc}/${pid}/comm`, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
}
