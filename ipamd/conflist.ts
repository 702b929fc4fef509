/** The network configuration list that the container runtime reads (SPEC.md, "Network configuration format"). */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface ConflistOptions {
  readonly socketPath: string;
  readonly spoolDirectory: string;
  /** containerd 1.x refuses results of 1.1.0, so 1.0.0 is the default. */
  readonly cniVersion?: string;
  /** Name of the binary in the runtime's plugin directory. */
  readonly type?: string;
}

export const NETWORK_NAME = 'wellspring';
export const CONFLIST_FILE = '10-wellspring.conflist';

export function conflist({
  socketPath,
  spoolDirectory,
  cniVersion = '1.0.0',
  type = 'wellspring-cni',
}: ConflistOptions): object {
  return { cniVersion, name: NETWORK_NAME, plugins: [{ type, socketPath, spoolDirectory }] };
}

/** In place at once or not at all: runtimes read the directory whenever it changes. */
export async function writeConflist(directory: string, options: ConflistOptions): Promise<string> {
  await mkdir(directory, { recursive: true });
  const path = join(directory, CONFLIST_FILE);
  const temporary = join(directory, `.${CONFLIST_FILE}.${process.pid}`);
  await writeFile(temporary, `${JSON.stringify(conflist(options), undefined, 2)}\n`, { mode: 0o644 });
  await rename(temporary, path);
  return path;
}
