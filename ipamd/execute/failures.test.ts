import { expect, it } from '@jest/globals';
import { BackOffs, prefixesOf } from './failures.ts';

it('a subnet that gives addresses is still asked for prefixes ever less often', () => {
  const backOffs = new BackOffs();
  const pauses = Array.from({ length: 12 }, () => {
    const pause = backOffs.subnetDelay(prefixesOf('subnet-1'), 'prefix');
    // Meanwhile a single address stood in.
    backOffs.subnetGave('subnet-1');
    return pause;
  });
  expect(pauses.slice(0, 3)).toEqual([2000, 4000, 8000]);
  expect(pauses.at(-1)).toBe(900_000);
  backOffs.subnetGave(prefixesOf('subnet-1'));
  expect(backOffs.subnetDelay(prefixesOf('subnet-1'), 'prefix')).toBe(2000);
});
