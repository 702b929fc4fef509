import { readdir } from 'node:fs/promises';
import { ipBatch } from './iproute.ts';

const NAMED_NAMESPACES = '/run/netns';

/** The named network namespaces whose names begin with `prefix`. */
export async function namespacesWith(prefix: string): Promise<readonly string[]> {
  try {
    return (await readdir(NAMED_NAMESPACES)).filter((name) => name.startsWith(prefix)).sort();
  } catch (error) {
    // iproute2 makes the directory with the first namespace.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** Makes an empty namespace with its loopback up. A failure leaves none behind. */
export async function createNamespace(name: string): Promise<void> {
  await ipBatch(undefined, [`netns add ${name}`]);
  try {
    await ipBatch(name, ['link set dev lo up']);
  } catch (error) {
    await deleteNamespaces([name]);
    throw error;
  }
}

/** Takes the names away; a namespace itself goes with its last process. */
export async function deleteNamespaces(names: readonly string[]): Promise<void> {
  await ipBatch(
    undefined,
    names.map((name) => `netns del ${name}`),
  );
}
