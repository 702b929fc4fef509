/**
 * The journal file: appends are durable when their promise resolves, and concurrent appends share one write to the disk.
 *
 * A failed write (full disk, I/O error) rejects every append of its batch; the file is then cut back to its last good
 * length before anything else is written, so that a half-written record never hides a later one.
 */
import { type JournalFile, journalFiles, type JournalStorage } from './journal-files.ts';
import { compact, decodeJournal, encodeRecord, type JournalRecord, type JournalState, replay } from './records.ts';

/** Compaction runs when the file has this many records more than it needs. */
const COMPACT_AFTER_SURPLUS = 4096;

export class JournalError extends Error {
  constructor(operation: string, path: string, cause: unknown) {
    super(`journal ${operation} failed on ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    this.name = 'JournalError';
  }
}

interface Waiter {
  readonly text: string;
  readonly records: readonly JournalRecord[];
  readonly resolve: () => void;
  readonly reject: (error: JournalError) => void;
}

export interface OpenedJournal {
  readonly journal: Journal;
  /** What the file said when it was opened. */
  readonly state: JournalState;
  /** Lines that could not be read; more than one (a torn tail) means that the file was damaged. */
  readonly damaged: number;
}

/** Opens or creates the journal, rewrites it compactly, and leaves it ready for appends. */
export function openJournal(path: string, now: () => number): Promise<OpenedJournal> {
  return openJournalIn(journalFiles(path), () => now);
}

/** The same, wherever it is stored, with a time that may depend on what it says. */
export async function openJournalIn(
  storage: JournalStorage,
  timeFrom: (state: JournalState) => () => number,
): Promise<OpenedJournal> {
  try {
    const { records, damaged } = decodeJournal(await storage.read());
    const state = replay(records);
    const now = timeFrom(state);
    if (damaged > 1) await storage.setAside(`damaged-${now()}`);
    // Nothing is dropped by a time that may not be that of its records: recovery judges them.
    const compacted = compact(state, state.latest);
    const opened = await replaceIn(storage, compacted);
    return { journal: new Journal(storage, opened, compacted, now), state, damaged };
  } catch (error) {
    throw new JournalError('open', storage.path, error);
  }
}

interface OpenFile {
  readonly file: JournalFile;
  readonly length: number;
}

async function replaceIn(storage: JournalStorage, records: readonly JournalRecord[]): Promise<OpenFile> {
  const text = records.map(encodeRecord).join('');
  return { file: await storage.replace(text), length: Buffer.byteLength(text) };
}

export class Journal {
  readonly #storage: JournalStorage;
  readonly #now: () => number;
  #file: JournalFile;
  #length: number;
  #records: JournalRecord[];
  #waiting: Waiter[] = [];
  /** Records that could not be written and are to be, before any other. */
  #owed: readonly JournalRecord[] = [];
  #writing: Promise<void> | undefined;

  constructor(
    storage: JournalStorage,
    { file, length }: OpenFile,
    records: readonly JournalRecord[],
    now: () => number,
  ) {
    this.#storage = storage;
    this.#file = file;
    this.#length = length;
    this.#records = [...records];
    this.#now = now;
  }

  /** Durable when it resolves. Rejects with JournalError; then none of these records is in the file. */
  append(...records: readonly JournalRecord[]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ text: records.map(encodeRecord).join(''), records, resolve, reject });
    this.#writing ??= this.#drain();
    return promise;
  }

  /**
   * Durable when it resolves to undefined. Never rejects: where the write fails it resolves to the error, and the records
   * are written with the next append that succeeds.
   */
  appendOrOwe(...records: readonly JournalRecord[]): Promise<JournalError | undefined> {
    return this.append(...records).then(
      () => undefined,
      (error: JournalError) => {
        this.#owed = [...this.#owed, ...records];
        return error;
      },
    );
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      const owed = this.#owed;
      this.#waiting = [];
      try {
        await this.#write([...owed.map(encodeRecord), ...batch.map((waiter) => waiter.text)].join(''));
        this.#owed = this.#owed.slice(owed.length);
        this.#records.push(...owed);
        for (const waiter of batch) this.#records.push(...waiter.records);
        for (const waiter of batch) waiter.resolve();
      } catch (error) {
        const failure = new JournalError('append', this.#storage.path, error);
        for (const waiter of batch) waiter.reject(failure);
      }
      if (this.#records.length > COMPACT_AFTER_SURPLUS) await this.#compactIfWorthIt();
    }
    this.#writing = undefined;
  }

  async #write(text: string): Promise<void> {
    const bytes = Buffer.from(text, 'utf8');
    try {
      await this.#file.write(bytes, this.#length);
      this.#length += bytes.length;
    } catch (error) {
      // Without this, a partial line would join the next record's and both would be lost.
      await this.#file.truncate(this.#length);
      throw error;
    }
  }

  async #compactIfWorthIt(): Promise<void> {
    const compacted = compact(replay(this.#records), this.#now());
    if (this.#records.length - compacted.length < COMPACT_AFTER_SURPLUS) return;
    try {
      const { file, length } = await replaceIn(this.#storage, compacted);
      const old = this.#file;
      this.#file = file;
      this.#length = length;
      this.#records = [...compacted];
      await old.close();
    } catch {
      // A full disk: the long journal stays in use and says the same; the next append tries again.
    }
  }

  /** Waits for what is being written, then closes the file. */
  async [Symbol.asyncDispose](): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    await this.#file.close();
  }
}
