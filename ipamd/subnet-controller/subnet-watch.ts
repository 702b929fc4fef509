/** Looks again and again, remembers, and says what it makes of it. The history on disk is read once and written now and then. */
import type { Clock } from '#cloud/decorate/clock.ts';
import type { CloudProvider } from '#cloud/provider.ts';
import { errorFields, type Log } from '../observe/log.ts';
import { assess, rowOf, type SubnetState } from './assess.ts';
import { type History, type Row, withRows } from './history.ts';
import { readHistory, writeHistory } from './history-file.ts';
import { lookAtSubnets, type Selection } from './look.ts';
import type { SubnetMetrics } from './metrics.ts';

export interface SubnetWatchOptions {
  readonly provider: CloudProvider;
  readonly selection: Selection;
  /** `''`: what was seen is forgotten with the process. */
  readonly historyFile: string;
  readonly clock: Clock;
  readonly metrics: SubnetMetrics;
  readonly log: Log;
  /** Addresses of pods that run; undefined: nobody says. Must not reject. */
  readonly pods: (signal: AbortSignal) => Promise<ReadonlySet<number> | undefined>;
  readonly onLook: (answer: SubnetsAnswer) => void;
}

/** `/v1/subnets`, and what `wellspringctl forecast` prints. */
export interface SubnetsAnswer {
  /** RFC 3339; undefined: nothing was seen yet. */
  readonly at: string | undefined;
  /** Whether this process looks; another one does where it is false. */
  readonly leader: boolean;
  readonly subnets: readonly SubnetState[];
}

const WRITE_EVERY_MS = 300_000;

export class SubnetWatch {
  readonly #options: SubnetWatchOptions;
  #history: History | undefined;
  #writtenAt = -Infinity;
  #answer: SubnetsAnswer = { at: undefined, leader: false, subnets: [] };

  constructor(options: SubnetWatchOptions) {
    this.#options = options;
  }

  get answer(): SubnetsAnswer {
    return this.#answer;
  }

  /** Looks every `intervalMs` until `signal` fires; a look that fails is logged and counted. Writes the history at the end. */
  async run(intervalMs: number, signal: AbortSignal): Promise<void> {
    const { clock, metrics, log } = this.#options;
    metrics.leader.set(1);
    this.#answer = { ...this.#answer, leader: true };
    this.#history = undefined;
    try {
      while (!signal.aborted) {
        const from = clock.now();
        try {
          await this.look(signal);
        } catch (error) {
          if (signal.aborted) break;
          metrics.looks.inc({ outcome: 'failed' });
          log.warn(errorFields(error), 'the subnets could not be looked at');
        }
        await clock.sleep(Math.max(0, intervalMs - (clock.now() - from)), signal);
      }
      await this.remember();
    } finally {
      // What another process says now would be contradicted.
      metrics.leader.set(0);
      metrics.show([]);
      this.#answer = { at: undefined, leader: false, subnets: [] };
    }
  }

  /** One look. Rejects with CloudError, or with what the disk says of the history. */
  async look(signal: AbortSignal): Promise<SubnetsAnswer> {
    const { provider, selection, clock, metrics, pods, onLook } = this.#options;
    const from = clock.now();
    this.#history ??= await this.#read();
    const [look, running] = await Promise.all([
      lookAtSubnets(provider, selection, { now: () => clock.wallTime(), signal }),
      pods(signal),
    ]);
    const rows = look.subnets.flatMap((subnet): [string, Row][] => {
      const row = rowOf(subnet, look.at);
      return row === undefined ? [] : [[subnet.id, row]];
    });
    this.#history = withRows(this.#history, new Map(rows), look.at);
    const subnets: SubnetState[] = [];
    for (const subnet of look.subnets) {
      const state = assess(subnet, { rows: this.#history.get(subnet.id) ?? [], now: look.at, pods: running });
      if (state !== undefined) subnets.push(state);
      // A forecast takes some tens of milliseconds; who scrapes is answered in between.
      await new Promise<void>((resolve) => clock.soon(resolve));
      signal.throwIfAborted();
    }
    this.#answer = { at: new Date(look.at).toISOString(), leader: true, subnets };
    metrics.show(subnets);
    metrics.looks.inc({ outcome: 'ok' });
    metrics.lastLook.set(look.at / 1000);
    metrics.lookDuration.observe((clock.now() - from) / 1000);
    if (clock.now() - this.#writtenAt >= WRITE_EVERY_MS) await this.remember();
    onLook(this.#answer);
    return this.#answer;
  }

  async #read(): Promise<History> {
    const { historyFile, clock, metrics, log } = this.#options;
    if (historyFile === '') return new Map();
    const { history, damaged } = await readHistory(historyFile, clock.wallTime());
    if (damaged !== undefined) {
      metrics.historyDamaged.inc();
      log.error(
        { file: historyFile, kept: damaged },
        'the history cannot be read; it was put aside and a new one begins',
      );
    }
    return history;
  }

  /** Writes the history. A disk that takes no more costs the history, not the forecast. */
  async remember(): Promise<void> {
    const { historyFile, clock, metrics, log } = this.#options;
    if (historyFile === '' || this.#history === undefined) return;
    this.#writtenAt = clock.now();
    try {
      await writeHistory(historyFile, this.#history);
    } catch (error) {
      metrics.historyFailures.inc();
      log.error({ file: historyFile, ...errorFields(error) }, 'the history could not be written');
    }
  }
}
