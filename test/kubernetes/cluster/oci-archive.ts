/** An image archive (OCI image-spec, "image-layout.md") of a directory as its only layer; nothing is pulled. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { runCommand } from '#test/support/command.ts';

export interface ImageOptions {
  /** Under which containerd knows it. */
  readonly name: string;
  /** Becomes the root of the file system. */
  readonly root: string;
  readonly entrypoint: readonly string[];
  /** Arguments where the pod has none. */
  readonly arguments?: readonly string[];
  readonly env?: readonly string[];
  /** The archive's path. */
  readonly archive: string;
}

const ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
const PACKING_MS = 300_000;

/** The archive is whole when it resolves. The directory `<archive>.layout` is used meanwhile. */
export async function packImage(options: ImageOptions): Promise<void> {
  const {
    name,
    root,
    archive,
    entrypoint,
    arguments: Cmd = [],
    env = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'],
  } = options;
  const layout = `${archive}.layout`;
  const blobs = join(layout, 'blobs', 'sha256');
  await rm(layout, { recursive: true, force: true });
  await mkdir(blobs, { recursive: true });
  try {
    const layerFile = join(layout, 'layer.tar');
    await pack(root, layerFile);
    const layer = { digest: await digestOf(layerFile), size: (await stat(layerFile)).size };
    await link(layerFile, join(blobs, layer.digest));
    await rm(layerFile);
    const put = async (value: object) => {
      const text = JSON.stringify(value);
      const digest = createHash('sha256').update(text).digest('hex');
      await writeFile(join(blobs, digest), text);
      return { digest, size: Buffer.byteLength(text) };
    };
    const config = await put({
      architecture: ARCHITECTURE[process.arch],
      os: 'linux',
      config: { Entrypoint: entrypoint, Cmd, Env: env, WorkingDir: '/' },
      rootfs: { type: 'layers', diff_ids: [`sha256:${layer.digest}`] },
    });
    const manifest = await put({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptor('config.v1+json', config),
      layers: [descriptor('layer.v1.tar', layer)],
    });
    const annotations = { 'io.containerd.image.name': name };
    const index = { schemaVersion: 2, manifests: [{ ...descriptor('manifest.v1+json', manifest), annotations }] };
    await writeFile(join(layout, 'index.json'), JSON.stringify(index));
    await writeFile(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }));
    await pack(layout, archive);
  } finally {
    await rm(layout, { recursive: true, force: true });
  }
}

function descriptor(mediaType: string, { digest, size }: { readonly digest: string; readonly size: number }): object {
  return { mediaType: `application/vnd.oci.image.${mediaType}`, digest: `sha256:${digest}`, size };
}

async function pack(directory: string, archive: string): Promise<void> {
  const owner = ['--owner=0', '--group=0', '--numeric-owner', '--sort=name', '--mtime=@0'];
  await runCommand('tar', [...owner, '-C', directory, '-cf', archive, '.'], { timeoutMs: PACKING_MS });
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
