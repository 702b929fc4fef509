/** `simulate`: runs a cluster in virtual time under Wellspring, the peer, or both. Needs no daemon and no network. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { PRESETS } from '#warm-pool/simulator/presets.data.ts';
import type { SimulationResult } from '#warm-pool/simulator/result.ts';
import { type FailureText, usage } from '../failure.ts';
import { checkReportPath, HTML_OPTION, writeReport } from '../html-report.ts';
import { interruptible } from '../interrupt.ts';
import { misunderstood, SUBJECT_OPTIONS, type SubjectOptions, subjectOf } from './options.ts';
import { POLICIES, type PolicyName } from './policies.ts';
import { progressBar } from './progress.ts';
import { type Input, readInput } from './read-input.ts';
import { resolve } from './resolve.ts';
import { showComparison, showPresets } from './show.ts';
import { runInThreads } from './thread.ts';

/** With fewer a run is over before a second thread has begun. */
const PODS_FOR_TWO_THREADS = 100_000;

/** What `--json` prints: the result of the policy, and with `--policy both` the peer's beside it. */
export interface SimulateAnswer extends SimulationResult {
  readonly policy: PolicyName;
  readonly workload: string;
  readonly seed: number;
  readonly nodes: number;
  readonly hours: number;
  readonly peer?: SimulationResult;
}

/** The whole command, from its arguments to what it prints. Throws Failure. */
export async function simulate(argv: readonly string[]): Promise<string> {
  const options = optionsOf(argv);
  if (options.listPresets && options.html !== undefined)
    throw usage('--list-presets writes no report', '--html is of one simulation.');
  if (options.listPresets) return options.asJson ? document(PRESETS) : showPresets(PRESETS);
  await checkReportPath(options.html);
  const input = await readInput(options);
  const parts = options.policies.map(() => 0);
  const answer = await interruptible(
    (signal) => run(input, options, parts, signal),
    () => interruptedAt(Math.min(...parts)),
  );
  const written = await writeReport(options.html, ({ simulateReport }) => simulateReport(answer));
  return options.asJson ? document(answer) : `${showComparison(answer)}${written}`;
}

interface Options extends SubjectOptions {
  readonly policies: readonly PolicyName[];
  readonly asJson: boolean;
  readonly listPresets: boolean;
  readonly html: string | undefined;
}

/** `parts` is written to: how much of each policy's run is done. */
async function run(
  input: Input,
  { seed, policies, settings }: Options,
  parts: number[],
  signal: AbortSignal,
): Promise<SimulateAnswer> {
  const { cluster, pods } = resolve(input.cluster, input.workload, seed, settings);
  const bar = progressBar(process.stderr, policies.join(' and '));
  const isLong = pods.start.length >= PODS_FOR_TWO_THREADS;
  const threads = isLong ? Math.max(1, Math.floor(availableParallelism() / policies.length)) : 1;
  const runOne = (policy: PolicyName, index: number): Promise<SimulationResult> => {
    const onProgress = (part: number): void => {
      parts[index] = part;
      bar.show(Math.min(...parts));
    };
    return runInThreads({ cluster, pods, policy, seed }, threads, { signal, onProgress });
  };
  const outcomes = await Promise.allSettled(policies.map(runOne));
  bar.clear();
  const results = outcomes.map((outcome, index) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return { name: policies[index], result: outcome.value };
  });
  const [first, second] = results;
  if (first?.name === undefined) throw usage('no policy was chosen', '--policy names none.');
  return {
    policy: first.name,
    workload: input.name,
    seed,
    nodes: cluster.nodes.length,
    hours: cluster.durationMs / 3_600_000,
    ...first.result,
    ...(second === undefined ? {} : { peer: second.result }),
  };
}

function interruptedAt(progress: number): FailureText {
  return {
    what: 'the simulation was interrupted',
    why: `${Math.floor(progress * 100)} % of its time had gone by.`,
    fix: 'Run it again; nothing was written.',
  };
}

function optionsOf(argv: readonly string[]): Options {
  const values = parsed(argv);
  const policy = values.policy ?? 'wellspring';
  const policies = policy === 'both' ? (['wellspring', 'peer'] as const) : [policy];
  const isPolicy = (name: string): name is PolicyName => Object.hasOwn(POLICIES, name);
  if (!policies.every(isPolicy))
    throw usage(`--policy ${JSON.stringify(policy)} is not known`, 'it is wellspring, peer or both.');
  return {
    ...subjectOf(values),
    policies: policies.filter(isPolicy),
    asJson: values.json === true || values.output === 'json',
    listPresets: values['list-presets'] === true,
    html: values.html,
  };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        ...SUBJECT_OPTIONS,
        ...HTML_OPTION,
        policy: { type: 'string' },
        'list-presets': { type: 'boolean' },
        json: { type: 'boolean' },
        output: { type: 'string', short: 'o' },
      },
    }).values;
  } catch (error) {
    throw misunderstood(error, 'simulate');
  }
}

function document(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
