/** Drives the search over one cluster: its runs, group by group, each group with what was chosen for those before it. */
import type { Candidate } from '#warm-pool/recommend/candidate.ts';
import { bestFor, type Objective, type Reference } from '#warm-pool/recommend/objective.ts';
import { frontierOf, cautiousScore, type Score, scoreOf } from '#warm-pool/recommend/score.ts';
import { type Point, searchFor } from '#warm-pool/recommend/search.ts';
import { toleranceOf } from '#warm-pool/recommend/yardstick.ts';
import { boundsOf, currentRule, groupOf, type Subject, withCandidate, withDefaults } from './groups.ts';
import type { Outcome, Runs } from './runs.ts';

/** A point with all that its runs said, one for each seed; judged with caution. */
export interface Tried extends Point {
  readonly outcomes: readonly Outcome[];
}

export interface GroupFinding {
  readonly group: string;
  readonly current: Tried;
  readonly chosen: Tried;
  readonly frontier: readonly Tried[];
  readonly tried: number;
}

export interface Finding {
  readonly reference: Reference;
  /** amazon-vpc-cni-k8s with its defaults on the same cluster and workload. */
  readonly peer: readonly Outcome[];
  readonly groups: readonly GroupFinding[];
  /** The cluster with every group's settings as chosen. */
  readonly subject: Subject;
}

export interface Search {
  readonly objective: Objective;
  /** The first is that of the search; what stands at its end is run with the others, too. */
  readonly seeds: readonly number[];
  readonly groups: readonly string[];
  /** To choose from; the group's own type where it is empty. */
  readonly instanceTypes: readonly string[];
  /** Points to be tried for each group at most. */
  readonly most: number;
}

/** Throws Failure (2) where the description does not fit, and the signal's reason where the runs were interrupted. */
export async function find(runs: Runs, written: Subject, search: Search): Promise<Finding> {
  const defaults = withDefaults(written);
  const peer = await runs.all(search.seeds.map((seed) => ({ subject: defaults, policy: 'peer', seed })));
  const [size = { nodes: 0, hours: 0, pods: 0 }] = peer;
  const reference = { score: cautiousScore(peer.map(({ result }) => scoreOf(result))), tolerance: toleranceOf(size) };
  const groups: GroupFinding[] = [];
  let subject = written;
  for (const group of search.groups) {
    const finding = await findGroup(runs, subject, group, { ...search, reference });
    groups.push(finding);
    subject = withCandidate(subject, group, finding.chosen.candidate);
  }
  return { reference, peer, groups, subject };
}

async function findGroup(
  runs: Runs,
  subject: Subject,
  name: string,
  { objective, seeds, instanceTypes, most, reference }: Search & { readonly reference: Reference },
): Promise<GroupFinding> {
  const group = groupOf(subject.cluster, name);
  if (group === undefined) throw new RangeError(`there is no group ${name}`);
  const own = { instanceType: group.instanceType, rule: currentRule(group) };
  const types = instanceTypes.length === 0 ? [group.instanceType] : instanceTypes;
  const bounds = types.map((type) => boundsOf(group, type));
  const asking = searchFor({ current: own, types: bounds, objective, reference, most });
  const tried = new Map<Score, Tried>();
  let step = asking.next();
  while (step.done !== true) {
    const points = await tryAll(runs, subject, name, step.value, seeds.slice(0, 1));
    for (const point of points) tried.set(point.score, point);
    step = asking.next(points);
  }
  const points = step.value.flatMap(({ score }) => tried.get(score) ?? []);
  const standing = [...points.slice(0, 1), ...frontierOf(points.slice(1))];
  const finalists = await furtherSeeds(runs, subject, name, standing, seeds.slice(1));
  const [current] = finalists;
  const chosen = bestFor(finalists, objective, reference);
  if (current === undefined || chosen === undefined) throw new RangeError('nothing was tried');
  return { group: name, current, chosen, frontier: frontierOf(finalists), tried: points.length };
}

async function tryAll(
  runs: Runs,
  subject: Subject,
  group: string,
  candidates: readonly Candidate[],
  seeds: readonly number[],
): Promise<readonly Tried[]> {
  const outcomes = await runs.all(
    candidates.flatMap((candidate) => {
      const changed = withCandidate(subject, group, candidate);
      return seeds.map((seed) => ({ subject: changed, policy: 'wellspring', seed }) as const);
    }),
  );
  return candidates.map((candidate, index) =>
    triedOf(candidate, outcomes.slice(index * seeds.length, (index + 1) * seeds.length)),
  );
}

/** One seed may flatter settings: those that stand are judged by several. */
async function furtherSeeds(
  runs: Runs,
  subject: Subject,
  group: string,
  points: readonly Tried[],
  seeds: readonly number[],
): Promise<readonly Tried[]> {
  const candidates = points.map(({ candidate }) => candidate);
  const further = await tryAll(runs, subject, group, candidates, seeds);
  return points.map(({ candidate, outcomes }, index) =>
    triedOf(candidate, [...outcomes, ...(further[index]?.outcomes ?? [])]),
  );
}

function triedOf(candidate: Candidate, outcomes: readonly Outcome[]): Tried {
  return { candidate, outcomes, score: cautiousScore(outcomes.map(({ result }) => scoreOf(result))) };
}
