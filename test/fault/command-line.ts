/** What `npm run fault` can be told. */
import { parseArgs } from 'node:util';
import { MUTANTS } from './mutants.ts';

export const HELP = `npm run fault [-- --seeds N] [--steps M] [--first-seed S] [--mutant NAME] [--json]

Runs the daemon's core on a virtual clock against the embedded cloud, a model kernel and a model disk, through N random
schedules of pods, crashes, reboots and faults, and checks after every event that no address is given twice, given while
it rests, given though it is not this node's, or lost. The same seed gives the same run.

  --seeds N        how many schedules; 1000 unless told
  --steps M        steps of each; 40 unless told
  --first-seed S   seeds S, S+1, ...; 1 unless told
  --mutant NAME    plants a bug, to see what finds it: ${Object.keys(MUTANTS).join(', ')}
  --json           one JSON document on standard output
  -h, --help       this text

On a failure it prints the schedule up to it, the invariant that broke and the command that repeats it.
Exit status: 0 all held · 1 an invariant broke · 2 asked wrongly · 130 interrupted.
`;

export interface CommandLine {
  readonly seeds: number;
  readonly steps: number;
  readonly firstSeed: number;
  readonly mutant: string | undefined;
  readonly json: boolean;
  readonly help: boolean;
}

export class UsageError extends Error {}

/** Throws `UsageError` with a sentence that says what is allowed. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const values = parsed(args);
  const { mutant } = values;
  if (mutant !== undefined && !Object.hasOwn(MUTANTS, mutant))
    throw new UsageError(`there is no mutant ${mutant}; there are: ${Object.keys(MUTANTS).join(', ')}`);
  return {
    seeds: wholeNumber(values.seeds, '--seeds', 1, 10_000_000),
    steps: wholeNumber(values.steps, '--steps', 1, 100_000),
    firstSeed: wholeNumber(values['first-seed'], '--first-seed', 0, 2 ** 31),
    mutant,
    json: values.json,
    help: values.help,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seeds: { type: 'string', default: '1000' },
        steps: { type: 'string', default: '40' },
        'first-seed': { type: 'string', default: '1' },
        mutant: { type: 'string' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function wholeNumber(text: string, name: string, least: number, most: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(`${name} must be a whole number from ${least} to ${most}, not ${JSON.stringify(text)}`);
}
