/** What the container runtime finds: its configuration directory and our binary. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import type { CniFacts, ConflistFact, FileFact, Known } from '../facts.ts';

export const CNI_TYPE = 'wellspring-cni';
const VERSION_LIMIT_MS = 5000;

export interface CniPlaces {
  readonly confDirectory: string;
  readonly binDirectory: string;
  /** Whether all of the node's files are here; a container has some of them. */
  readonly isWhole: boolean;
}

export async function collectCni({ confDirectory, binDirectory, isWhole }: CniPlaces): Promise<CniFacts> {
  const path = join(binDirectory, CNI_TYPE);
  // A directory of the node's has at least the plugin `loopback` in it; that of a mount which is not there has nothing.
  const isMounted = isWhole || (await readdir(binDirectory).catch(() => [])).length > 0;
  const binary = isMounted ? await fileFact(path) : { unknown: `${binDirectory} is not mounted here` };
  const isThere = 'value' in binary && binary.value !== null;
  return {
    confDirectory,
    binDirectory,
    conflists: await conflists(confDirectory),
    binary,
    speaks: isThere ? await versionsOf(path) : { unknown: 'the binary is not there' },
  };
}

/** In the order in which runtimes choose: by name (libcni, ConfFiles). */
async function conflists(directory: string): Promise<Known<readonly ConflistFact[]>> {
  try {
    const files = (await readdir(directory)).filter((name) => /\.(conf|conflist|json)$/.test(name)).toSorted();
    return {
      value: await Promise.all(
        files.map(async (file) => conflistOf(file, await readFile(join(directory, file), 'utf8'))),
      ),
    };
  } catch (error) {
    return { unknown: reasonOf(error) };
  }
}

function conflistOf(file: string, text: string): ConflistFact {
  const nothing = { file, types: undefined, name: undefined, socketPath: undefined };
  try {
    const document = JSON.parse(text) as { name?: unknown; type?: unknown; plugins?: unknown; socketPath?: unknown };
    const plugins = (Array.isArray(document.plugins) ? document.plugins : [document]) as (typeof document)[];
    const types = plugins.map(({ type }) => type).filter((type) => typeof type === 'string');
    if (types.length === 0) return nothing;
    const socket = plugins.find(({ type }) => type === CNI_TYPE)?.socketPath;
    return {
      file,
      types,
      name: typeof document.name === 'string' ? document.name : undefined,
      socketPath: typeof socket === 'string' ? socket : undefined,
    };
  } catch {
    return nothing;
  }
}

/** `null` where it is not there. */
export async function fileFact(path: string): Promise<Known<FileFact | null>> {
  try {
    const found = await stat(path);
    const kind = found.isFile() ? 'file' : found.isDirectory() ? 'directory' : found.isSocket() ? 'socket' : 'other';
    return { value: { path, kind, mode: found.mode & 0o7777, bytes: found.size } };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? { value: null } : { unknown: reasonOf(error) };
  }
}

/** Executes the binary as a runtime does to ask for its versions (SPEC.md, VERSION). */
function versionsOf(path: string): Promise<Known<readonly string[]>> {
  return new Promise((resolve) => {
    const env = { CNI_COMMAND: 'VERSION', PATH: process.env['PATH'] };
    const child = execFile(path, [], { env, timeout: VERSION_LIMIT_MS }, (error, stdout) => {
      if (error !== null) return resolve({ unknown: `it cannot be executed: ${error.message.split('\n')[0]}` });
      try {
        const { supportedVersions } = JSON.parse(stdout) as { supportedVersions?: unknown };
        return resolve(
          Array.isArray(supportedVersions)
            ? { value: supportedVersions.map(String) }
            : { unknown: 'its answer to VERSION names no versions' },
        );
      } catch {
        return resolve({ unknown: 'its answer to VERSION is no JSON' });
      }
    });
    // One that ends at once closes the pipe.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end('{"cniVersion":"1.0.0"}');
  });
}

export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code ?? message;
}
