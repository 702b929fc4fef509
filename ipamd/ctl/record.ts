/** `record`: writes a trace for `simulate` from what this node's ipamd says of its pods, look by look. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { PodRow } from '../observe/explain-rows.ts';
import { ask } from './ask.ts';
import { Failure, usage } from './failure.ts';
import { lookedAt, type Recording, remaining, seconds } from './recording.ts';
import { misunderstood } from './simulate/options.ts';
import type { WorkContext, Worked } from './work.ts';

export interface RecordAnswer {
  readonly file: string;
  readonly seconds: number;
  /** Lines of the trace, and those of them whose pods still run. */
  readonly pods: number;
  readonly running: number;
  readonly looks: number;
  /** Looks that ipamd did not answer: while it is away nothing is known, and nothing is written. */
  readonly missed: number;
}

interface Options {
  readonly out: string;
  readonly durationMs: number;
  readonly intervalMs: number;
  readonly node: number;
}

/** Runs until its time is over, SIGINT or SIGTERM: the file is whole after each. Throws Failure. */
export async function record(argv: readonly string[], context: WorkContext): Promise<Worked> {
  const options = optionsOf(argv);
  const ended = new AbortController();
  const end = (): void => ended.abort();
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  try {
    const answer = await recordUntil(ended.signal, options, context);
    return { answer, show: () => sentence(answer), exitCode: 0 };
  } finally {
    process.off('SIGINT', end);
    process.off('SIGTERM', end);
  }
}

async function recordUntil(signal: AbortSignal, options: Options, { socket, now }: WorkContext): Promise<RecordAnswer> {
  const { out, durationMs, intervalMs, node } = options;
  const beganAt = now();
  let recording: Recording = new Map();
  let [pods, looks, missed] = [0, 0, 0];
  const elapsed = (): number => now() - beganAt;
  const look = async (): Promise<void> => {
    const rows = (await ask(socket, '/v1/pods')) as readonly PodRow[];
    const seen = lookedAt(recording, rows, seconds(elapsed() / 1000), beganAt, node);
    recording = seen.recording;
    if (seen.lines.length > 0) append(out, seen.lines);
    pods += seen.lines.length;
    looks += 1;
  };
  // Whoever does not answer at first is no node to record.
  await look();
  create(out);
  while (!signal.aborted && elapsed() < durationMs) {
    // Ends early, and quietly, at a signal.
    await sleep(Math.min(intervalMs, durationMs - elapsed()), undefined, { signal }).catch(() => undefined);
    await look().catch((error: unknown) => {
      if (!(error instanceof Failure) || error.answer !== undefined) throw error;
      missed += 1;
    });
  }
  const last = remaining(recording, node);
  if (last.length > 0) append(out, last);
  return {
    file: out,
    seconds: seconds(elapsed() / 1000),
    pods: pods + last.length,
    running: last.length,
    looks,
    missed,
  };
}

function create(path: string): void {
  written(path, () => writeFileSync(path, ''));
}

function append(path: string, lines: readonly string[]): void {
  written(path, () => appendFileSync(path, lines.join('')));
}

function written(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    const why = `${(error as Error).message}.`;
    throw new Failure(1, { what: `${path} cannot be written`, why, fix: 'Name another file with --out FILE.' });
  }
}

function sentence({ file, seconds: time, pods, running, missed }: RecordAnswer): string {
  const away =
    missed === 0 ? '' : `ipamd did not answer ${missed} of the looks; what came and went meanwhile is missing.\n`;
  const next =
    pods === 0
      ? 'No pod ran, so that there is nothing to simulate.\n'
      : `wellspringctl simulate --cluster CLUSTER --workload ${file}\n`;
  return `${pods} ${pods === 1 ? 'pod' : 'pods'} in ${time} s, ${running} of them still there: ${file}\n${away}${next}`;
}

function optionsOf(argv: readonly string[]): Options {
  const values = parsed(argv);
  const out = values.out ?? 'pods.jsonl';
  if (out === '' || out.endsWith('.json'))
    throw usage(
      `--out ${JSON.stringify(out)} is not for a trace`,
      '`simulate` takes .json for a list of generators.',
      'Name it pods.jsonl.',
    );
  const node = Number(values.node ?? '0');
  if (!Number.isSafeInteger(node) || node < 0 || values.node === '')
    throw usage(`--node ${JSON.stringify(values.node)} is not a node`, 'nodes of a simulated cluster count from 0.');
  return {
    out,
    node,
    durationMs: values.duration === undefined ? Infinity : spanOf('--duration', values.duration),
    intervalMs: spanOf('--interval', values.interval ?? '1s'),
  };
}

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, '': 1000 } as const;
const LONGEST_MS = 31 * 24 * 3_600_000;

/** `90`, `90s`, `15m`, `24h`, `500ms`. */
function spanOf(option: string, text: string): number {
  const [, value, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text) ?? [];
  const ms = value === undefined ? 0 : Number(value) * UNITS[unit as keyof typeof UNITS];
  if (ms >= 10 && ms <= LONGEST_MS) return ms;
  throw usage(
    `${option} ${JSON.stringify(text)} is not a time`,
    'it is a number with ms, s, m or h, up to 744h.',
    `For example: ${option} 15m`,
  );
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        out: { type: 'string' },
        duration: { type: 'string' },
        interval: { type: 'string' },
        node: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw misunderstood(error, 'record');
  }
}
