/** `drift`: what others took away or changed in the kernel, and what became of it. */
import type { DriftAnswer } from '../observe/drift.ts';
import { table } from './table.ts';
import { relative } from './words.ts';

export function showDrift({ isOn, unrepaired, recent }: DriftAnswer, now: number): string {
  const rows = table<DriftAnswer['recent'][number]>(
    [
      ['AT', (row) => relative(row.at, now)],
      ['OUTCOME', 'outcome'],
      ['OBJECT', 'object'],
      ['EXPECTED', 'expected'],
      ['FOUND', 'found'],
      ['PERHAPS BY', (row) => row.culprits.join(', ')],
    ],
    recent,
    'Nobody touched what is ours in the kernel since the start.',
  );
  const left = Object.entries(unrepaired).map(([kind, count]) => `${count} ${kind}`);
  const rest = left.length === 0 ? '' : `\nNot as it should be now: ${left.join(', ')}\n`;
  return `${isOn ? '' : 'Drift repair is off (WELLSPRING_DRIFT_REPAIR).\n'}${rows}${rest}`;
}
