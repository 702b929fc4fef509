import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { readTar, TarError, writeTar } from './tar.ts';

const file = fc.record({ path: fc.stringMatching(/^[a-z][a-z0-9/._-]{0,80}$/), text: fc.string({ unit: 'grapheme' }) });

describe('tar', () => {
  it('what was written is read', () => {
    fc.assert(
      fc.property(fc.array(file, { maxLength: 5 }), fc.nat(2 ** 31), (files, mtime) => {
        expect(readTar(writeTar(files, mtime))).toEqual(files);
      }),
    );
  });

  it('an archive that is cut off or damaged is refused, never half read', () => {
    fc.assert(
      fc.property(
        fc.array(file, { minLength: 1, maxLength: 4 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (files, part) => {
          const bytes = writeTar(files, 0);
          // Without its last two blocks it is whole but for its end.
          const cut = bytes.subarray(0, Math.floor(part * (bytes.length - 1025)));
          expect(() => readTar(cut)).toThrow(TarError);
          const damaged = Buffer.from(bytes);
          damaged.writeUInt8((damaged.readUInt8(3) + 1) & 0x7f, 3);
          expect(() => readTar(damaged)).toThrow('no header of a file at byte 0');
        },
      ),
    );
  });
});
