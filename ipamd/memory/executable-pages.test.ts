import { describe, expect, it } from '@jest/globals';
import { droppable } from './executable-pages.ts';

const NODE = '/usr/bin/node';
const entry = (range: string, permissions: string, name: string, fields: Readonly<Record<string, number>> = {}) =>
  [
    `${range} ${permissions} 00001000 fe:00 1234   ${name}`,
    'Size:               64 kB',
    'Rss:                48 kB',
    ...Object.entries({ Private_Dirty: 0, Anonymous: 0, Locked: 0, ...fields }).map(([key, kb]) => `${key}: ${kb} kB`),
    'VmFlags: rd ex mr mw me sd',
  ].join('\n');

describe('droppable', () => {
  it('is what of the executable is as it is in its file', () => {
    const smaps = [
      entry('00400000-00500000', 'r--p', NODE),
      entry('00500000-00700000', 'r-xp', NODE),
      entry('00700000-00710000', 'r--p', NODE, { Anonymous: 4, Private_Dirty: 4 }),
      entry('00710000-00720000', 'rw-p', NODE),
      entry('00720000-00730000', 'r-xs', NODE),
      entry('00730000-00740000', 'r-xp', NODE, { Locked: 64 }),
      entry('7f0000000000-7f0000010000', 'r-xp', '/usr/lib/libc.so.6'),
      entry('7f0000020000-7f0000030000', 'r-xp', `${NODE} (deleted)`),
      '7f0000040000-7f0000050000 r-xp 00000000 00:00 0 ',
      entry('ffff00000000-ffff00001000', 'r-xp', NODE),
    ].join('\n');
    expect(droppable(smaps, NODE)).toEqual([
      { start: 0x400000n, length: 0x100000 },
      { start: 0x500000n, length: 0x200000 },
      { start: 0xffff00000000n, length: 0x1000 },
    ]);
  });

  it('is nothing of a text that is none', () => {
    expect(droppable('', NODE)).toEqual([]);
    expect(droppable('00400000-00500000\nAnonymous: 0 kB\n', NODE)).toEqual([]);
  });
});
