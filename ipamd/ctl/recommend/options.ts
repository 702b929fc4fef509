/** The command line of `recommend`. Pure. */
import { parseArgs } from 'node:util';
import { instanceTypeRecords } from '#cloud/instance-types.ts';
import { OBJECTIVES, type Objective } from '#warm-pool/recommend/objective.ts';
import { usage } from '../failure.ts';
import { HTML_OPTION } from '../html-report.ts';
import { misunderstood, SUBJECT_OPTIONS, type SubjectOptions, subjectOf } from '../simulate/options.ts';

export interface RecommendOptions extends SubjectOptions {
  readonly objective: Objective;
  readonly instanceTypes: readonly string[];
  /** `''`: all. */
  readonly group: string;
  /** Runs for each group at most. */
  readonly most: number;
  /** `seed` and those after it. */
  readonly seeds: readonly number[];
  readonly compares: boolean;
  /** Where the report goes; undefined: none is wanted. */
  readonly html: string | undefined;
}

const MOST_RUNS = 80;
const SEEDS = 3;

/** Throws Failure (2). */
export function optionsOf(argv: readonly string[]): RecommendOptions {
  const values = parsed(argv);
  const subject = subjectOf(values);
  return {
    ...subject,
    objective: objectiveOf(values.objective ?? 'balanced'),
    instanceTypes: typesOf(values['instance-types']),
    group: values.group ?? '',
    most: numberOf('runs', values.runs ?? `${MOST_RUNS}`, 10_000),
    seeds: Array.from({ length: numberOf('seeds', values.seeds ?? `${SEEDS}`, 100) }, (_, n) => subject.seed + n),
    compares: values.compare === true,
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
        objective: { type: 'string' },
        'instance-types': { type: 'string' },
        group: { type: 'string' },
        runs: { type: 'string' },
        seeds: { type: 'string' },
        compare: { type: 'boolean' },
      },
    }).values;
  } catch (error) {
    throw misunderstood(error, 'recommend');
  }
}

function objectiveOf(text: string): Objective {
  const objective = OBJECTIVES.find((one) => one === text);
  if (objective !== undefined) return objective;
  throw usage(`--objective ${JSON.stringify(text)} is not known`, `it is ${OBJECTIVES.join(', ')}.`);
}

function typesOf(text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const types = [...new Set(text.split(',').map((type) => type.trim()))];
  const unknown = types.find((type) => !instanceTypeRecords().has(type));
  if (unknown === undefined) return types;
  throw usage(
    `the instance type ${JSON.stringify(unknown)} is not in the table`,
    '--instance-types takes names of EC2, with commas between them.',
    'For example: --instance-types m5.large,m5.xlarge',
  );
}

function numberOf(option: 'runs' | 'seeds', text: string, most: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  throw usage(
    `--${option} ${JSON.stringify(text)} is not a number of ${option}`,
    `it is a whole number from 1 to ${most}.`,
  );
}
