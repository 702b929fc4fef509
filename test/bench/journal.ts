/** What sharing one write to the disk among concurrent appends is worth. */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { type Journal, openJournal } from '#ipamd/store/journal.ts';
import type { JournalRecord } from '#ipamd/store/records.ts';
import { ratios, Samples } from './figures.ts';
import type { Measured, Part, PartOptions } from './part.ts';

const APPENDS = 64;
const PARALLEL = 16;
const ROUNDS = 60;

export const journalPart: Part = {
  about: `durable journal appends a second: one after the other, and ${PARALLEL} at a time`,
  run: runJournal,
};

async function runJournal(options: PartOptions): Promise<Measured> {
  const { journal } = await openJournal(
    join(await mkdtemp(join(options.workDirectory, 'journal-')), 'journal'),
    Date.now,
  );
  await using _journal = journal;
  const samples = new Samples();
  const [one, many] = ['journal/one-after-the-other', `journal/${PARALLEL}-at-a-time`];
  for (let round = 0; round < ROUNDS; round += 1) {
    options.signal.throwIfAborted();
    samples.add(one, await rate(journal, 1));
    samples.add(many, await rate(journal, PARALLEL));
  }
  const gain = ratios(`journal/${PARALLEL}-at-a-time:one`, samples.of(many), samples.of(one));
  return { figures: [...samples.figures('per s'), ...(gain === undefined ? [] : [gain])], reach: [] };
}

/** Appends a second, with so many under way at any time. */
async function rate(journal: Journal, width: number): Promise<number> {
  const from = performance.now();
  await Promise.all(
    Array.from({ length: width }, async (_, lane) => {
      for (let index = 0; index < APPENDS / width; index += 1) await journal.append(assignment(lane, index));
    }),
  );
  return APPENDS / ((performance.now() - from) / 1000);
}

function assignment(lane: number, index: number): JournalRecord {
  const address = `10.0.${lane}.${index % 256}`;
  return {
    kind: 'assign',
    assignment: {
      attachment: { networkName: 'bench', containerId: `${lane}-${index}`.padStart(64, '0'), ifName: 'eth0' },
      pod: { namespace: 'default', name: `pod-${lane}-${index}`, uid: '' },
      address,
      interfaceId: 'eni-00000000000000000',
      cidr: `${address}/32`,
      assignedAt: 0,
      hostIfName: 'eni00000000000',
      netns: '/run/netns/bench',
    },
  };
}
