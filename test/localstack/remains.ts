import { readdir } from 'node:fs/promises';
import { runCommand } from '#test/support/command.ts';

/** Begins the name of every network namespace that tests of this process make. */
export function namespacePrefix(pid: number): string {
  return `l${pid.toString(36)}-`;
}

/** The namespaces of a test process that was ended before it could remove them; their links go with them. */
export async function removeNamespaces(pid: number): Promise<void> {
  const names = await readdir('/run/netns').catch(() => []);
  for (const name of names.filter((each) => each.startsWith(namespacePrefix(pid)))) {
    await runCommand('ip', ['netns', 'delete', name]);
  }
}
