import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FACTS_VERSION } from '../facts.ts';
import { BundleError, readBundle } from './read-bundle.ts';
import { writeTar } from './tar.ts';

describe('readBundle', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'wellspring-bundle-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const archive = (facts: string) => gzipSync(writeTar([{ path: 'facts.json', text: facts }], 0));
  const whole = archive(
    JSON.stringify({ factsVersion: FACTS_VERSION, noise: Array.from({ length: 2000 }, (_, at) => at ** 3) }),
  );

  it.each([
    ['no archive', Buffer.from('hello'), 'not-gzip', 'not packed by gzip'],
    ['nothing at all', Buffer.alloc(0), 'cut-off', 'ends in the midst'],
    ['half of one', whole.subarray(0, whole.length >> 1), 'cut-off', 'ends in the midst'],
    ['one without its last byte', whole.subarray(0, -1), 'cut-off', 'ends in the midst'],
    ['packed text', gzipSync('x'.repeat(2000)), 'not-a-bundle', 'no header of a file'],
    [
      'a cut tar',
      gzipSync(writeTar([{ path: 'facts.json', text: 'x'.repeat(5000) }], 0).subarray(0, 2048)),
      'cut-off',
      'cut off within facts.json',
    ],
    ['another archive', gzipSync(writeTar([{ path: 'a', text: '' }], 0)), 'not-a-bundle', 'no facts.json'],
    ['facts that are no JSON', archive('{'), 'not-a-bundle', 'no JSON'],
    ['facts of nothing', archive('null'), 'not-a-bundle', 'no version'],
    ['facts of another version', archive('{"factsVersion":99}'), 'other-version', 'of version 99'],
    ['facts with holes', whole, 'not-a-bundle', 'lacks kernel'],
  ] as const)('refuses %s', async (_, content, code, message) => {
    const path = join(directory, 'b.tar.gz');
    await writeFile(path, content);
    const error = await readBundle(path).then(
      () => undefined,
      (refusal: unknown) => refusal,
    );
    expect(error).toBeInstanceOf(BundleError);
    expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it('says why a file cannot be read', async () => {
    await expect(readBundle(join(directory, 'none'))).rejects.toMatchObject({ code: 'unreadable', message: 'ENOENT' });
    await expect(readBundle(directory)).rejects.toMatchObject({ code: 'unreadable', message: 'EISDIR' });
  });
});
