/** The image's archive: what unpacks it gets what was put in, it is reproducible, and the Containerfile is in step with it. */
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { runCommand } from '#test/support/command.ts';
import { IMAGE_CONFIG } from '#tools/build-image.ts';
import { archive, type ArchiveEntry } from '#tools/image/archive.ts';
import { ociArchive } from '#tools/image/oci.ts';

const CONTAINERFILE = new URL('../../deploy/image/Containerfile', import.meta.url).pathname;
let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'wellspring-archive-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const segment = fc.stringMatching(/^[a-z0-9_.@-]{1,60}$/).filter((name) => !/^\.*$/.test(name));
const anyPath = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

it('what is archived is what tar(1) unpacks, long paths and all', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.tuple(anyPath, fc.uint8Array({ maxLength: 1500 }), fc.constantFrom(0o644, 0o755)), {
        selector: ([path]) => path.split('/')[0] ?? '',
        maxLength: 5,
      }),
      async (files) => {
        const entries: readonly ArchiveEntry[] = [
          ...files.map(([path, content, mode]) => ({ kind: 'file', path, content, mode }) as const),
          { kind: 'directory', path: '0-directory', mode: 0o1777 },
          { kind: 'link', path: '0-link', target: '0-directory' },
        ];
        const place = mkdtempSync(join(directory, 'case-'));
        await unpack(Buffer.concat(archive(entries)), place);
        for (const [path, content, mode] of files) {
          expect(readFileSync(join(place, path)).equals(content)).toBe(true);
          expect(statSync(join(place, path)).mode & 0o7777).toBe(mode);
        }
        expect(statSync(join(place, '0-directory')).mode & 0o7777).toBe(0o1777);
        expect(readlinkSync(join(place, '0-link'))).toBe('0-directory');
      },
    ),
    { numRuns: 8 },
  );
});

it('refuses a path that the format cannot hold', () => {
  const path = 'x'.repeat(200);
  expect(() => archive([{ kind: 'file', path, mode: 0o644, content: new Uint8Array() }])).toThrow(RangeError);
});

it('the same content gives the same image', () => {
  const image = (text: string) =>
    ociArchive({
      reference: 'wellspring.test/x:1',
      architecture: 'amd64',
      layers: [{ about: 'x', entries: [{ kind: 'file', path: 'x', mode: 0o644, content: Buffer.from(text) }] }],
      config: IMAGE_CONFIG,
    });
  expect(image('a').digest).toBe(image('a').digest);
  expect(Buffer.concat(image('a').parts).equals(Buffer.concat(image('a').parts))).toBe(true);
  expect(image('a').digest).not.toBe(image('b').digest);
});

it('the Containerfile starts what the archive starts', () => {
  const text = readFileSync(CONTAINERFILE, 'utf8');
  const entrypoint = /^ENTRYPOINT (\[.*\])$/m.exec(text)?.[1] ?? '';
  expect(JSON.parse(entrypoint)).toEqual(IMAGE_CONFIG.Entrypoint);
  expect(/^ENV (PATH.*)$/m.exec(text)?.[1]?.split(' ')).toEqual(IMAGE_CONFIG.Env);
});

async function unpack(tar: Buffer, place: string): Promise<void> {
  const file = join(place, '..', `${place.split('/').at(-1)}.tar`);
  writeFileSync(file, tar);
  await runCommand('tar', ['-xpf', file, '-C', place]);
}
