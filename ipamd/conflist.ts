/** The network configuration list that the container runtime reads (SPEC.md, "Network configuration format"). */
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface ConflistOptions {
  readonly socketPath: string;
  readonly spoolDirectory: string;
  /** Name of the binary in the runtime's plugin directory. */
  readonly type?: string;
}

export const NETWORK_NAME = 'wellspring';
export const CONFLIST_FILE = '10-wellspring.conflist';

/**
 * The runtime chooses the version: libraries of 1.1 and later take the highest of `cniVersions` that they speak, so containerd 2
 * asks for STATUS; earlier ones know `cniVersion` alone, and containerd 1 would refuse a result of 1.1.0. Whoever adds a plugin
 * to the list that does not speak 1.1.0 takes it out of `cniVersions`.
 */
export function conflist({ socketPath, spoolDirectory, type = 'wellspring-cni' }: ConflistOptions): object {
  const capabilities = { portMappings: true, bandwidth: true, 'io.kubernetes.cri.pod-annotations': true };
  const plugins = [{ type, capabilities, socketPath, spoolDirectory }];
  return { cniVersion: '1.0.0', cniVersions: ['1.0.0', '1.1.0'], name: NETWORK_NAME, plugins };
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
