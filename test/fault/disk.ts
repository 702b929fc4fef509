/**
 * The disk under the journal. What was written and not synced survives the end of the process, as the page cache does;
 * when the power fails, any part of it from some byte on is gone. A full disk takes as many bytes as it has left.
 */
import type { JournalFile, JournalStorage } from '#ipamd/store/journal-files.ts';
import type { Dice } from './dice.ts';
import type { Life, Scheduler } from './scheduler.ts';

interface Content {
  bytes: Buffer;
  /** What is on the platter for certain. */
  durable: Buffer;
}

export class Disk {
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #aside: string[] = [];
  #file: Content | undefined;
  /** What a power failure brings back while a replacement is not durable yet. */
  #before: Content | undefined;
  /** Bytes that can still be written; Infinity unless the disk is full. */
  room = Infinity;
  /** Whether a write or a sync failed since this was last set to false. */
  hasFailed = false;
  /** Since when nothing could be written; Infinity where something could. */
  failingSince = Infinity;

  constructor(scheduler: Scheduler, dice: Dice) {
    this.#scheduler = scheduler;
    this.#dice = dice;
  }

  /** The journal as the next process would read it. */
  get text(): string {
    return this.#file?.bytes.toString('utf8') ?? '';
  }

  /** What of it is there for certain after a power failure. */
  get durableText(): string {
    return this.#file?.durable.toString('utf8') ?? '';
  }

  /** The power fails: of what was not synced, a part is there or nothing. */
  losePower(): void {
    if (this.#before !== undefined && this.#dice.chance(0.5)) this.#file = this.#before;
    this.#before = undefined;
    if (this.#file === undefined) return;
    const { bytes, durable } = this.#file;
    const common = sharedLength(bytes, durable);
    const kept = bytes.length > common ? bytes.subarray(0, this.#dice.int(common, bytes.length)) : durable;
    this.#file = { bytes: kept, durable: kept };
  }

  storageOf(life: Life): JournalStorage {
    return {
      path: '/state/journal',
      read: () => this.#operate(life, () => this.text),
      setAside: (suffix) =>
        this.#operate(life, () => {
          this.#aside.push(suffix);
          this.#file = undefined;
        }),
      replace: async (text) => {
        const bytes = Buffer.from(text, 'utf8');
        const content = { bytes, durable: bytes };
        await this.#operate(life, () => {
          this.#spend(bytes.length);
          this.#before = this.#file;
          this.#file = content;
        });
        await this.#operate(life, () => void (this.#before = undefined));
        return this.#open(content, life);
      },
    };
  }

  #open(content: Content, life: Life): JournalFile {
    return {
      write: async (bytes, offset) => {
        await this.#write(content, Buffer.from(bytes), offset, life);
        await this.#sync(content, life);
      },
      truncate: (length) => this.#operate(life, () => void (content.bytes = content.bytes.subarray(0, length))),
      close: () => this.#operate(life, () => undefined),
    };
  }

  #sync(content: Content, life: Life): Promise<void> {
    return this.#operate(life, () => {
      if (this.room < 0) this.#fail('EIO: the sync failed');
      content.durable = content.bytes;
      this.failingSince = Infinity;
    });
  }

  /** In two halves, so that a process can end in between. */
  async #write(content: Content, bytes: Buffer, offset: number, life: Life): Promise<void> {
    const half = this.#dice.int(0, bytes.length);
    for (const [from, to] of [
      [0, half],
      [half, bytes.length],
    ] as const) {
      await this.#operate(life, () => {
        const fits = Math.min(to, from + Math.max(0, this.room));
        content.bytes = Buffer.concat([
          content.bytes.subarray(0, offset + from),
          bytes.subarray(from, fits),
          content.bytes.subarray(offset + fits),
        ]);
        this.#spend(to - from);
      });
    }
  }

  #spend(length: number): void {
    if (this.room >= length) {
      this.room -= length;
      return;
    }
    this.room = Math.min(this.room, 0);
    this.#fail('ENOSPC: no space left on device');
  }

  #fail(message: string): never {
    this.hasFailed = true;
    this.failingSince = Math.min(this.failingSince, this.#scheduler.now);
    throw new Error(message);
  }

  #operate<T>(life: Life, effect: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#scheduler.after(
        this.#dice.scale(0.05, 5),
        () => {
          try {
            resolve(effect());
          } catch (error) {
            reject(error);
          }
        },
        life,
      );
    });
  }
}

function sharedLength(a: Buffer, b: Buffer): number {
  const length = Math.min(a.length, b.length);
  if (a.subarray(0, length).equals(b.subarray(0, length))) return length;
  let shared = 0;
  while (shared < length && a[shared] === b[shared]) shared += 1;
  return shared;
}
