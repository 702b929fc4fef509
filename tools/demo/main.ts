/** `npm run demo`: the main job on the embedded cloud, proved by packets. */
import { spawn } from 'node:child_process';
import { parseArgs } from 'node:util';
import { enterPrivateNetwork, type Isolation, isolationCommand } from '#cloud/emulator/fabric/isolate.ts';
import { provideCniBinary } from '#tools/build-cni.ts';
import { render, say } from './report.ts';
import { runDemo } from './run.ts';

const HELP = `npm run demo [-- --json] [--keep]

Starts a VPC with two subnets and two m5.large nodes in network namespaces, runs ipamd on both, attaches 40 pods through
the CNI binary, and proves by packets what is claimed.

  --json   one JSON document on standard output: checks, pods, timings, ec2Calls
  --keep   leave it running afterwards and say how to look around; Ctrl-C ends it
`;
/** Set in the process that already runs in a network namespace of its own. */
const ISOLATED = 'WELLSPRING_DEMO_ISOLATED';

/** Whether somebody ended it: the shell's status for that is 130. */
let interrupted = false;

/** Calls back when the process that started this one is gone: nobody would read the result. */
function whenOrphaned(then: () => void): void {
  const parent = process.ppid;
  setInterval(() => process.ppid === parent || then(), 500).unref();
}

function parse(): { readonly json?: boolean; readonly keep?: boolean; readonly help?: boolean } | undefined {
  try {
    const options = {
      json: { type: 'boolean' },
      keep: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    } as const;
    return parseArgs({ options }).values;
  } catch (error) {
    say(`${(error as Error).message}\n\n${HELP}`);
    return undefined;
  }
}

async function main(): Promise<number> {
  const values = parse();
  if (values === undefined) return 2;
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const keep = values.keep ?? false;
  const isolation = process.env[ISOLATED];
  if (isolation === undefined) return isolate(keep);

  enterPrivateNetwork({ kind: isolation as Isolation['kind'], keep });
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      interrupted = true;
      stop.abort(new Error(`stopped by ${signal}`));
    });
  whenOrphaned(() => stop.abort(new Error('stopped: the process that started it is gone')));
  const cni = await provideCniBinary({ log: say });
  const report = await runDemo({
    cni,
    keep,
    isolation,
    signal: stop.signal,
    announce: (text) => (values.json === true ? say(text) : process.stdout.write(`${text}\n`)),
    finished: (finished) =>
      process.stdout.write(values.json === true ? `${JSON.stringify(finished, undefined, 2)}\n` : render(finished)),
  });
  return report.ok ? 0 : 1;
}

/** Runs this program again in namespaces of its own; whatever it makes there goes when it ends. */
async function isolate(keep: boolean): Promise<number> {
  const { command, args, kind, why } = isolationCommand({ keep });
  say(why);
  const child = spawn(command, [...args, process.execPath, ...process.execArgv, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, [ISOLATED]: kind },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  whenOrphaned(() => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code ?? 1));
  });
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    say(error instanceof Error ? error.message : String(error));
    process.exit(interrupted ? 130 : 1);
  },
);
