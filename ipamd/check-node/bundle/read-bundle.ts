/** A bundle as `bundle` wrote it, read back. */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { FACTS_VERSION, type NodeFacts } from '../facts.ts';
import { type ArchivedFile, readTar, TarError } from './tar.ts';

/** Why a bundle cannot be used; `code` is for what to do. */
export class BundleError extends Error {
  readonly code: 'unreadable' | 'not-gzip' | 'cut-off' | 'not-a-bundle' | 'other-version';
  constructor(code: BundleError['code'], message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = 'BundleError';
    this.code = code;
  }
}

/** Bundles have a few MiB; more is none, and may be made to fill the memory. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Each is there in every bundle, be it to say that it is not known. */
const PARTS = [
  'kernel',
  'nft',
  'legacyTables',
  'sysctls',
  'features',
  'software',
  'cni',
  'daemon',
  'metadata',
  'permissions',
  'kubelet',
] as const satisfies readonly (keyof NodeFacts)[];

export interface Bundle {
  readonly facts: NodeFacts;
  readonly files: readonly ArchivedFile[];
}

/** Rejects with `BundleError`. */
export async function readBundle(path: string): Promise<Bundle> {
  const packed = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new BundleError('unreadable', error.code ?? error.message, { cause: error });
  });
  const files = filesOf(await unpacked(packed));
  const text = files.find((file) => file.path.endsWith('/facts.json') || file.path === 'facts.json')?.text;
  if (text === undefined) throw new BundleError('not-a-bundle', 'it holds no facts.json');
  return { facts: factsOf(text), files };
}

async function unpacked(packed: Buffer): Promise<Buffer> {
  try {
    return await promisify(gunzip)(packed, { maxOutputLength: MOST_BYTES });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'Z_BUF_ERROR') throw new BundleError('cut-off', 'it ends in the midst of its data', { cause: error });
    if (code === 'ERR_BUFFER_TOO_LARGE')
      throw new BundleError('not-a-bundle', `it is larger than ${MOST_BYTES / 1024 / 1024} MiB unpacked`, {
        cause: error,
      });
    throw new BundleError('not-gzip', `it is not packed by gzip, or damaged (${message})`, { cause: error });
  }
}

function filesOf(bytes: Buffer): readonly ArchivedFile[] {
  try {
    return readTar(bytes);
  } catch (error) {
    if (!(error instanceof TarError)) throw error;
    throw new BundleError(error.message.includes('cut off') ? 'cut-off' : 'not-a-bundle', error.message, {
      cause: error,
    });
  }
}

function factsOf(text: string): NodeFacts {
  let facts: unknown;
  try {
    facts = JSON.parse(text);
  } catch (error) {
    throw new BundleError('not-a-bundle', 'its facts.json is no JSON', { cause: error });
  }
  const version = (facts as { readonly factsVersion?: unknown } | null)?.factsVersion;
  if (version === undefined) throw new BundleError('not-a-bundle', 'its facts.json names no version');
  if (version !== FACTS_VERSION)
    throw new BundleError(
      'other-version',
      `its facts are of version ${JSON.stringify(version)}, and this wellspringctl reads ${FACTS_VERSION}`,
    );
  const lacking = PARTS.filter((part) => typeof (facts as Readonly<Record<string, unknown>>)[part] !== 'object');
  if (lacking.length > 0) throw new BundleError('not-a-bundle', `its facts.json lacks ${lacking.join(', ')}`);
  return facts as NodeFacts;
}
