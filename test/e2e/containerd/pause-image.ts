import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { runCommand } from '../../support/command.ts';
import { tar, type TarEntry } from './tar.ts';

/** The name under which a node's containerd knows the image; nothing resolves it, it is only ever imported. */
export const PAUSE_IMAGE = 'wellspring.test/pause:1';

/** UDP port on which every sandbox answers with the sender's address as it saw it. */
export const PAUSE_PORT = 7007;

const ARCHITECTURE: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/**
 * Compiles `pause.c` into one static file and packs it as an OCI image archive (image-spec, "image-layout.md") in
 * `directory`. Returns the archive's path, ready for `ctr images import`.
 */
export async function buildPauseImage(directory: string): Promise<string> {
  const source = join(import.meta.dirname, 'pause.c');
  const binary = join(directory, 'pause');
  await runCommand('gcc', ['-Os', '-static', '-s', '-o', binary, source], { timeoutMs: 120_000 });
  const archive = join(directory, 'pause-image.tar');
  await writeFile(archive, ociArchive(PAUSE_IMAGE, await readFile(binary)));
  return archive;
}

interface Blob {
  readonly digest: string;
  readonly content: Buffer;
}

function blob(content: Buffer): Blob {
  return { digest: createHash('sha256').update(content).digest('hex'), content };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function descriptor(mediaType: string, { digest, content }: Blob): object {
  return { mediaType: `application/vnd.oci.image.${mediaType}`, digest: `sha256:${digest}`, size: content.length };
}

function ociArchive(name: string, binary: Buffer): Buffer {
  const files = tar([{ path: 'pause', mode: 0o755, content: binary }]);
  const layer = blob(gzipSync(files));
  const config = blob(
    json({
      architecture: ARCHITECTURE[process.arch],
      os: 'linux',
      config: { Entrypoint: ['/pause', String(PAUSE_PORT)], WorkingDir: '/' },
      rootfs: { type: 'layers', diff_ids: [`sha256:${blob(files).digest}`] },
    }),
  );
  const manifest = blob(
    json({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptor('config.v1+json', config),
      layers: [descriptor('layer.v1.tar+gzip', layer)],
    }),
  );
  const index = json({
    schemaVersion: 2,
    manifests: [{ ...descriptor('manifest.v1+json', manifest), annotations: { 'io.containerd.image.name': name } }],
  });
  const plain = (path: string, content: Buffer): TarEntry => ({ path, mode: 0o644, content });
  return tar([
    plain('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    plain('index.json', index),
    ...[config, manifest, layer].map(({ digest, content }) => plain(`blobs/sha256/${digest}`, content)),
  ]);
}
