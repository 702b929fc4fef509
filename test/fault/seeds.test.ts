/** Two thousand schedules in every run of the tests, by two processes: the machine has more than one core. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { run } from './run.ts';

const SEEDS = 2000;
const STEPS = 30;
const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));

interface Report {
  readonly seeds: number;
  readonly served: number;
  readonly failure: { readonly invariant: string; readonly what: string; readonly replay: string } | undefined;
}

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `npm run fault` without npm. */
async function fault(...args: readonly string[]): Promise<Ended> {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--no-warnings', MAIN, ...args], {
      maxBuffer: 2 ** 28,
    });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as Ended;
    return { code, stdout, stderr };
  }
}

async function seedsFrom(first: number, seeds: number): Promise<Report> {
  const { stdout, stderr } = await fault('--json', `--seeds=${seeds}`, `--steps=${STEPS}`, `--first-seed=${first}`);
  if (stderr !== '') throw new Error(stderr);
  return JSON.parse(stdout) as Report;
}

describe('the fault test', () => {
  it(`finds every invariant held over ${SEEDS} seeds of ${STEPS} steps`, async () => {
    const half = SEEDS / 2;
    const reports = await Promise.all([seedsFrom(1, half), seedsFrom(1 + half, half)]);
    expect(reports.map(({ failure }) => failure && [failure.invariant, failure.what, failure.replay])).toEqual([
      undefined,
      undefined,
    ]);
    expect(reports.map(({ seeds }) => seeds)).toEqual([half, half]);
    expect(reports.every(({ served }) => served > half)).toBe(true);
  });

  it.each([
    // A new interface that could not be written down was detached while a pod held an address of it.
    [102269, 40],
    // A Describe that still listed a deleted interface took back the /80 prefix that another had been given since.
    [106710, 40],
    // The same the other way round: a new interface lost the /80 that a deleted one had had.
    [109618, 40],
    // Leftovers were settled one after the other, the last by what had been said of it a minute before.
    [117061, 40],
    // A Describe that still listed a deleted interface took an address of a new one.
    [122580, 40],
    // The first Describe waited so long for the subnets that addresses given back meanwhile were taken in again.
    [3669, 40],
    // A full disk kept a release from being written, but not from being made: an assign of before brought the addresses back after a crash.
    [80045, 50],
  ])('holds on seed %i, which once broke an invariant', async (seed, steps) => {
    expect((await run({ seed, steps })).violation).toBeUndefined();
  });

  it('runs the same again for the same seed, and otherwise for another', async () => {
    const sentences = async (seed: number) => {
      const said: string[] = [];
      await run({ seed, steps: 20, trace: (sentence) => said.push(sentence) });
      return said.join('\n');
    };
    const first = await sentences(5);
    expect(await sentences(5)).toBe(first);
    expect(await sentences(6)).not.toBe(first);
  });

  it('prints the schedule, the invariant and the command that repeats a failure', async () => {
    const planted = ['--seeds', '50', '--steps', '30', '--mutant', 'drop-cool-down'];
    const { code, stdout } = await fault(...planted);
    expect(code).toBe(1);
    const again = /^again: npm run fault -- (.*)$/m.exec(stdout)?.[1]?.split(' ') ?? [];
    expect(again).toEqual(expect.arrayContaining(['--first-seed', '--mutant']));
    expect(stdout).toMatch(/^ +\d+\.\d{3} {2}--- add/m);
    expect(stdout.trimEnd().split('\n').at(-1)).toMatch(/^fault: FAILED, invariant cool-down, seed \d+: /);
    const repeated = await fault(...again);
    expect(repeated.code).toBe(1);
    const broke = (text: string) => /^seed \d+ broke the invariant .*$/m.exec(text)?.[0];
    expect(broke(repeated.stdout)).toBe(broke(stdout));
  });

  it.each([
    [['--seeds', 'many'], '--seeds must be a whole number'],
    [['--mutant', 'none'], 'there is no mutant none; there are: drop-cool-down,'],
    [['--seed'], '--seed'],
  ])('refuses %j and says what is allowed', async (args, sentence) => {
    const { code, stdout, stderr } = await fault(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(sentence);
  });
});
