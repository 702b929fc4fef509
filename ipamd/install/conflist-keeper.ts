/**
 * Keeps the conflist where the runtime looks: put there when ipamd serves and not before, for that is what makes kubelet
 * call the node ready; left there when ipamd ends; put back where it was removed or changed. Uninstalling takes it away
 * (`wellspring-install remove`), with ipamd stopped.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '#cloud/decorate/clock.ts';
import { CONFLIST_FILE } from '../conflist.ts';
import { errorFields, type Log } from '../observe/log.ts';
import { placeFile } from './place-file.ts';

export interface ConflistKeeperOptions {
  readonly directory: string;
  /** The whole file. */
  readonly text: string;
  readonly clock: Pick<Clock, 'sleep'>;
  readonly log: Log;
  /** Milliseconds between two looks; the default is a minute. */
  readonly lookEveryMs?: number;
}

const RETRY = { firstMs: 500, mostMs: 30_000 };
/** libcni (libcni/api.go, ConfFiles) takes files that end so, and runtimes the first of them in the order of their names. */
const CONFIGURATION = /\.(conf|conflist|json)$/;

export class ConflistKeeper implements AsyncDisposable {
  readonly #options: ConflistKeeperOptions;
  readonly #stop = new AbortController();
  readonly #kept: Promise<void>;
  #problem: string | undefined = 'the network configuration list is not in place yet';
  #isFirst = true;
  #ahead: string | undefined;

  /** Begins at once. */
  constructor(options: ConflistKeeperOptions) {
    this.#options = options;
    this.#kept = this.#keep();
  }

  /** Why the runtime has no configuration of ours; undefined while it has. */
  get problem(): string | undefined {
    return this.#problem;
  }

  async #keep(): Promise<void> {
    const { clock, lookEveryMs = 60_000 } = this.#options;
    for (let failures = 0; !this.#stop.signal.aborted;) {
      failures = (await this.#look()) ? 0 : failures + 1;
      const pause = failures === 0 ? lookEveryMs : Math.min(RETRY.firstMs * 2 ** (failures - 1), RETRY.mostMs);
      await clock.sleep(pause, this.#stop.signal);
    }
  }

  /** True where it is in place. */
  async #look(): Promise<boolean> {
    const { directory, text, log } = this.#options;
    const path = join(directory, CONFLIST_FILE);
    try {
      const wasWritten = await placeFile({ path, content: Buffer.from(text), mode: 0o644 });
      if (this.#isFirst) log.info({ path, written: wasWritten }, 'the network configuration list is in place');
      else if (wasWritten) log.warn({ path }, 'the network configuration list was removed or changed, and is put back');
      this.#isFirst = false;
      this.#problem = undefined;
      await this.#lookAhead();
      return true;
    } catch (error) {
      const why = `${path} cannot be written: ${(error as Error).message}`;
      if (this.#problem !== why)
        log.error({ path, ...errorFields(error) }, 'the network configuration list is not there');
      this.#problem = why;
      return false;
    }
  }

  /** The runtime uses one configuration alone. Said once for each that goes before ours. */
  async #lookAhead(): Promise<void> {
    const { directory, log } = this.#options;
    const ahead = (await readdir(directory))
      .toSorted()
      .find((name) => CONFIGURATION.test(name) && !name.startsWith('.'));
    if (ahead === this.#ahead) return;
    this.#ahead = ahead;
    if (ahead === undefined || ahead === CONFLIST_FILE) return;
    log.warn(
      { configuration: join(directory, ahead) },
      'another configuration goes before ours, and the runtime uses that one: remove it, or have its owner remove it',
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'));
    await this.#kept;
  }
}
