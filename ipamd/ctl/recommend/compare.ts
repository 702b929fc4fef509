/** The recommendation beside amazon-vpc-cni-k8s with its defaults, on pods that the search has not seen: other seeds. */
import { labelOf } from '#warm-pool/recommend/candidate.ts';
import type { Objective } from '#warm-pool/recommend/objective.ts';
import { meanScore, type Score, scoreOf } from '#warm-pool/recommend/score.ts';
import {
  judge,
  type Measure,
  MEASURES,
  type Tolerance,
  toleranceOf,
  type Verdict,
} from '#warm-pool/recommend/yardstick.ts';
import type { PolicyName } from '../simulate/policies.ts';
import { find } from './find.ts';
import { type Subject, withDefaults, writtenOut } from './groups.ts';
import type { Outcome, Runs } from './runs.ts';

/** So many seeds after those of the search judge it. */
const JUDGED_BY = 3;

export interface Side {
  /** Means over the seeds. */
  readonly score: Score;
  /** Beside the peer. */
  readonly verdicts: Readonly<Record<Measure, Verdict>>;
}

export interface ComparisonRow {
  readonly workload: string;
  readonly settings: readonly { readonly group: string; readonly instanceType: string; readonly settings: string }[];
  readonly peer: Score;
  readonly recommended: Side;
  /** Wellspring with its defaults. */
  readonly defaults: Side;
  readonly tolerance: Tolerance;
  /** Measures that must be better: two for bursts and rollouts, one for even churn. */
  readonly needed: number;
  /** As many are better as must be, and none is worse. */
  readonly isHeld: boolean;
}

export async function compare(
  runs: Runs,
  workload: string,
  subject: Subject,
  how: { readonly objective: Objective; readonly seeds: readonly number[]; readonly most: number },
): Promise<ComparisonRow> {
  const written = writtenOut(subject, {});
  const groups = subject.cluster.groups.map(({ name }) => name);
  const found = await find(runs, written, { ...how, groups, instanceTypes: [] });
  const seeds = Array.from({ length: JUDGED_BY }, (_, index) => Math.max(...how.seeds) + 1 + index);
  const sides: readonly (readonly [Subject, PolicyName])[] = [
    [withDefaults(written), 'peer'],
    [found.subject, 'wellspring'],
    [withDefaults(written), 'wellspring'],
  ];
  const outcomes = await runs.all(
    sides.flatMap(([each, policy]) => seeds.map((one) => ({ subject: each, policy, seed: one }))),
  );
  const of = (side: number): readonly Outcome[] => outcomes.slice(side * seeds.length, (side + 1) * seeds.length);
  const [peer, recommended, defaults] = [meanOf(of(0)), meanOf(of(1)), meanOf(of(2))];
  const [size] = of(0);
  const tolerance = toleranceOf(size ?? { nodes: 0, hours: 0, pods: 0 });
  const beside = (score: Score): Side => ({ score, verdicts: judge(score, peer, tolerance) });
  const needed = neededOn(subject);
  const verdicts = MEASURES.map((measure) => beside(recommended).verdicts[measure]);
  return {
    workload,
    settings: found.groups.map(({ group, chosen: { candidate } }) => {
      return { group, instanceType: candidate.instanceType, settings: labelOf(candidate.rule) };
    }),
    peer,
    recommended: beside(recommended),
    defaults: beside(defaults),
    tolerance,
    needed,
    isHeld: !verdicts.includes('worse') && verdicts.filter((verdict) => verdict === 'better').length >= needed,
  };
}

function neededOn({ workload }: Subject): number {
  return 'start' in workload || workload.every(({ kind }) => kind === 'churn') ? 1 : 2;
}

function meanOf(outcomes: readonly Outcome[]): Score {
  return meanScore(outcomes.map(({ result }) => scoreOf(result)));
}
