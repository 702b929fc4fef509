/** The network configuration list that the container runtime reads (SPEC.md, "Network configuration format"). */
import { join } from 'node:path';
import { placeFile } from './install/place-file.ts';

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

/** The file as it is written. */
export function conflistText(options: ConflistOptions): string {
  return `${JSON.stringify(conflist(options), undefined, 2)}\n`;
}

/**
 * A configuration list of the operator's own, with more plugins in it, say. Its plugin of ours is told where ipamd is, unless
 * it says so itself. Throws Error where the text is no configuration list with our plugin in it.
 */
export function conflistFrom(text: string, options: ConflistOptions): string {
  const { socketPath, spoolDirectory, type = 'wellspring-cni' } = options;
  const list = fields(parsed(text));
  const plugins = Array.isArray(list?.['plugins']) ? list['plugins'].map(fields) : [];
  if (typeof list?.['name'] !== 'string' || typeof list['cniVersion'] !== 'string')
    throw new Error('it is no JSON object with name and cniVersion');
  if (!plugins.some((plugin) => plugin?.['type'] === type)) throw new Error(`none of its plugins has the type ${type}`);
  const told = plugins.map((plugin) =>
    plugin?.['type'] === type ? { socketPath, spoolDirectory, ...plugin } : plugin,
  );
  return `${JSON.stringify({ ...list, plugins: told }, undefined, 2)}\n`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`it is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

function fields(value: unknown): Readonly<Record<string, unknown>> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : undefined;
}

/** In place at once or not at all: runtimes read the directory whenever it changes. */
export async function writeConflist(directory: string, options: ConflistOptions): Promise<string> {
  const path = join(directory, CONFLIST_FILE);
  await placeFile({ path, content: Buffer.from(conflistText(options)), mode: 0o644 });
  return path;
}
