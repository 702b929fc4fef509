/** `/v1/plan`: what the planner would do now, where that leads, and the same under other settings. */
import { explain } from '#warm-pool/explain.ts';
import { forecast } from '#warm-pool/forecast.ts';
import { cardsInUse, type Ledger, limitsOn, summary } from '#warm-pool/ledger.ts';
import type { Action, AllocationMode, Refusal, WarmTargets } from '#warm-pool/model.ts';
import type { Config } from '../config/config.ts';
import type { Pool } from '../pool.ts';
import type { Node } from '../start/discover.ts';
import { type CallCounts, countCalls, explainAction, type ExplainedAction } from './explain-action.ts';
import { fixOf } from './explain-fix.ts';
import { type ChangedSettings, settingsWith } from './explain-settings.ts';

export interface PlanSource {
  readonly config: Config;
  readonly node: Pick<Node, 'instanceType'>;
  readonly pool: Pick<Pool, 'ledger' | 'waiting' | 'circumstances' | 'lastCloudError'>;
  readonly targets: WarmTargets;
  readonly now: () => number;
}

/** A pool in figures. */
export interface PoolFigures {
  readonly mode: AllocationMode;
  readonly interfaces: number;
  readonly maxInterfaces: number;
  readonly maxPods: number;
  readonly addresses: number;
  readonly prefixes: number;
  readonly assigned: number;
  readonly cooling: number;
  readonly free: number;
  readonly waiting: number;
  readonly coolDownSeconds: number;
}

export type ExplainedRefusal = Refusal & { readonly sentence: string; readonly fix: string };

export interface PlanAnswer {
  /** What `set` changed; empty where nothing was set. */
  readonly settings: ChangedSettings;
  readonly now: PoolFigures;
  /** When nothing is left to do: `settled` is false where that was not reached. */
  readonly after: PoolFigures & {
    readonly at: string;
    readonly settled: boolean;
    readonly refusals: readonly ExplainedRefusal[];
  };
  /** Under way already. */
  readonly inFlight: readonly ExplainedAction[];
  /** What would be done at once. */
  readonly actions: readonly ExplainedAction[];
  readonly refusals: readonly ExplainedRefusal[];
  /** Everything that would be done until nothing is left to do; the first step may be that of `actions`. */
  readonly steps: readonly { readonly at: string; readonly actions: readonly ExplainedAction[] }[];
  /** EC2 calls of all steps. */
  readonly calls: CallCounts;
  /** What EC2 refused last; null where the last call of its kind succeeded. */
  readonly lastRefusal: string | null;
  /** When time alone changes the plan of this moment. */
  readonly wakeAt: string | null;
}

/** Each of `sets` reads `KEY=VALUE`. Throws QuestionRefused for a wrong one. Changes nothing. */
export function plannedWith(sets: readonly string[], source: PlanSource): PlanAnswer {
  const { pool, config, node, now: clock } = source;
  const now = clock();
  const ledgerConfig = pool.ledger.config;
  const { targets, changed, ...next } = settingsWith(sets, { config, node, targets: source.targets, ledgerConfig });
  const ledger = { ...pool.ledger, config: next.ledgerConfig };
  const { waiting } = pool;
  const ahead = forecast(ledger, targets, pool.circumstances(now));
  const { first } = ahead;
  return {
    settings: changed,
    now: figures(pool.ledger, waiting, now),
    after: {
      ...figures(ahead.ledger, ahead.waiting + sum(ahead.waitingOn), ahead.at),
      at: iso(ahead.at),
      settled: ahead.settled,
      refusals: ahead.refusals.map(explainRefusal),
    },
    inFlight: [...pool.ledger.inFlight.values()].map(explainAction),
    actions: first.actions.map(explainAction),
    refusals: first.refusals.map(explainRefusal),
    steps: ahead.steps.map(({ at, actions }) => ({ at: iso(at), actions: actions.map(explainAction) })),
    calls: countCalls(ahead.steps.flatMap(({ actions }): readonly Action[] => actions)),
    lastRefusal: pool.lastCloudError instanceof Error ? pool.lastCloudError.message : null,
    wakeAt: first.wakeAt === undefined ? null : iso(first.wakeAt),
  };
}

function figures(ledger: Ledger, waiting: number, at: number): PoolFigures {
  const { interfaces, total, prefixes, assigned, cooling, free } = summary(ledger, at);
  const { mode, limits, coolDownMs } = ledger.config;
  const maxInterfaces = cardsInUse(ledger).reduce((sum, card) => sum + limitsOn(ledger, card).maxInterfaces, 0);
  const { maxPods } = limits;
  return {
    mode,
    interfaces,
    maxInterfaces,
    maxPods,
    addresses: total,
    prefixes,
    assigned,
    cooling,
    free,
    waiting,
    coolDownSeconds: coolDownMs / 1000,
  };
}

function sum(byCard: ReadonlyMap<number, number>): number {
  return [...byCard].reduce((total, [card, waiting]) => (card === 0 ? total : total + waiting), 0);
}

function explainRefusal(refusal: Refusal): ExplainedRefusal {
  return { ...refusal, sentence: explain(refusal.why), fix: fixOf(refusal.why.reason) };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
