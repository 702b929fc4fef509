/** `recommend`: searches the pool's settings by simulating a cluster and its workload. Needs no daemon and no network. */
import { gridOf } from '#warm-pool/recommend/grid.ts';
import { PRESETS } from '#warm-pool/simulator/presets.data.ts';
import { type FailureText, usage } from '../failure.ts';
import { checkReportPath, writeReport } from '../html-report.ts';
import { interruptible } from '../interrupt.ts';
import { progressBar } from '../simulate/progress.ts';
import { type Input, readInput } from '../simulate/read-input.ts';
import { resolve } from '../simulate/resolve.ts';
import type { Worked } from '../work.ts';
import { answerOf } from './answer.ts';
import { compare } from './compare.ts';
import { find } from './find.ts';
import { boundsOf, groupOf, type Subject, writtenOut } from './groups.ts';
import { optionsOf, type RecommendOptions } from './options.ts';
import { Runs } from './runs.ts';
import { showComparisons, showRecommendation } from './show.ts';

/** One preset for each kind of generator. */
const GENERATOR_PRESETS = ['churn', 'cron-burst', 'rollout', 'scale-out', 'batch'] as const;
/** Rounds of refinement about the best point usually take so many runs. */
const REFINING = 15;
/** So many settings usually stand at the end. */
const STANDING = 20;

/** Throws Failure. */
export async function recommend(argv: readonly string[]): Promise<Worked> {
  const options = optionsOf(argv);
  return options.compares ? compareAll(options) : recommendOne(options);
}

async function recommendOne(options: RecommendOptions): Promise<Worked> {
  await checkReportPath(options.html);
  const input = await readInput(options);
  const subject = writtenOut(input, options.settings);
  const groups = groupsIn(subject, options);
  // What is wrong with the description is said before the first run.
  resolve(subject.cluster, subject.workload, options.seed, {});
  const expected = options.seeds.length + groups.reduce((sum, group) => sum + expectedRuns(subject, group, options), 0);
  const answer = await inRuns('settings', expected, async (runs) => {
    const finding = await find(runs, subject, { ...options, groups });
    const { objective, seeds } = options;
    return answerOf(finding, { objective, workload: input.name, seeds, runs: runs.count }, subject);
  });
  const written = await writeReport(options.html, ({ recommendReport }) => recommendReport(answer));
  return { answer, show: () => `${showRecommendation(answer)}${written}`, exitCode: 0 };
}

async function compareAll(options: RecommendOptions): Promise<Worked> {
  const inputs = await inputsOf(options);
  const answer = await inRuns('workloads', inputs.length * 110, async (runs) => {
    const rows = [];
    for (const input of inputs) rows.push(await compare(runs, input.name, input, options));
    return rows;
  });
  return { answer, show: () => showComparisons(answer), exitCode: answer.every(({ isHeld }) => isHeld) ? 0 : 3 };
}

async function inputsOf(options: RecommendOptions): Promise<readonly Input[]> {
  const { preset, cluster, workload, settings, group, instanceTypes, html } = options;
  if (html !== undefined) throw usage('--compare writes no report', '--html is of one recommendation.');
  if (Object.keys(settings).length > 0 || group !== '' || instanceTypes.length > 0)
    throw usage('--compare takes no --set, --group or --instance-types', 'both sides run on the cluster as it is.');
  if (preset !== '' || cluster !== '' || workload !== '') return [await readInput(options)];
  return GENERATOR_PRESETS.flatMap((name) => {
    const known = PRESETS[name];
    return known === undefined ? [] : [{ name, cluster: known.cluster, workload: known.workload }];
  });
}

function groupsIn({ cluster, workload }: Subject, { group, instanceTypes }: RecommendOptions): readonly string[] {
  const names = cluster.groups.map(({ name }) => name);
  if (group !== '' && !names.includes(group))
    throw usage(`there is no group ${JSON.stringify(group)}`, `the cluster has ${names.join(', ')}.`);
  if (instanceTypes.length > 0 && 'start' in workload && workload.node.some((node) => node >= 0))
    throw usage(
      '--instance-types does not go with this workload',
      'its pods name their nodes, whose number another instance type changes.',
      'Leave the column node out of the trace, or the instance types.',
    );
  return group === '' ? names : [group];
}

function expectedRuns({ cluster }: Subject, name: string, { instanceTypes, most, seeds }: RecommendOptions): number {
  const group = groupOf(cluster, name);
  if (group === undefined) return 0;
  const types = instanceTypes.length === 0 ? [group.instanceType] : instanceTypes;
  const grid = types.reduce((sum, type) => sum + gridOf(boundsOf(group, type)).length, 0);
  return Math.min(most, grid + REFINING) + STANDING * (seeds.length - 1);
}

/** Threads, progress and Ctrl-C about a piece of work; all of it is over when this is. */
async function inRuns<T>(label: string, expected: number, work: (runs: Runs) => Promise<T>): Promise<T> {
  const bar = progressBar(process.stderr, label);
  let done = 0;
  return interruptible(
    async (signal) => {
      const runs = new Runs(signal, (count) => {
        done = count;
        bar.show(Math.min(0.99, count / Math.max(expected, count + 1)));
      });
      try {
        return await work(runs);
      } finally {
        bar.clear();
        await runs.close();
      }
    },
    () => interruptedAfter(done),
  );
}

function interruptedAfter(done: number): FailureText {
  return {
    what: 'the search was interrupted',
    why: `${Math.floor(done)} simulations had been run.`,
    fix: 'Run it again, with fewer --runs where it takes too long; nothing was written.',
  };
}
