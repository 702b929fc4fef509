/** `npm run bench`: figures of this machine. A figure is never a failure; what cannot be measured is. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { enterPrivateNetwork, type Isolation, isolationCommand } from '#cloud/emulator/fabric/isolate.ts';
import { provideCniBinary } from '#tools/build-cni.ts';
import { buildIpamd, RELEASE } from '#tools/build-ipamd.ts';
import { addPart } from './add.ts';
import { burstPart } from './burst.ts';
import { callsPart } from './calls.ts';
import { codecPart } from './codec.ts';
import { daemonPart } from './daemon.ts';
import { emulatorPart } from './emulator.ts';
import { journalPart } from './journal.ts';
import { kernelWorkPart } from './kernel-work.ts';
import { load, machine, versions } from './machine.ts';
import { packetsPart } from './packets.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { plannerPart } from './planner.ts';
import { parseReport, renderMarkdown, renderText, type Report } from './report.ts';
import { roughly, secondsLeft } from './time-left.ts';
import { trafficPart } from './traffic.ts';

/** With how long each takes on a machine with two processors and nothing else to do. */
const PARTS: Readonly<Record<string, Part & { readonly seconds: number }>> = {
  add: { ...addPart, seconds: 70 },
  'kernel-work': { ...kernelWorkPart, seconds: 30 },
  packets: { ...packetsPart, seconds: 75 },
  traffic: { ...trafficPart, seconds: 40 },
  burst: { ...burstPart, seconds: 55 },
  daemon: { ...daemonPart, seconds: 480 },
  calls: { ...callsPart, seconds: 70 },
  journal: { ...journalPart, seconds: 10 },
  planner: { ...plannerPart, seconds: 15 },
  codec: { ...codecPart, seconds: 5 },
  emulator: { ...emulatorPart, seconds: 40 },
};
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** As shells have it of a program that SIGINT ended. */
const INTERRUPTED = 130;
const SAME_SIGNAL_MS = 1000;
/** Set in the process that already runs in a network namespace of its own. */
const ISOLATED = 'WELLSPRING_BENCH_ISOLATED';
const ALL = Object.keys(PARTS);

const HELP = `npm run bench [-- --json | --markdown] [--only PART]
npm run bench -- --from FILE [--markdown]

Measures on this machine and prints percentiles; about ${roughly(secondsLeft({ done: [], rest: expected(ALL) }))} in all, at most 25 on a busy machine.

${Object.entries(PARTS)
  .map(([name, { about, seconds }]) => `  ${name.padEnd(11)} ${about} (${roughly(seconds)})`)
  .join('\n')}

  --only PART   this part alone; may be given more than once
  --json        one JSON document on standard output: machine, versions, results of {id, unit, n, p10, p50, p99} and reach of
                {id, want, got, ok}
  --markdown    tables as docs/benchmarks.md has them
  --from FILE   measures nothing and shows the document that --json printed into FILE

What belongs together is measured in turn, sample by sample: on a busy machine read the ratios and p10.
Ctrl-C ends it and takes away what it made.
`;

class UsageError extends Error {}

interface Options {
  readonly json: boolean;
  readonly markdown: boolean;
  readonly only: readonly string[];
  readonly from?: string | undefined;
  readonly help: boolean;
}

async function main(): Promise<number> {
  const { json, markdown, only, from, help } = options();
  if (help) {
    process.stdout.write(HELP);
    return 0;
  }
  const show = (report: Report): void => {
    const document = (): string => `${JSON.stringify(report, undefined, 2)}\n`;
    process.stdout.write(json ? document() : markdown ? renderMarkdown(report) : renderText(report));
  };
  if (from !== undefined) {
    show(await reportIn(from));
    return 0;
  }
  const isolation = process.env[ISOLATED];
  if (isolation === undefined) return isolate();
  enterPrivateNetwork({ kind: isolation as Isolation['kind'] });
  show(await measure(only));
  return 0;
}

function options(): Options {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        markdown: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: ALL },
        from: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  const unknown = values.only.filter((name) => !Object.hasOwn(PARTS, name));
  if (unknown.length > 0) throw new UsageError(`there is no part ${unknown.join(', ')}; there are: ${ALL.join(', ')}`);
  if (values.json && values.markdown) throw new UsageError('--json and --markdown are two forms of one thing');
  return values;
}

async function reportIn(file: string): Promise<Report> {
  try {
    return parseReport(await readFile(file, 'utf8'));
  } catch (error) {
    throw new UsageError(`--from ${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function expected(names: readonly string[]) {
  return names.map((name) => ({ name, seconds: PARTS[name]?.seconds ?? 0 }));
}

const stop = new AbortController();

/** The first signal ends what runs, and all that was made is taken away; who sends another later does not want to wait. */
function listenForSignals(): void {
  let firstAt = Infinity;
  for (const signal of SIGNALS)
    process.on(signal, () => {
      // Ctrl-C comes from the terminal and from every process above this one.
      if (performance.now() - firstAt > SAME_SIGNAL_MS) process.exit(INTERRUPTED);
      if (stop.signal.aborted) return;
      firstAt = performance.now();
      say('stopping; what was made is taken away first');
      stop.abort(new Error(`stopped by ${signal}`));
    });
}

async function measure(only: readonly string[]): Promise<Report> {
  listenForSignals();
  const cni = await provideCniBinary({ log: say });
  const about = machine();
  const workDirectory = await mkdtemp(join(tmpdir(), 'wellspring-bench-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(workDirectory, { recursive: true, force: true }));
  const release = await buildIpamd(join(workDirectory, 'release'));
  const daemon = [...RELEASE.flags, join(release.directory, 'ipamd.cjs')];
  const measured = await runParts(only, { cniBinary: cni.path, daemon, workDirectory, signal: stop.signal });
  return {
    machine: { ...about, loadAtEnd: load() },
    versions: versions(cni, release),
    results: measured.flatMap(({ figures }) => figures),
    reach: measured.flatMap(({ reach }) => reach),
  };
}

/** One after the other; what they say goes to standard error with the time that is left. */
async function runParts(only: readonly string[], options: Omit<PartOptions, 'say'>): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  const done: { name: string; seconds: number; took: number }[] = [];
  for (const [index, { name, seconds }] of expected(only).entries()) {
    options.signal.throwIfAborted();
    const part = PARTS[name];
    if (part === undefined) continue;
    const began = performance.now();
    const ran = (): number => (performance.now() - began) / 1000;
    const rest = expected(only.slice(index + 1));
    const sayWithTime = (text: string): void =>
      say(`${text} (${roughly(secondsLeft({ done, current: { name, seconds, ran: ran() }, rest }))} left)`);
    sayWithTime(`${index + 1} of ${only.length}, ${name}: ${part.about}`);
    measured.push(await part.run({ ...options, say: sayWithTime }));
    done.push({ name, seconds, took: ran() });
  }
  return measured;
}

/** Runs this program again in namespaces of its own; whatever it makes there goes when it ends. */
function isolate(): Promise<number> {
  const { command, args, kind, why } = isolationCommand();
  say(why);
  const child = spawn(command, [...args, process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [ISOLATED]: kind },
  });
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    // Whatever a part ran into after a signal, that is why.
    const cause: unknown = stop.signal.aborted ? stop.signal.reason : error;
    say(cause instanceof Error ? cause.message : String(cause));
    if (error instanceof UsageError) say(`\n${HELP}`);
    process.exit(stop.signal.aborted ? INTERRUPTED : error instanceof UsageError ? 2 : 1);
  },
);
