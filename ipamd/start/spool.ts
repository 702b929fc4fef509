/**
 * Deletions that the CNI binary left in the spool because the daemon did not answer. Each file is one request envelope;
 * it is removed when the deletion is done. Files are replayed before the daemon serves, and whenever one appears later.
 */
import { watch } from 'node:fs';
import { mkdir, readdir, readFile, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ProtocolError } from '#cni/protocol/errors.ts';
import { isSpoolFileName, parseSpooled } from '#cni/protocol/spool.ts';
import type { RequestEnvelope } from '#cni/protocol/messages.ts';
import { errorFields, type Log } from '../observe/log.ts';

/** A spooled request must be handled within this time; else it stays for the next round. */
const REPLAY_DEADLINE_MS = 10_000;
/** A deletion that failed is tried again after this long, or when another one comes. */
const RETRY_MS = 5000;

export interface SpoolOptions {
  readonly directory: string;
  readonly handle: (request: RequestEnvelope, signal: AbortSignal) => Promise<unknown>;
  readonly log: Log;
}

export class Spool {
  readonly #options: SpoolOptions;
  readonly #stop = new AbortController();
  #round: Promise<number> | undefined;
  #again = false;
  #retry: NodeJS.Timeout | undefined;

  private constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /** Replays what is there, then watches. */
  static async open(options: SpoolOptions): Promise<Spool> {
    await mkdir(options.directory, { recursive: true, mode: 0o700 });
    const spool = new Spool(options);
    const watcher = watch(options.directory, { signal: spool.#stop.signal }, () => void spool.replay());
    watcher.on('error', (error) =>
      options.log.error(
        errorFields(error),
        'the spool directory cannot be watched; it is read again at the next start',
      ),
    );
    await spool.replay();
    return spool;
  }

  /** Resolves to how many deletions were replayed. One round at a time; a call during a round asks for one more. */
  async replay(): Promise<number> {
    if (this.#round !== undefined) {
      this.#again = true;
      return this.#round;
    }
    this.#round = this.#replayAll().finally(() => (this.#round = undefined));
    const done = await this.#round;
    if (!this.#again || this.#stop.signal.aborted) return done;
    this.#again = false;
    return done + (await this.replay());
  }

  async #replayAll(): Promise<number> {
    const { directory, log } = this.#options;
    let done = 0;
    let stayed = 0;
    const names = await readdir(directory).catch((error: unknown) => {
      log.error({ directory, ...errorFields(error) }, 'the spool directory cannot be read');
      return [];
    });
    for (const name of names.filter(isSpoolFileName).sort()) {
      const outcome = await this.#replayOne(join(directory, name));
      if (outcome === 'done') done += 1;
      if (outcome === 'stays') stayed += 1;
    }
    if (done > 0) log.info({ deletions: done }, 'spooled deletions replayed');
    clearTimeout(this.#retry);
    if (stayed > 0 && !this.#stop.signal.aborted) this.#retry = setTimeout(() => void this.replay(), RETRY_MS);
    return done;
  }

  async #replayOne(path: string): Promise<'done' | 'stays' | 'gone'> {
    const { handle, log } = this.#options;
    try {
      const request = parseSpooled(await readFile(path, 'utf8'));
      await handle(request, AbortSignal.any([this.#stop.signal, AbortSignal.timeout(REPLAY_DEADLINE_MS)]));
      await unlink(path);
      return 'done';
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone';
      const unreadable = error instanceof ProtocolError;
      log.error(
        { path, ...errorFields(error) },
        unreadable ? 'a spooled deletion cannot be read and is set aside' : 'a spooled deletion failed and stays',
      );
      if (unreadable) await rename(path, `${path}.bad`);
      return unreadable ? 'gone' : 'stays';
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#round;
    clearTimeout(this.#retry);
  }
}
