/** Gives unused memory back when the daemon has had nothing to do for a while, once for each such while. */
import type { Clock, Timer } from '#cloud/decorate/clock.ts';
import { errorFields, type Log } from '../observe/log.ts';
import type { Pool } from '../pool.ts';

/** Pods come and go in bursts; between two of a burst nothing is given back that the next needs. */
const QUIET_MS = 5000;

export interface MemoryRestOptions {
  readonly pool: Pick<Pool, 'onChange'>;
  readonly clock: Pick<Clock, 'after'>;
  readonly giveBack: () => Promise<void>;
  readonly log: Log;
}

export class MemoryRest implements Disposable {
  readonly #options: MemoryRestOptions;
  #timer: Timer | undefined;
  #changed = false;
  #disposed = false;

  constructor(options: MemoryRestOptions) {
    this.#options = options;
    options.pool.onChange(() => this.busy());
    this.busy();
  }

  /** Something happens. Costs next to nothing: the timer that runs is left to find out by itself. */
  busy(): void {
    this.#changed = true;
    if (this.#timer === undefined && !this.#disposed) this.#wait();
  }

  #wait(): void {
    this.#changed = false;
    this.#timer = this.#options.clock.after(QUIET_MS, () => {
      this.#timer = undefined;
      if (this.#disposed) return;
      if (this.#changed) this.#wait();
      else void this.#rest();
    });
  }

  /** Never rejects: a kernel or a libc that cannot do it costs memory and nothing else. */
  async #rest(): Promise<void> {
    try {
      await this.#options.giveBack();
    } catch (error) {
      this.#options.log.debug(errorFields(error), 'memory could not be given back');
    }
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#timer?.cancel();
  }
}
