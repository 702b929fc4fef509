/**
 * Layers as an image in one archive: an OCI image layout (image-spec, "image-layout.md"), with the manifest.json of
 * `docker save` beside it, so that `ctr images import`, `podman load` and `docker load` all take it.
 */
import { createHash } from 'node:crypto';
import { archive, type ArchiveEntry } from './archive.ts';

export interface ImageContent {
  /** Full name with tag. */
  readonly reference: string;
  /** Of the Go language: amd64, arm64. */
  readonly architecture: string;
  /** Lowest first. */
  readonly layers: readonly { readonly about: string; readonly entries: readonly ArchiveEntry[] }[];
  /** `config` of the image configuration (image-spec, "config.md"). */
  readonly config: Readonly<Record<string, unknown>>;
}

interface Blob {
  readonly digest: string;
  readonly content: Uint8Array;
}

/** The archive in pieces; `digest` is that of the image's manifest. The same content gives the same bytes. */
export function ociArchive(image: ImageContent): { readonly parts: readonly Uint8Array[]; readonly digest: string } {
  const layers = image.layers.map(({ entries }) => blob(Buffer.concat(archive(entries))));
  const config = blob(
    json({
      architecture: image.architecture,
      os: 'linux',
      config: image.config,
      // Not compressed: a layer and what it unpacks to have one digest.
      rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => `sha256:${digest}`) },
      history: image.layers.map(({ about }) => ({ created: '1970-01-01T00:00:00Z', created_by: about })),
    }),
  );
  const manifest = blob(
    json({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptor('config.v1+json', config),
      layers: layers.map((layer) => descriptor('layer.v1.tar', layer)),
    }),
  );
  const names = {
    'io.containerd.image.name': image.reference,
    'org.opencontainers.image.ref.name': image.reference.slice(image.reference.lastIndexOf(':') + 1),
  };
  const index = { schemaVersion: 2, manifests: [{ ...descriptor('manifest.v1+json', manifest), annotations: names }] };
  const ofDocker = [
    { Config: pathOf(config), RepoTags: [image.reference], Layers: layers.map((layer) => pathOf(layer)) },
  ];
  const blobs = new Map([config, manifest, ...layers].map((each) => [pathOf(each), each.content]));
  const parts = archive([
    { kind: 'directory', path: 'blobs', mode: 0o755 },
    { kind: 'directory', path: 'blobs/sha256', mode: 0o755 },
    plain('oci-layout', json({ imageLayoutVersion: '1.0.0' })),
    plain('index.json', json(index)),
    plain('manifest.json', json(ofDocker)),
    ...[...blobs].map(([path, content]) => plain(path, content)),
  ]);
  return { parts, digest: `sha256:${manifest.digest}` };
}

function blob(content: Uint8Array): Blob {
  return { digest: createHash('sha256').update(content).digest('hex'), content };
}

function pathOf({ digest }: Blob): string {
  return `blobs/sha256/${digest}`;
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function descriptor(mediaType: string, { digest, content }: Blob): object {
  return { mediaType: `application/vnd.oci.image.${mediaType}`, digest: `sha256:${digest}`, size: content.length };
}

function plain(path: string, content: Uint8Array): ArchiveEntry {
  return { kind: 'file', path, mode: 0o644, content };
}
