/**
 * Planted bugs: each changes the composition (a port, an option, a method of the pool) and nothing in a file. The fault
 * test is worth what it finds of these (mutants.test.ts).
 */
import { assign, type Circumstances, type Ledger } from '#warm-pool/ledger.ts';
import type { BlockUse } from '#warm-pool/model.ts';
import { planCards } from '#warm-pool/plan-cards.ts';
import type { Core, CoreOptions, CorePorts } from '#ipamd/core.ts';
import type { JournalFile } from '#ipamd/store/journal-files.ts';
import { decodeJournal, type JournalRecord } from '#ipamd/store/records.ts';
import type { Mutation } from './world.ts';

export interface Mutant extends Mutation {
  readonly about: string;
  /** Invariants of which it must break one. */
  readonly breaks: readonly string[];
}

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'drop-cool-down': {
    about: 'a released address is given out again at once',
    breaks: ['cool-down'],
    options: (options) => withConfig(options, { coolDownSeconds: 0 }),
  },
  'skip-journal': {
    about: 'an assignment is not written down',
    breaks: ['journal', 'kept', 'cool-down'],
    ports: (ports) => withoutRecords(ports, 'assign'),
  },
  'forget-releases': {
    about: 'a release is not written down',
    breaks: ['journal'],
    ports: (ports) => withoutRecords(ports, 'unassign'),
  },
  'double-count': {
    about: 'free addresses count twice, so that too few are asked for',
    breaks: ['reason', 'serves', 'converges'],
    ports: (ports) =>
      withPlanner(ports, (ledger, circumstances) => [
        withUses(ledger, (block) => ({ ...block, free: 2 * (block.free + block.assigned) })),
        { ...circumstances, waiting: 0, waitingOn: new Map() },
      ]),
  },
  'forget-in-flight': {
    about: 'what is under way is asked for again',
    breaks: ['asked-twice', 'progress', 'limits', 'converges', 'leak'],
    ports: (ports) =>
      withPlanner(ports, (ledger, circumstances) => [{ ...ledger, inFlight: new Map() }, circumstances]),
  },
  'free-assigned': {
    about: 'addresses of pods count as free and are given back',
    // It is planned again for ever where nothing may be given back.
    breaks: ['ours', 'converges'],
    ports: (ports) =>
      withPlanner(ports, (ledger, circumstances) => [
        withUses(ledger, (block) => ({ ...block, assigned: 0, free: block.free + block.assigned })),
        circumstances,
      ]),
  },
  'ignore-limit': {
    about: 'MAX_ENI is not heeded',
    breaks: ['limits'],
    options: (options) => withConfig(options, { maxEni: -1 }),
  },
  'last-come-first-served': {
    about: 'whoever came last to the queue is served first',
    breaks: ['fifo'],
    core: lastComeFirstServed,
  },
  'keep-part': {
    about: 'what an ADD got on one network card is not given back when another card has nothing',
    breaks: ['agree', 'serves'],
    core: ({ pool }) => {
      pool.giveBack = () => undefined;
    },
  },
  'leave-links': {
    about: 'a pod that goes leaves its link in the kernel',
    breaks: ['kernel', 'unique', 'cool-down'],
    ports: (ports) => ({
      ...ports,
      datapath: new Proxy(ports.datapath, {
        get: (target, key) => (key === 'deletePod' ? () => Promise.resolve() : (Reflect.get(target, key) as unknown)),
      }),
    }),
  },
  'skip-sync': {
    about: 'nobody waits until records are durable',
    breaks: ['cool-down', 'ours', 'journal', 'leak'],
    ports: (ports) =>
      withFiles(ports, (file) => ({
        ...file,
        write: (bytes, offset) => {
          file.write(bytes, offset).catch(() => undefined);
          return Promise.resolve();
        },
      })),
  },
};

function withConfig(options: CoreOptions, changes: Partial<CoreOptions['config']>): CoreOptions {
  return { ...options, config: { ...options.config, ...changes } };
}

type PlannerInput = readonly [Ledger, Circumstances];

/** The production planner on what it is told wrongly. */
function withPlanner(ports: CorePorts, lie: (...input: PlannerInput) => PlannerInput): CorePorts {
  return { ...ports, planner: (ledger, circumstances, targets) => planCards(...lie(ledger, circumstances), targets) };
}

function withUses(ledger: Ledger, change: (block: BlockUse) => BlockUse): Ledger {
  const interfaces = ledger.interfaces.map((state) => {
    const blocks = state.blocks.map((block) => ({ ...block, use: change(block.use) }));
    return { ...state, blocks };
  });
  return { ...ledger, interfaces };
}

/** Records of a kind become blank lines on their way to the disk. */
function withoutRecords(ports: CorePorts, kind: JournalRecord['kind']): CorePorts {
  const blank = (text: string): string =>
    text
      .split('\n')
      .map((line) =>
        line !== '' && decodeJournal(line).records.some((record) => record.kind === kind)
          ? '\n'.repeat(Buffer.byteLength(line))
          : line,
      )
      .join('\n');
  return withFiles(ports, (file) => ({
    ...file,
    write: (bytes, offset) => file.write(Buffer.from(blank(Buffer.from(bytes).toString('utf8'))), offset),
  }));
}

function withFiles(ports: CorePorts, change: (file: JournalFile) => JournalFile): CorePorts {
  const { journal } = ports;
  return { ...ports, journal: { ...journal, replace: async (text) => change(await journal.replace(text)) } };
}

function lastComeFirstServed(core: Core): void {
  const { pool, now } = core;
  const waiting: (() => boolean)[] = [];
  const circumstances = pool.circumstances.bind(pool);
  pool.circumstances = (at) => ({ ...circumstances(at), waiting: waiting.length });
  pool.tryTake = () => undefined;
  pool.take = (request, signal) =>
    new Promise((resolve, reject) => {
      const take = () => {
        const outcome = assign(pool.ledger, request, now());
        if (outcome.kind === 'refused') return false;
        waiting.splice(waiting.indexOf(take), 1);
        if (outcome.kind === 'assigned') pool.update(() => outcome.ledger);
        resolve({ assignment: outcome.assignment, again: outcome.kind === 'already-assigned' });
        return true;
      };
      signal.addEventListener('abort', () => {
        if (waiting.includes(take)) waiting.splice(waiting.indexOf(take), 1);
        reject(signal.reason as Error);
      });
      waiting.push(take);
      pool.update((ledger) => ledger);
    });
  pool.onChange(() => waiting.findLast((take) => take()));
}
