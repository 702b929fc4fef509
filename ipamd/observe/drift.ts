/** Drift as people see it: a log line with what was lost and who may have done it, metrics, and the last findings. */
import { Counter, Gauge, type Registry } from 'prom-client';
import type { Datapath, Drift, DriftKind, DriftRepair, DriftReport } from '../datapath/datapath.ts';
import type { Log } from './log.ts';

export type DriftMetrics = ReturnType<typeof createDriftMetrics>;

/** `object` is the kind of object: link, address, sysctl, rule, route, neighbour, qdisc or nft. */
export function createDriftMetrics(registry: Registry) {
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name, help, labelNames: ['object'], registers });
  let unrepaired: () => ReadonlyMap<DriftKind, number> = () => new Map();
  let comparisons: () => number = () => 0;
  const left = new Gauge({
    name: 'wellspring_drift_unrepaired',
    help: 'Objects in the kernel that are not as they should be and were left so, by kind: links that are gone, what the kernel refuses, and repairs that wait because somebody undoes them',
    labelNames: ['object'],
    registers,
    collect() {
      this.reset();
      for (const [object, count] of unrepaired()) this.set({ object }, count);
    },
  });
  const compared = new Gauge({
    name: 'wellspring_drift_comparisons',
    help: 'How often the kernel was compared with what it should hold since the start; on a quiet node once a minute',
    registers,
    collect() {
      this.set(comparisons());
    },
  });
  return {
    left,
    compared,
    repairs: counter(
      'wellspring_drift_repairs_total',
      'Objects in the kernel that others removed or changed and that were put back, by kind',
    ),
    failures: counter(
      'wellspring_drift_repair_failures_total',
      'Objects in the kernel that could not be put back; tried again with growing intervals',
    ),
    backOffs: counter(
      'wellspring_drift_back_offs_total',
      'Repairs that were put off, because the same object was repaired again and again',
    ),
    /** Where the state is read at each scrape. */
    show(repair: Pick<DriftRepair, 'unrepaired' | 'comparisons'>): void {
      unrepaired = () => repair.unrepaired();
      comparisons = () => repair.comparisons;
    },
  };
}

/** One finding as introspection shows it. */
export interface DriftRow {
  readonly at: string;
  readonly kind: DriftKind;
  readonly object: string;
  readonly expected: string;
  readonly found: string;
  readonly outcome: Drift['outcome'];
  readonly error: string | null;
  readonly culprits: readonly string[];
}

/** What `/v1/drift` answers. */
export interface DriftAnswer {
  readonly isOn: boolean;
  readonly comparisons: number;
  readonly unrepaired: Readonly<Record<string, number>>;
  /** The last findings, oldest first. */
  readonly recent: readonly DriftRow[];
}

const KEPT = 100;
/** So many objects are named in one log line; all are counted, and the last are in introspection. */
const NAMED = 20;

/** See the file's comment; repairs until disposed of. */
export class DriftWatch implements AsyncDisposable {
  readonly #repair: DriftRepair | undefined;
  readonly #metrics: DriftMetrics;
  readonly #log: Log;
  readonly #now: () => number;
  #recent: readonly DriftRow[] = [];

  constructor(ports: {
    /** Undefined where repair is switched off. */
    readonly datapath: Datapath | undefined;
    readonly metrics: DriftMetrics;
    readonly log: Log;
    readonly now: () => number;
  }) {
    this.#metrics = ports.metrics;
    this.#log = ports.log;
    this.#now = ports.now;
    this.#repair = ports.datapath?.repairDrift?.((report) => this.#told(report));
    if (this.#repair !== undefined) ports.metrics.show(this.#repair);
  }

  /** For introspection. */
  answer(): DriftAnswer {
    return {
      isOn: this.#repair !== undefined,
      comparisons: this.#repair?.comparisons ?? 0,
      unrepaired: Object.fromEntries(this.#repair?.unrepaired() ?? []),
      recent: this.#recent,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#repair?.[Symbol.asyncDispose]();
  }

  #told({ drifts, culprits, failure }: DriftReport): void {
    if (failure !== undefined) this.#log.error({ error: failure }, 'the kernel could not be compared for drift');
    const at = new Date(this.#now()).toISOString();
    const rows = drifts.map(({ kind, object, expected, found, outcome, error = null }) => {
      return { at, kind, object, expected, found, outcome, error, culprits };
    });
    this.#recent = [...this.#recent, ...rows].slice(-KEPT);
    for (const { kind, outcome } of drifts) this.#count(kind, outcome);
    const some = (outcome: Drift['outcome']) => drifts.filter((drift) => drift.outcome === outcome);
    const say = (outcome: Drift['outcome'], level: 'warn' | 'error', message: string) => {
      const lost = some(outcome);
      if (lost.length === 0) return;
      this.#log[level]({ objects: lost.length, lost: lost.slice(0, NAMED).map(inWords), culprits }, message);
    };
    say('repaired', 'warn', 'somebody removed or changed what is ours in the kernel; it was put back');
    say('held-back', 'error', 'somebody undoes our repairs again and again; they are made less often now');
    say('failed', 'error', 'what somebody removed or changed in the kernel could not be put back; it is tried again');
    say('missing', 'warn', 'a link of ours is gone; it is not made anew, its DEL or its detachment is to come');
  }

  #count(object: DriftKind, outcome: Drift['outcome']): void {
    if (outcome === 'repaired') this.#metrics.repairs.inc({ object });
    if (outcome === 'failed') this.#metrics.failures.inc({ object });
    if (outcome === 'held-back') this.#metrics.backOffs.inc({ object });
  }
}

function inWords({ object, expected, found, error, retryInMs }: Drift): string {
  const why = error === undefined ? '' : `: ${error}`;
  const when = retryInMs === undefined ? '' : ` (again in ${Math.ceil(retryInMs / 1000)} s)`;
  return `${object}: ${expected}, found ${found}${why}${when}`;
}
