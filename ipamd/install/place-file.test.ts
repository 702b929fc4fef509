import { chmod, lstat, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { placeFile, takeAway } from './place-file.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wellspring-place-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const bytes = (text: string) => Buffer.from(text);

describe('placeFile', () => {
  it('leaves the bytes and the mode that were asked for, and nothing beside them, over whatever was there', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ content: fc.uint8Array({ maxLength: 5000 }), mode: fc.constantFrom(0o600, 0o644, 0o755) }),
          { minLength: 1, maxLength: 4 },
        ),
        async (files) => {
          const path = join(directory, 'sub', 'file');
          for (const file of files) {
            await placeFile({ path, ...file });
            expect([...(await readFile(path))]).toEqual([...file.content]);
            expect((await stat(path)).mode & 0o7777).toBe(file.mode);
            expect(await readdir(join(directory, 'sub'))).toEqual(['file']);
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('touches nothing where it is there already, and says so', async () => {
    const file = { path: join(directory, 'file'), content: bytes('x'), mode: 0o755 };
    expect(await placeFile(file)).toBe(true);
    const before = await stat(file.path);
    expect(await placeFile(file)).toBe(false);
    expect((await stat(file.path)).ino).toBe(before.ino);
    await chmod(file.path, 0o644);
    expect(await placeFile(file)).toBe(true);
  });

  it('replaces a link and leaves what it named alone', async () => {
    const [other, path] = [join(directory, 'other'), join(directory, 'file')];
    await writeFile(other, 'theirs', { mode: 0o755 });
    await symlink(other, path);
    await placeFile({ path, content: bytes('theirs'), mode: 0o755 });
    expect((await lstat(path)).isSymbolicLink()).toBe(false);
    expect(await readFile(other, 'utf8')).toBe('theirs');
  });

  it('leaves the old file and no other where the new one cannot take its place', async () => {
    const path = join(directory, 'sub');
    await placeFile({ path: join(path, 'in'), content: bytes('x'), mode: 0o644 });
    await expect(placeFile({ path, content: bytes('y'), mode: 0o644 })).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(await readdir(directory)).toEqual(['sub']);
  });

  it('removes what a killed installer left long ago, and not what another one writes now', async () => {
    const [old, now] = [join(directory, '.file.new-aa'), join(directory, '.file.new-bb')];
    for (const path of [old, now]) await writeFile(path, 'half');
    await utimes(old, 0, 0);
    await placeFile({ path: join(directory, 'file'), content: bytes('x'), mode: 0o644 });
    expect((await readdir(directory)).toSorted()).toEqual(['.file.new-bb', 'file']);
  });
});

describe('takeAway', () => {
  it('removes the file and halves of it, and is content where there is none', async () => {
    const path = join(directory, 'file');
    await placeFile({ path, content: bytes('x'), mode: 0o644 });
    await writeFile(join(directory, '.file.new-aa'), 'half');
    expect(await takeAway(path)).toBe(true);
    expect(await readdir(directory)).toEqual([]);
    expect(await takeAway(path)).toBe(false);
    expect(await takeAway(join(directory, 'never', 'made'))).toBe(false);
  });
});
