import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readHistory, writeHistory } from './history-file.ts';
import { type History, historyText, parseHistory, type Row, withRows } from './history.ts';

const DAY = 86_400_000;
const NOW = 1_800_000_000_000;

describe('the history', () => {
  it('stays small over months of looks, keeps every peak, and forgets what is older', () => {
    let history: History = new Map();
    const peakAt = NOW - 20 * DAY;
    for (let at = NOW - 60 * DAY; at <= NOW; at += 300_000) {
      // Thinning looks at every row: once an hour is enough to see it.
      const row: Row = [at, at === peakAt ? 500 : 100, 3];
      if (at % 3_600_000 === 0 || at === peakAt) history = withRows(history, new Map([['subnet-1', row]]), at);
      else history = new Map([['subnet-1', [...(history.get('subnet-1') ?? []), row]]]);
    }
    const rows = history.get('subnet-1') ?? [];
    expect(rows.length).toBeLessThan(2000);
    expect(Math.max(...rows.map((row) => row[1]))).toBe(500);
    expect(NOW - (rows[0]?.[0] ?? 0)).toBeLessThanOrEqual(36 * DAY);
    expect(rows.map(([at]) => at)).toEqual(rows.map(([at]) => at).toSorted((a, b) => a - b));
  });

  it('subnets that are gone for longer than it reaches go with their rows', () => {
    const old: History = new Map([['gone', [[NOW - 40 * DAY, 1, 0]]]]);
    expect([...withRows(old, new Map(), NOW).keys()]).toEqual([]);
  });

  it('is read as it was written, and any text is read or refused', () => {
    const row = fc.tuple(fc.nat(), fc.nat(), fc.nat());
    const rows = fc
      .uniqueArray(row, { minLength: 1, selector: ([at]) => at })
      .map((all) => all.toSorted((a, b) => a[0] - b[0]));
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.string({ minLength: 1, unit: 'grapheme-ascii' }).filter((key) => key !== '__proto__'),
          rows,
        ),
        (subnets) => {
          const history: History = new Map(Object.entries(subnets));
          expect(parseHistory(historyText(history))).toEqual(history);
        },
      ),
    );
    fc.assert(fc.property(fc.json(), (text) => void parseHistory(text)));
    expect(parseHistory('{"version":1,"subnets":{"a":[[1,2,3],[1],"x",null,[1,-2,3]],"b":7}}')).toEqual(
      new Map([['a', [[1, 2, 3]]]]),
    );
  });
});

describe('the history on disk', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'wellspring-history-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('comes back, and leaves nothing beside itself', async () => {
    const path = join(directory, 'history.json');
    const history: History = new Map([['subnet-1', [[NOW, 7, 1]]]]);
    await writeHistory(path, history);
    expect(await readHistory(path, NOW)).toEqual({ history, damaged: undefined });
    expect(readdirSync(directory)).toEqual(['history.json']);
  });

  it('is put aside where it cannot be understood, and begins anew', async () => {
    const path = join(directory, 'history.json');
    writeFileSync(path, '{"version":1,"subnets":{"subnet-1":[[17');
    const { history, damaged = '' } = await readHistory(path, NOW);
    expect(history.size).toBe(0);
    expect(readFileSync(damaged, 'utf8')).toContain('[[17');
    expect(await readHistory(path, NOW)).toEqual({ history: new Map(), damaged: undefined });
  });
});
