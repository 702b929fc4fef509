/** Culprits, found in a directory that looks like /proc. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findCulprits } from './culprits.ts';

let proc = '';
beforeEach(async () => {
  proc = await mkdtemp(join(tmpdir(), 'culprits-'));
  const processes = { 1: 'systemd', 7: 'systemd-network', 8: 'firewalld', 9: 'NetworkManager', 10: 'node' };
  for (const [pid, name] of Object.entries(processes)) {
    await mkdir(join(proc, pid));
    await writeFile(join(proc, pid, 'comm'), `${name}\n`);
  }
  await mkdir(join(proc, 'sys'));
  await mkdir(join(proc, '11'));
});
afterEach(() => rm(proc, { recursive: true }));

describe('culprits', () => {
  it('names those that the kernel named first, then those that run here and are known for it', async () => {
    const doers = new Map([
      [4321, 'nft'],
      [10, ''],
      [99, ''],
    ]);
    const found = await findCulprits(doers, proc);
    expect(found.slice(0, 2)).toEqual(['nft (pid 4321)', 'node (pid 10)']);
    expect(new Set(found.slice(2).map((text) => text.split(' ')[0]))).toEqual(
      new Set(['systemd-networkd', 'firewalld', 'NetworkManager']),
    );
  });

  it('finds none where /proc cannot be read', async () => {
    expect(await findCulprits(new Map([[5, '']]), join(proc, 'nowhere'))).toEqual([]);
  });
});
