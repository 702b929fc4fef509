/** What `recommend` answers: one document. Pure. */
import { settingsOf } from '#warm-pool/recommend/candidate.ts';
import { sentencesFor } from '#warm-pool/recommend/explain.ts';
import { meaningOf, type Objective } from '#warm-pool/recommend/objective.ts';
import { judge, type Measure, type Tolerance, type Verdict } from '#warm-pool/recommend/yardstick.ts';
import { type Figures, figuresOf } from './figures.ts';
import type { Finding, GroupFinding, Tried } from './find.ts';
import type { Subject } from './groups.ts';
import { changesOf, envOf, type GroupChanges, type GroupSettings, valuesOf } from './paste.ts';

export interface FrontierPoint extends Figures {
  readonly group: string;
  readonly instanceType: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly isChosen: boolean;
  readonly isCurrent: boolean;
}

export interface RecommendAnswer {
  readonly objective: Objective;
  readonly meaning: string;
  readonly workload: string;
  readonly seeds: readonly number[];
  readonly hours: number;
  readonly podEvents: number;
  /** Simulations that were run. */
  readonly runs: number;
  /** With the settings as they are. */
  readonly baseline: Figures;
  /** amazon-vpc-cni-k8s with its defaults. */
  readonly peerDefaults: Figures;
  readonly chosen: Figures & { readonly groups: readonly GroupSettings[] };
  /** The choice beside the peer's defaults, and how large a difference counts beside a tenth. */
  readonly besidePeer: Readonly<Record<Measure, Verdict>>;
  readonly tolerance: Tolerance;
  readonly frontier: readonly FrontierPoint[];
  readonly explanation: readonly string[];
  /** For the chart, as YAML. */
  readonly values: string;
  readonly env: readonly GroupSettings[];
  readonly changes: readonly GroupChanges[];
}

export function answerOf(
  { reference, peer, groups }: Finding,
  about: {
    readonly objective: Objective;
    readonly workload: string;
    readonly seeds: readonly number[];
    readonly runs: number;
  },
  subject: Subject,
): RecommendAnswer {
  const [first] = groups;
  const last = groups.at(-1);
  if (first === undefined || last === undefined) throw new RangeError('no group was searched');
  const env = groups.map(envOf);
  return {
    ...about,
    meaning: meaningOf(about.objective),
    hours: peer[0]?.hours ?? 0,
    podEvents: first.current.outcomes[0]?.result.podEvents ?? 0,
    baseline: figuresOf(first.current.outcomes),
    peerDefaults: figuresOf(peer),
    chosen: { ...figuresOf(last.chosen.outcomes), groups: env },
    besidePeer: judge(last.chosen.score, reference.score, reference.tolerance),
    tolerance: reference.tolerance,
    frontier: groups.flatMap((finding) => finding.frontier.map((point) => pointOf(finding, point))),
    explanation: groups.flatMap((finding) => sentencesFor({ ...finding, objective: about.objective, reference })),
    values: valuesOf(groups),
    env,
    changes: groups.map((finding) => changesOf(finding, subject)),
  };
}

function pointOf({ group, chosen, current }: GroupFinding, point: Tried): FrontierPoint {
  const { instanceType, rule } = point.candidate;
  return {
    group,
    instanceType,
    settings: settingsOf(rule),
    isChosen: point === chosen,
    isCurrent: point === current,
    ...figuresOf(point.outcomes),
  };
}
