/** `npm run fault`: seeds in turn, until one breaks an invariant. */
import { type CommandLine, HELP, parseCommandLine, UsageError } from './command-line.ts';
import { MUTANTS } from './mutants.ts';
import { run, type RunOutcome } from './run.ts';

const PROGRESS_EVERY_MS = 200;
/** Of a schedule, so many of its last sentences: what came long before is seldom the reason. */
const SHOWN_SENTENCES = 400;

interface Report {
  readonly seeds: number;
  readonly steps: number;
  readonly firstSeed: number;
  readonly mutant: string | undefined;
  readonly events: number;
  readonly served: number;
  readonly refused: number;
  readonly seconds: number;
  readonly failure:
    | {
        readonly seed: number;
        readonly step: number;
        readonly invariant: string;
        readonly what: string;
        readonly replay: string;
        readonly schedule: readonly string[];
      }
    | undefined;
}

async function main(): Promise<number> {
  const options = parseCommandLine(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  let stopped: NodeJS.Signals | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => (stopped = signal));
  const report = await runAll(options, () => stopped !== undefined);
  process.stdout.write(options.json ? `${JSON.stringify(report, undefined, 2)}\n` : render(report, stopped));
  if (stopped !== undefined) return stopped === 'SIGINT' ? 130 : 143;
  return report.failure === undefined ? 0 : 1;
}

async function runAll(options: CommandLine, isStopped: () => boolean): Promise<Report> {
  const { firstSeed, steps, mutant } = options;
  const mutation = mutant === undefined ? undefined : MUTANTS[mutant];
  const from = performance.now();
  const sum = { events: 0, served: 0, refused: 0 };
  let [done, saidAt] = [0, 0];
  let failed: RunOutcome | undefined;
  // Stacks of refusals that are expected cost more than the refusals; the replay has them.
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  while (done < options.seeds && failed === undefined && !isStopped()) {
    const outcome = await run({ seed: firstSeed + done, steps, mutation });
    done += 1;
    for (const key of ['events', 'served', 'refused'] as const) sum[key] += outcome[key];
    if (outcome.violation !== undefined) failed = outcome;
    if (performance.now() - saidAt > PROGRESS_EVERY_MS) {
      saidAt = performance.now();
      progress(`${done} of ${options.seeds} seeds`);
    }
  }
  Error.stackTraceLimit = stackTraceLimit;
  progress('');
  const seconds = Math.round((performance.now() - from) / 100) / 10;
  const failure = failed && (await describe(failed, options));
  return { seeds: done, steps, firstSeed, mutant, ...sum, seconds, failure };
}

/** The same run once more, this time written down. */
async function describe({ seed, steps: step }: RunOutcome, { steps, mutant }: CommandLine): Promise<Report['failure']> {
  const schedule: string[] = [];
  const mutation = mutant === undefined ? undefined : MUTANTS[mutant];
  const { violation } = await run({ seed, steps, mutation, trace: (sentence) => schedule.push(sentence) });
  const planted = mutant === undefined ? '' : ` --mutant ${mutant}`;
  const replay = `npm run fault -- --seeds 1 --steps ${steps} --first-seed ${seed}${planted}`;
  const { invariant, what } = violation ?? {
    invariant: 'repeatable',
    what: 'the same seed broke an invariant once and not when it was repeated',
  };
  return { seed, step, invariant, what, replay, schedule };
}

function render({ failure, ...report }: Report, stopped: NodeJS.Signals | undefined): string {
  const { seeds, steps, firstSeed, events, served, refused, seconds } = report;
  const did = `${seeds} ${seeds === 1 ? 'seed' : 'seeds'} from ${firstSeed} of ${steps} steps in ${seconds} s (${events} events, ${served} pods served, ${refused} refused)`;
  const until = stopped === undefined ? '' : ` until ${stopped}`;
  if (failure === undefined) return `fault: every invariant held${until}: ${did}\n`;
  const { seed, step, invariant, what, replay, schedule } = failure;
  const left = schedule.length - SHOWN_SENTENCES;
  return [
    ...(left > 0 ? [`... ${left} sentences before; --json has them all`] : []),
    ...schedule.slice(-SHOWN_SENTENCES),
    '',
    `seed ${seed} broke the invariant ${invariant} at step ${step}: ${what}`,
    `again: ${replay}`,
    `fault: FAILED, invariant ${invariant}, seed ${seed}: ${did}`,
    '',
  ].join('\n');
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

// Not exit(): what was printed may still be on its way into a pipe.
main().then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    const asked = error instanceof UsageError;
    process.stderr.write(asked ? `${error.message}\n` : `${String((error as Error).stack)}\n`);
    process.exitCode = asked ? 2 : 1;
  },
);
