/** `simulate`: runs a cluster in virtual time under Wellspring, the peer, or both. Needs no daemon and no network. */
import { parseArgs } from 'node:util';
import { PRESETS } from '#warm-pool/simulator/presets.data.ts';
import type { SimulationResult } from '#warm-pool/simulator/result.ts';
import { Failure, usage } from '../failure.ts';
import { POLICIES, type PolicyName } from './policies.ts';
import { progressBar } from './progress.ts';
import { type Input, readInput } from './read-input.ts';
import { resolve } from './resolve.ts';
import { showComparison, showPresets } from './show.ts';
import { runInThread } from './thread.ts';

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
  if (options.listPresets) return options.asJson ? document(PRESETS) : showPresets(PRESETS);
  const input = await readInput(options);
  const interrupted = new AbortController();
  const stop = (): void => interrupted.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  try {
    const answer = await run(input, options, interrupted.signal);
    return options.asJson ? document(answer) : showComparison(answer);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}

interface Options {
  readonly preset: string;
  readonly cluster: string;
  readonly workload: string;
  readonly seed: number;
  readonly policies: readonly PolicyName[];
  readonly settings: Readonly<Record<string, string>>;
  readonly asJson: boolean;
  readonly listPresets: boolean;
}

async function run(input: Input, { seed, policies, settings }: Options, signal: AbortSignal): Promise<SimulateAnswer> {
  const { cluster, pods } = resolve(input.cluster, input.workload, seed, settings);
  const parts = policies.map(() => 0);
  const bar = progressBar(process.stderr, policies.join(' and '));
  const runOne = (policy: PolicyName, index: number): Promise<SimulationResult> => {
    const onProgress = (part: number): void => {
      parts[index] = part;
      bar.show(Math.min(...parts));
    };
    return runInThread({ cluster, pods, policy, seed }, { signal, onProgress });
  };
  const outcomes = await Promise.allSettled(policies.map(runOne));
  bar.clear();
  if (signal.aborted) throw interruptedAt(Math.min(...parts));
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

function interruptedAt(progress: number): Failure {
  return new Failure(1, {
    what: 'the simulation was interrupted',
    why: `${Math.floor(progress * 100)} % of its time had gone by.`,
    fix: 'Run it again; nothing was written.',
  });
}

function optionsOf(argv: readonly string[]): Options {
  const values = parsed(argv);
  const policy = values.policy ?? 'wellspring';
  const policies = policy === 'both' ? (['wellspring', 'peer'] as const) : [policy];
  const isPolicy = (name: string): name is PolicyName => Object.hasOwn(POLICIES, name);
  if (!policies.every(isPolicy))
    throw usage(`--policy ${JSON.stringify(policy)} is not known`, 'it is wellspring, peer or both.');
  const seed = Number(values.seed ?? '1');
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw usage(`--seed ${JSON.stringify(values.seed)} is not a seed`, 'it is a whole number from 0.');
  const settings = (values.set ?? []).map((setting): [string, string] => {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(setting) ?? [];
    if (key === undefined || value === undefined)
      throw usage(`--set ${JSON.stringify(setting)} sets nothing`, 'it must read KEY=VALUE.');
    return [key, value];
  });
  return {
    preset: values.preset ?? '',
    cluster: values.cluster ?? '',
    workload: values.workload ?? '',
    seed,
    policies: policies.filter(isPolicy),
    settings: Object.fromEntries(settings),
    asJson: values.json === true || values.output === 'json',
    listPresets: values['list-presets'] === true,
  };
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        preset: { type: 'string' },
        cluster: { type: 'string' },
        workload: { type: 'string' },
        seed: { type: 'string' },
        policy: { type: 'string' },
        set: { type: 'string', multiple: true },
        'list-presets': { type: 'boolean' },
        json: { type: 'boolean' },
        output: { type: 'string', short: 'o' },
      },
    }).values;
  } catch (error) {
    const [first] = (error as Error).message.split(/[.\n]/);
    throw usage('the command line is not understood', `${first}.`, 'See `wellspringctl simulate --help`.');
  }
}

function document(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
