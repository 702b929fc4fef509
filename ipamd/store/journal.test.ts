import { appendFile, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { journalFiles, type JournalStorage } from './journal-files.ts';
import { JournalError, openJournal, openJournalIn } from './journal.ts';
import { compact, decodeJournal, encodeRecord, type JournalRecord, replay } from './records.ts';

let directory = '';
beforeEach(async () => (directory = await mkdtemp(join(tmpdir(), 'wellspring-journal-'))));
afterEach(() => rm(directory, { recursive: true, force: true }));

const now = () => 1_000_000;
const attachment = (id: string) => ({ networkName: 'net', containerId: id, ifName: 'eth0' });
const assign = (id: string, address: string): JournalRecord => ({
  kind: 'assign',
  assignment: {
    attachment: attachment(id),
    pod: { namespace: 'default', name: id, uid: '' },
    address,
    interfaceId: 'eni-1',
    cidr: `${address}/32`,
    assignedAt: 5,
    hostIfName: `eni${id}`,
    netns: `/run/netns/${id}`,
  },
});
const unassign = (id: string, address: string, until = now() + 30_000): JournalRecord => ({
  kind: 'unassign',
  attachment: attachment(id),
  coolDown: { address, until },
});

/** Any history of a few containers and addresses. */
const history = fc.array(
  fc
    .tuple(fc.boolean(), fc.constantFrom('a', 'b', 'c'), fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3'))
    .map(([add, id, address]) => (add ? assign(id, address) : unassign(id, address))),
  { maxLength: 30 },
);

describe('records', () => {
  it('no history gives one address to two attachments', () => {
    fc.assert(
      fc.property(history, (records) => {
        const addresses = [...replay(records).assignments.values()].map(({ address }) => address);
        expect(new Set(addresses).size).toBe(addresses.length);
      }),
    );
  });

  it('compaction says the same as the whole history', () => {
    fc.assert(
      fc.property(history, (records) => {
        const whole = replay(records);
        const short = replay(compact(whole, now()));
        expect(short.assignments).toEqual(whole.assignments);
        expect(short.coolDowns).toEqual(whole.coolDowns);
      }),
    );
  });

  it('a journal cut at any byte loses at most its last record', () => {
    fc.assert(
      fc.property(history, fc.nat(), (records, at) => {
        const text = records.map(encodeRecord).join('');
        const cut = text.slice(0, at % (text.length + 1));
        const whole = cut.split('\n').length - 1;
        const { records: kept, damaged } = decodeJournal(cut);
        expect(damaged).toBeLessThanOrEqual(1);
        expect(kept.length).toBeGreaterThanOrEqual(whole);
        expect(kept).toEqual(records.slice(0, kept.length));
      }),
    );
  });

  it('any bytes decode to records or are counted as damaged', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const { records, damaged } = decodeJournal(text);
        expect(records.length + damaged).toBe(text.split('\n').filter((line) => line !== '').length);
      }),
    );
  });
});

describe('the journal file', () => {
  it('gives back after a reopening what was appended, whatever was written side by side', async () => {
    const path = join(directory, 'state', 'journal');
    {
      const { journal } = await openJournal(path, now);
      await using _ = journal;
      await Promise.all(
        Array.from({ length: 50 }, (_, index) => journal.append(assign(`c${index}`, `10.0.1.${index}`))),
      );
      await journal.append(unassign('c7', '10.0.1.7'));
    }
    const { journal, state, damaged } = await openJournal(path, now);
    await using _ = journal;
    expect(damaged).toBe(0);
    expect(state.assignments.size).toBe(49);
    expect(state.coolDowns.get('10.0.1.7')).toEqual({ address: '10.0.1.7', until: now() + 30_000 });
  });

  it('survives a torn last line and keeps a damaged file aside', async () => {
    const path = join(directory, 'journal');
    await writeFile(path, encodeRecord(assign('a', '10.0.0.1')) + encodeRecord(assign('b', '10.0.0.2')).slice(0, 20));
    const torn = await openJournal(path, now);
    await torn.journal[Symbol.asyncDispose]();
    expect(torn.damaged).toBe(1);
    expect(torn.state.assignments.size).toBe(1);
    await appendFile(path, 'rubbish\nmore rubbish\n' + encodeRecord(assign('c', '10.0.0.3')));
    const damaged = await openJournal(path, now);
    await damaged.journal[Symbol.asyncDispose]();
    expect(damaged.damaged).toBe(2);
    expect(damaged.state.assignments.size).toBe(2);
    expect(await readdir(directory)).toContainEqual(expect.stringMatching(/^journal\.damaged-/));
  });

  it('stays short under churn', async () => {
    const path = join(directory, 'journal');
    const { journal } = await openJournal(path, now);
    await using _ = journal;
    for (let round = 0; round < 60; round += 1) {
      await Promise.all(
        Array.from({ length: 100 }, (_, index) =>
          journal.append(assign(`c${index}`, `10.0.1.${index}`), unassign(`c${index}`, `10.0.1.${index}`, 0)),
        ),
      );
    }
    expect((await readFile(path, 'utf8')).split('\n').length).toBeLessThan(6000);
  });

  it('writes what it owes before anything else, once it can', async () => {
    const files = journalFiles(join(directory, 'journal'));
    let isFull = false;
    const storage: JournalStorage = {
      ...files,
      replace: async (text) => {
        const file = await files.replace(text);
        const write: typeof file.write = (...args) =>
          isFull ? Promise.reject(new Error('ENOSPC')) : file.write(...args);
        return { ...file, write };
      },
    };
    const { journal } = await openJournalIn(storage, () => now);
    await using _ = journal;
    await journal.append(assign('a', '10.0.0.1'));
    isFull = true;
    expect(await journal.appendOrOwe(unassign('a', '10.0.0.1'))).toBeInstanceOf(JournalError);
    await expect(journal.append(assign('b', '10.0.0.1'))).rejects.toThrow('ENOSPC');
    isFull = false;
    await journal.append(assign('c', '10.0.0.1'));
    const { records } = decodeJournal(await readFile(files.path, 'utf8'));
    expect(records).toEqual([assign('a', '10.0.0.1'), unassign('a', '10.0.0.1'), assign('c', '10.0.0.1')]);
  });

  it('says which path it could not open', async () => {
    await writeFile(join(directory, 'file'), '');
    await expect(openJournal(join(directory, 'file', 'journal'), now)).rejects.toThrow(
      /journal open failed on .*file\/journal/,
    );
  });
});
