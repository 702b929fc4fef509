import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { linesOf } from './lines.ts';

async function* pieces(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
  let from = 0;
  for (const cut of [...cuts, bytes.length].toSorted((a, b) => a - b)) {
    const to = Math.min(cut, bytes.length);
    if (to > from) yield bytes.subarray(from, to);
    from = Math.max(from, to);
  }
}

describe('linesOf', () => {
  it('gives the same lines however the bytes are cut, and leaves an unfinished one out', async () => {
    const line = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll(/[\n\r]/g, ' '));
    await fc.assert(
      fc.asyncProperty(fc.array(line), line, fc.array(fc.nat(200)), async (lines, rest, cuts) => {
        const bytes = Buffer.from(`${lines.map((each) => `${each}\n`).join('')}${rest}`);
        const read: string[] = [];
        for await (const each of linesOf(pieces(bytes, cuts))) read.push(each);
        expect(read).toEqual(lines.filter((each) => each.trim() !== ''));
      }),
    );
  });
});
