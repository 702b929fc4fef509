/** `npm run bench`: figures of this machine. A figure is never a failure; what cannot be measured is. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { enterPrivateNetwork, type Isolation, isolationCommand } from '#cloud/emulator/fabric/isolate.ts';
import { table } from '#ipamd/ctl/table.ts';
import { provideCniBinary } from '#tools/build-cni.ts';
import { buildIpamd, RELEASE } from '#tools/build-ipamd.ts';
import { addPart } from './add.ts';
import { burstPart } from './burst.ts';
import { callsPart } from './calls.ts';
import { daemonPart } from './daemon.ts';
import { emulatorPart } from './emulator.ts';
import type { Figure } from './figures.ts';

import { journalPart } from './journal.ts';
import { kernelWorkPart } from './kernel-work.ts';
import { machine, versions } from './machine.ts';
import { packetsPart } from './packets.ts';
import type { Part } from './part.ts';
import type { Reach } from './reach.ts';

const PARTS: Readonly<Record<string, Part>> = {
  add: addPart,
  daemon: daemonPart,
  burst: burstPart,
  calls: callsPart,
  journal: journalPart,
  packets: packetsPart,
  emulator: emulatorPart,
  'kernel-work': kernelWorkPart,
};
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** Set in the process that already runs in a network namespace of its own. */
const ISOLATED = 'WELLSPRING_BENCH_ISOLATED';

const HELP = `npm run bench [-- --json] [--only PART]

Measures on this machine and prints percentiles; about five minutes in all.

${Object.entries(PARTS)
  .map(([name, { about }]) => `  ${name.padEnd(11)} ${about}`)
  .join('\n')}

  --only PART   this part alone; may be given more than once
  --json        one JSON document on standard output: machine, versions, results of {id, unit, n, p10, p50, p99} and reach of
                {id, want, got, ok}

What belongs together is measured in turn, sample by sample: on a busy machine read the ratios and p10.
`;

class UsageError extends Error {}

async function main(): Promise<number> {
  const { json, only, help } = options();
  if (help) {
    process.stdout.write(HELP);
    return 0;
  }
  const isolation = process.env[ISOLATED];
  if (isolation === undefined) return isolate();
  enterPrivateNetwork({ kind: isolation as Isolation['kind'] });
  const report = await measure(only);
  process.stdout.write(json ? `${JSON.stringify(report, undefined, 2)}\n` : render(report));
  return 0;
}

function options(): { readonly json: boolean; readonly only: readonly string[]; readonly help: boolean } {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: Object.keys(PARTS) },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
  const unknown = values.only.filter((name) => !Object.hasOwn(PARTS, name));
  if (unknown.length > 0)
    throw new UsageError(`there is no part ${unknown.join(', ')}; there are: ${Object.keys(PARTS).join(', ')}`);
  return values;
}

interface Report {
  readonly machine: ReturnType<typeof machine>;
  readonly versions: ReturnType<typeof versions>;
  readonly results: readonly Figure[];
  readonly reach: readonly Reach[];
}

async function measure(only: readonly string[]): Promise<Report> {
  const stop = new AbortController();
  for (const signal of SIGNALS) process.on(signal, () => stop.abort(new Error(`stopped by ${signal}`)));
  const cni = await provideCniBinary({ log: say });
  const about = machine();
  const workDirectory = await mkdtemp(join(tmpdir(), 'wellspring-bench-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rm(workDirectory, { recursive: true, force: true }));
  const release = await buildIpamd(join(workDirectory, 'release'));
  const daemon = [...RELEASE.flags, join(release.directory, 'ipamd.cjs')];
  const results: Figure[] = [];
  const reach: Reach[] = [];
  for (const name of only) {
    const part = PARTS[name];
    say(`${name}: ${part?.about ?? ''}`);
    const measured = await part?.run({ cniBinary: cni.path, daemon, workDirectory, say, signal: stop.signal });
    results.push(...(measured?.figures ?? []));
    reach.push(...(measured?.reach ?? []));
  }
  return { machine: about, versions: versions(cni, release), results, reach };
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

function render({ machine: about, versions: ran, results, reach }: Report): string {
  const rows = table(
    [
      ['FIGURE', 'id'],
      ['UNIT', 'unit'],
      ['N', 'n'],
      ['P10', 'p10'],
      ['P50', 'p50'],
      ['P99', 'p99'],
    ],
    results.map((result) => ({ ...result })),
  );
  const { kind, bytes } = ran.cniBinary;
  const daemonBytes = ran.daemon.bytes;
  const reached = reach.map(({ id, want, got, ok }) => ({
    id,
    want: `<= ${want}`,
    got: got ?? 'not measured',
    ok: ok ? 'yes' : 'no',
  }));
  return [
    rows,
    table(
      [
        ['TO REACH', 'id'],
        ['WANT', 'want'],
        ['GOT', 'got'],
        ['REACHED', 'ok'],
      ],
      reached,
    ),
    `${about.processors} x ${about.model}, ${about.memoryMb} MB, Linux ${about.kernel}, load ${about.loadAtStart} at the start`,
    `Wellspring ${ran.wellspring}, Node ${ran.node}, CNI binary ${kind} of ${bytes} bytes, ipamd bundled to ${daemonBytes} bytes`,
    '',
  ].join('\n');
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    // What a signal ends reports that it was aborted; why is in the cause.
    const cause = error instanceof Error && error.name === 'AbortError' ? error.cause : error;
    say(cause instanceof Error ? cause.message : String(cause));
    if (error instanceof UsageError) say(`\n${HELP}`);
    process.exit(error instanceof UsageError ? 2 : 1);
  },
);
