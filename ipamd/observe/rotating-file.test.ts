import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RotatingFile } from './rotating-file.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'wellspring-log-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

it('holds the last lines in order, whole, in files that are no longer than allowed', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 30 }), { maxLength: 60 }),
      fc.integer({ min: 1, max: 4 }),
      (words, kept) => {
        const path = join(mkdtempSync(join(directory, 'case-')), 'sub', 'ipamd.log');
        const lines = words.map((word, index) => `${index} ${word.replaceAll(/\s/g, '_')}\n`);
        const limit = 100;
        using file = new RotatingFile(path, { bytes: limit, kept });
        for (const line of lines) file.write(line);
        const names = [path, ...Array.from({ length: kept }, (_, index) => `${path}.${index + 1}`)];
        const present = readdirSync(join(path, '..')).length;
        const texts = names.slice(0, present).map((name) => readFileSync(name, 'utf8'));
        expect(present).toBeLessThanOrEqual(kept + 1);
        for (const text of texts)
          expect(Buffer.byteLength(text) <= limit || text.indexOf('\n') === text.length - 1).toBe(true);
        const all = texts.toReversed().join('');
        expect(lines.join('').endsWith(all)).toBe(true);
        if (present <= kept) expect(all).toBe(lines.join(''));
      },
    ),
    { numRuns: 40 },
  );
});

it('goes on where an earlier process stopped', () => {
  const path = join(directory, 'ipamd.log');
  writeFileSync(path, `${'x'.repeat(90)}\n`);
  using file = new RotatingFile(path, { bytes: 100, kept: 1 });
  file.write('a line that is too long for the rest\n');
  expect(readFileSync(`${path}.1`, 'utf8')).toMatch(/^x{90}\n$/);
  expect(readFileSync(path, 'utf8')).toBe('a line that is too long for the rest\n');
});

it('loses lines and not its caller where the disk takes no more', () => {
  using file = new RotatingFile('/dev/full');
  file.write('lost\n');
  file.write('lost, too\n');
  expect(file.lost).toBe(2);
});
