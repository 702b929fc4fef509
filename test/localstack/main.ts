/**
 * `npm run test:localstack`: the CloudProvider suite and a whole node, on an EC2 that others wrote. What LocalStack is
 * known to lack is in expected-gaps.data.ts. Ends with the same closing line as every lane.
 */
import { EC2Client } from '@aws-sdk/client-ec2';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCloud } from '#cloud/emulator/cloud.ts';
import { type CommandLine, HELP, parseCommandLine } from './command-line.ts';
import { removeRun } from './ec2-place.ts';
import { EXPECTED_GAPS } from './expected-gaps.data.ts';
import { findPython, provideLocalStack, seconds } from './install.ts';
import { closingLine, type ExpectedGaps, judge, report, type Verdict } from './judge.ts';
import { laneEnvironment } from './lane.ts';
import { outcomesOf } from './outcomes.ts';
import { removeNamespaces } from './remains.ts';
import { ec2Of, startLocalStack, stop } from './server.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const ALL_WITHIN_MS = 30 * 60_000;
const NO_RESULTS = '{"testResults":[]}';
const LOCALSTACK_CLIENT = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_REGION: 'us-east-1',
} as const;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

interface Lane extends AsyncDisposable {
  /** For the tests' processes. */
  readonly environment: Readonly<Record<string, string>>;
  /** Undefined where EC2 itself is asked. */
  readonly localStack: string | undefined;
}

/** One EC2 that the suite is run against. */
interface SubjectOfLane {
  readonly name: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The LocalStack behind the emulator, where that is the subject. */
  readonly behind: string | undefined;
  readonly gaps: ExpectedGaps;
}

/** The EC2 to test against, or why there is none. */
async function provide(line: CommandLine, signal: AbortSignal): Promise<Lane | string> {
  const leaveRunning = { [Symbol.asyncDispose]: () => Promise.resolve() };
  if (line.realSubnet !== undefined) return { environment: {}, localStack: undefined, ...leaveRunning };
  const given = process.env['AWS_ENDPOINT_URL_EC2'];
  if (given !== undefined && given !== '') {
    if ((await ec2Of(given)) === undefined) {
      throw new Error(`AWS_ENDPOINT_URL_EC2 is ${given}, and no LocalStack answers there; see --real for EC2 itself`);
    }
    return { environment: LOCALSTACK_CLIENT, localStack: given, ...leaveRunning };
  }
  const python = await findPython(signal);
  if (python === undefined) return 'needs Python 3.11 or newer with venv (python3-venv)';
  const { python: interpreter, version } = await provideLocalStack(python, say, signal);
  const began = performance.now();
  const server = await startLocalStack(interpreter, signal);
  say(`LocalStack ${version} on Python 3.${String(python.minor)} serves EC2 after ${seconds(began)}`);
  return {
    environment: LOCALSTACK_CLIENT,
    localStack: server.endpoint,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

function startJest(line: CommandLine, run: string, directory: string, subject: SubjectOfLane): ChildProcess {
  const jest = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'];
  const results = ['--json', '--outputFile', join(directory, 'results.json'), '--passWithNoTests'];
  const options = ['--config', 'test/localstack/jest.config.mjs', '--runInBand', ...results];
  const only = line.realSubnet === undefined ? line.paths : ['suite/conformance', 'suite/wire'];
  const log = openSync(join(directory, 'jest.log'), 'a');
  const lane = laneEnvironment({
    run,
    realSubnet: line.realSubnet,
    settleMs: line.settleMs,
    behind: subject.behind,
  });
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', process.execPath, ...jest, ...options, ...only], {
    cwd: ROOT,
    env: { ...process.env, ...subject.environment, ...lane, TMPDIR: directory },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  return child;
}

async function test(line: CommandLine, lane: Lane, signal: AbortSignal): Promise<number> {
  const { environment, localStack } = lane;
  if (localStack === undefined) {
    const real = { name: 'EC2 itself', environment, behind: undefined, gaps: {} };
    return finish([await testSubject(line, real, signal)]);
  }
  const direct = { ...environment, AWS_ENDPOINT_URL_EC2: localStack };
  const alone = { name: 'LocalStack', environment: direct, behind: undefined, gaps: EXPECTED_GAPS };
  const verdicts = [await testSubject(line, alone, signal)];
  await using cloud = await startCloud({ behind: new URL(localStack), region: LOCALSTACK_CLIENT.AWS_REGION });
  const through = { ...environment, AWS_ENDPOINT_URL_EC2: cloud.endpoint };
  const front = { name: 'the emulator in front of LocalStack', environment: through, behind: localStack, gaps: {} };
  verdicts.push(await testSubject(line, front, signal));
  return finish(verdicts);
}

function finish(verdicts: readonly Verdict[]): number {
  process.stdout.write(`${closingLine(verdicts)}\n`);
  const ran = verdicts.some(({ passed, failed, expected }) => passed + failed.length + expected.length > 0);
  return ran && verdicts.every(({ failed }) => failed.length === 0) ? 0 : 1;
}

async function testSubject(line: CommandLine, subject: SubjectOfLane, signal: AbortSignal): Promise<Verdict> {
  const run = `${String(process.pid)}-${String(Date.now())}`;
  const directory = await mkdtemp(join(tmpdir(), 'wellspring-lane-'));
  const began = performance.now();
  try {
    const jest = startJest(line, run, directory, subject);
    const onAbort = (): void => void stop(jest);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    await once(jest, 'exit');
    if (signal.aborted) await removeNamespaces(jest.pid ?? 0);
    if (line.realSubnet !== undefined) await removeLeftovers(run);
    signal.throwIfAborted();
    const outcomes = outcomesOf(await readFile(join(directory, 'results.json'), 'utf8').catch(() => NO_RESULTS));
    if (outcomes.length === 0)
      say(`${subject.name}: no test was run; Jest says:\n${await readFile(join(directory, 'jest.log'), 'utf8')}`);
    const partial = line.paths.length > 0 && line.realSubnet === undefined;
    const names = new Set(outcomes.map(({ check }) => check));
    const gaps = Object.entries(subject.gaps).filter(([name]) => !partial || names.has(name));
    const verdict = judge(outcomes, Object.fromEntries(gaps));
    process.stdout.write(report(`${subject.name} (${seconds(began)})`, verdict));
    return verdict;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Also after tests that were ended in the middle: what costs money must not stay. */
async function removeLeftovers(run: string): Promise<void> {
  const client = new EC2Client({ maxAttempts: 10 });
  try {
    const removed = await removeRun(client, run);
    if (removed > 0) say(`removed ${String(removed)} VPCs that the tests had left`);
  } finally {
    client.destroy();
  }
}

async function main(): Promise<number> {
  const line = parseCommandLine(process.argv.slice(2));
  if (line.kind !== 'run') {
    (line.kind === 'help' ? process.stdout : process.stderr).write(line.kind === 'help' ? HELP : `${line.why}\n`);
    return line.kind === 'help' ? 0 : 2;
  }
  const interrupted = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => interrupted.abort(new Error(`ended by ${name}`)));
  }
  const signal = AbortSignal.any([interrupted.signal, AbortSignal.timeout(ALL_WITHIN_MS)]);
  try {
    const lane = await provide(line, signal);
    if (typeof lane === 'string') {
      process.stdout.write(`the LocalStack lane is skipped: it ${lane}\n0 passed, 0 failed, 1 skipped\n`);
      return 0;
    }
    await using open = lane;
    return await test(line, open, signal);
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    return interrupted.signal.aborted ? 130 : 1;
  }
}

process.exitCode = await main();
