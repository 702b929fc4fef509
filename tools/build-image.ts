/**
 * `npm run image [-- --json --output FILE | --directory PLACE]`: the image of the daemon as an archive, `dist/wellspring-image.tar`, from this checkout alone: no base
 * image, no registry, no container tool. `ctr -n k8s.io images import dist/wellspring-image.tar` gives it to a node.
 * deploy/image/Containerfile makes the same file system, as a directory, where there is a registry.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import manifest from '../package.json' with { type: 'json' };
import { buildCniBinary, CniBuildError } from './build-cni.ts';
import { buildIpamd, RELEASE } from './build-ipamd.ts';
import { type ImageContent, ociArchive } from './image/oci.ts';
import { HOME, nodeLayer, programLayer, unpackTo } from './image/root-file-system.ts';

const ROOT = dirname(import.meta.dirname);
const NODE = join(ROOT, 'node_modules', 'node', 'bin', 'node');
const ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

export const IMAGE_REFERENCE = `wellspring.dev/ipamd:${manifest.version}`;
export const IMAGE_ARCHIVE = join(ROOT, 'dist', 'wellspring-image.tar');

export interface BuiltImage {
  readonly path: string;
  readonly reference: string;
  /** Of the image's manifest. The same checkout and libraries give the same one. */
  readonly digest: string;
  readonly bytes: number;
}

/** What a runtime starts, and with which environment (OCI image-spec, "config.md"). */
export const IMAGE_CONFIG = {
  Env: ['PATH=/usr/bin', ...Object.entries(RELEASE.env).map(([name, value]) => `${name}=${value}`)],
  Entrypoint: ['/usr/bin/node', ...RELEASE.flags, `${HOME}/ipamd.cjs`],
  WorkingDir: '/',
  User: '0',
  Labels: {
    'org.opencontainers.image.title': 'wellspring',
    'org.opencontainers.image.version': manifest.version,
    'org.opencontainers.image.licenses': manifest.license,
  },
} as const;

interface BuildOptions {
  readonly log: (line: string) => void;
  readonly path?: string;
}

/**
 * Writes the archive; what was there before stays until the new one is whole.
 * @throws CniBuildError where the CNI binary cannot be compiled: the image has no other.
 */
export async function buildImage(options: BuildOptions): Promise<BuiltImage> {
  const path = options.path ?? IMAGE_ARCHIVE;
  const architecture = ARCHITECTURE[process.arch];
  if (architecture === undefined) throw new Error(`there is no image for ${process.arch}`);
  await mkdir(dirname(path), { recursive: true });
  return inScratch(dirname(path), async (scratch) => {
    const layers = await layersOf(options, scratch);
    const { parts, digest } = ociArchive({ reference: IMAGE_REFERENCE, architecture, layers, config: IMAGE_CONFIG });
    const fresh = join(scratch, 'image.tar');
    await pipeline(Readable.from(parts), createWriteStream(fresh));
    await rename(fresh, path);
    return { path, reference: IMAGE_REFERENCE, digest, bytes: parts.reduce((sum, { length }) => sum + length, 0) };
  });
}

/** The same file system as a directory, for a container build. */
export async function buildRootFileSystem(directory: string, options: BuildOptions): Promise<void> {
  await mkdir(dirname(directory), { recursive: true });
  await inScratch(dirname(directory), async (scratch) => {
    for (const { entries } of await layersOf(options, scratch)) await unpackTo(directory, entries);
  });
}

async function layersOf(options: BuildOptions, scratch: string): Promise<ImageContent['layers']> {
  const binary = await buildCniBinary(options);
  const { directory } = await buildIpamd(join(scratch, 'ipamd'));
  const native = join(directory, 'node_modules', '@koromix', `koffi-linux-${process.arch}`);
  const natives = [join(native, `linux_${process.arch}`, 'koffi.node')];
  return [
    { about: `node ${process.versions.node} and its libraries`, entries: await nodeLayer(NODE, natives) },
    { about: `wellspring ${manifest.version}`, entries: await programLayer(directory, binary.path) },
  ];
}

/** In `beside`, so that what is made can be renamed into its place. */
async function inScratch<T>(beside: string, work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(beside, '.image-'));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: { json: { type: 'boolean' }, output: { type: 'string' }, directory: { type: 'string' } },
  });
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  try {
    if (values.directory !== undefined) await buildRootFileSystem(values.directory, { log });
    else {
      const built = await buildImage({ log, ...(values.output === undefined ? {} : { path: values.output }) });
      const text = `${built.path}: ${built.reference}, ${built.bytes} bytes, ${built.digest}`;
      process.stdout.write(`${values.json === true ? JSON.stringify(built) : text}\n`);
    }
  } catch (error) {
    if (!(error instanceof CniBuildError)) throw error;
    log(`${error.message}\nThe image holds the compiled binary; there is no image without it.`);
    process.exitCode = 2;
  }
}
