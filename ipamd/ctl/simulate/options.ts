/** The options that say what is simulated, which more than one command takes. Pure. */
import { usage } from '../failure.ts';

/** For `parseArgs`. */
export const SUBJECT_OPTIONS = {
  preset: { type: 'string' },
  cluster: { type: 'string' },
  workload: { type: 'string' },
  seed: { type: 'string' },
  set: { type: 'string', multiple: true },
} as const;

export interface SubjectOptions {
  /** `''`: not given. */
  readonly preset: string;
  readonly cluster: string;
  readonly workload: string;
  readonly seed: number;
  readonly settings: Readonly<Record<string, string>>;
}

/** Throws Failure (2). */
export function subjectOf(values: {
  readonly preset?: string;
  readonly cluster?: string;
  readonly workload?: string;
  readonly seed?: string;
  readonly set?: readonly string[];
}): SubjectOptions {
  const seed = Number(values.seed ?? '1');
  if (!Number.isSafeInteger(seed) || seed < 0 || values.seed?.trim() === '')
    throw usage(`--seed ${JSON.stringify(values.seed)} is not a seed`, 'it is a whole number from 0.');
  const settings = (values.set ?? []).map((setting): [string, string] => {
    const [, key, value] = /^([^=]+)=(.*)$/s.exec(setting) ?? [];
    if (key === undefined || value === undefined)
      throw usage(`--set ${JSON.stringify(setting)} sets nothing`, 'it must read KEY=VALUE.');
    return [key, value];
  });
  const { preset = '', cluster = '', workload = '' } = values;
  return { preset, cluster, workload, seed, settings: Object.fromEntries(settings) };
}

/** What `parseArgs` says of a command line that it does not understand: its first sentence is what matters. */
export function misunderstood(error: unknown, command: string) {
  const [first] = (error as Error).message.split(/[.\n]/);
  return usage('the command line is not understood', `${first}.`, `See \`wellspringctl ${command} --help\`.`);
}
