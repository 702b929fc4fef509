/**
 * The journal file: appends are durable when their promise resolves, and concurrent appends share one fdatasync.
 *
 * A failed write (full disk, I/O error) rejects every append of its batch; the file is then cut back to its last good
 * length before anything else is written, so that a half-written record never hides a later one.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
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
export async function openJournal(path: string, now: () => number): Promise<OpenedJournal> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const { records, damaged } = decodeJournal(text);
    const state = replay(records);
    if (damaged > 1) await rename(path, `${path}.damaged-${now()}`);
    const compacted = compact(state, now());
    const { file, length } = await writeWhole(path, compacted);
    return { journal: new Journal(path, file, length, compacted, now), state, damaged };
  } catch (error) {
    throw error instanceof JournalError ? error : new JournalError('open', path, error);
  }
}

export class Journal {
  readonly #path: string;
  readonly #now: () => number;
  #file: FileHandle;
  #length: number;
  #records: JournalRecord[];
  #waiting: Waiter[] = [];
  #writing: Promise<void> | undefined;

  constructor(path: string, file: FileHandle, length: number, records: readonly JournalRecord[], now: () => number) {
    this.#path = path;
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

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting;
      this.#waiting = [];
      try {
        await this.#write(batch.map((waiter) => waiter.text).join(''));
        for (const waiter of batch) this.#records.push(...waiter.records);
        for (const waiter of batch) waiter.resolve();
      } catch (error) {
        const failure = new JournalError('append', this.#path, error);
        for (const waiter of batch) waiter.reject(failure);
      }
      if (this.#records.length > COMPACT_AFTER_SURPLUS) await this.#compactIfWorthIt();
    }
    this.#writing = undefined;
  }

  async #write(text: string): Promise<void> {
    const bytes = Buffer.from(text, 'utf8');
    try {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#length + done);
        done += bytesWritten;
      }
      await this.#file.datasync();
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
      const { file, length } = await writeWhole(this.#path, compacted);
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

/** Writes a new file beside the old one and puts it in its place; durable when it resolves. */
async function writeWhole(
  path: string,
  records: readonly JournalRecord[],
): Promise<{ file: FileHandle; length: number }> {
  const temporary = join(dirname(path), `.${process.pid}.journal.new`);
  const bytes = Buffer.from(records.map(encodeRecord).join(''), 'utf8');
  const file = await open(temporary, constants.O_CREAT | constants.O_TRUNC | constants.O_RDWR, 0o600);
  try {
    await file.write(bytes, 0, bytes.length, 0);
    await file.datasync();
    await rename(temporary, path);
    const directory = await open(dirname(path), 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  } catch (error) {
    await file.close();
    throw error;
  }
  return { file, length: bytes.length };
}
