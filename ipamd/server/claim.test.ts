import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { claim, privateDirectory } from './claim.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'wellspring-claim-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const modeOf = async (path: string) => (await stat(path)).mode & 0o777;

describe('privateDirectory', () => {
  it('makes a directory for its owner alone', async () => {
    await privateDirectory(join(directory, 'a', 'b'));
    expect(await modeOf(join(directory, 'a', 'b'))).toBe(0o700);
  });

  it('closes one that was open, when only files of ours are in it', async () => {
    await chmod(directory, 0o755);
    await writeFile(join(directory, 'introspect.sock'), '');
    await privateDirectory(directory);
    expect(await modeOf(directory)).toBe(0o700);
  });

  it('does not close a directory that others use, and says what to do', async () => {
    await chmod(directory, 0o755);
    await writeFile(join(directory, 'somebody-elses'), '');
    await expect(privateDirectory(directory)).rejects.toThrow(/somebody-elses: give the daemon a directory of its own/);
    expect(await modeOf(directory)).toBe(0o755);
  });
});

describe('claim', () => {
  it('is held by one at a time, and free again when its holder lets go', async () => {
    const path = join(directory, 'x.claim');
    const first = await claim(path, 'taken');
    await expect(claim(path, 'taken')).rejects.toThrow('taken');
    await first[Symbol.asyncDispose]();
    await using _second = await claim(path, 'taken');
  });

  it('takes over what a crash left behind', async () => {
    const path = join(directory, 'x.claim');
    await writeFile(path, '');
    await using _claim = await claim(path, 'taken');
  });
});
