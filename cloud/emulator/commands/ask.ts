/** What is asked of a cloud that runs in another process, over its control interface. */
import type { AskCommand, Asked } from '../command-line.ts';
import type { Call, Change, CloudState } from '../api/contract.ts';
import { CONTROL_PREFIX } from '../control.ts';
import { callTable, changeLine, faultTable, stateTables } from './tables.ts';
import { pause } from '../pause.ts';

/** The cloud does not answer, or refuses; the message says so in a sentence. */
export class AskError extends Error {}

const ANSWERS_WITHIN_MS = 10_000;
const GONE_WITHIN_MS = 60_000;

/** Prints the answer. Throws `AskError`. */
export async function ask({ endpoint, json, what }: AskCommand, signal: AbortSignal): Promise<void> {
  const call = (path: string, method = 'GET', body?: unknown): Promise<unknown> =>
    request(endpoint, path, method, body, signal);
  if (what.kind === 'changes') return showChanges(call, what, { json, signal });
  const answer = await answerTo(call, what);
  if (what.kind === 'down') await untilGone(endpoint, signal);
  process.stdout.write(json ? `${JSON.stringify(answer, undefined, 2)}\n` : readable(what, answer));
}

type Request = (path: string, method?: string, body?: unknown) => Promise<unknown>;

function answerTo(call: Request, what: Exclude<Asked, { kind: 'changes' }>): Promise<unknown> {
  switch (what.kind) {
    case 'state':
      return call('state');
    case 'calls':
      return call('calls');
    case 'faults':
      return call('faults');
    case 'clear-faults':
      return call('faults', 'DELETE');
    case 'arm':
      return call('faults', 'POST', what.fault);
    case 'set':
      return call('switches', 'PUT', what.switches);
    case 'down':
      return call('down', 'POST');
  }
}

function readable(what: Exclude<Asked, { kind: 'changes' }>, answer: unknown): string {
  switch (what.kind) {
    case 'state':
      return stateTables(answer as CloudState & { readonly names: Readonly<Record<string, Record<string, string>>> });
    case 'calls':
      return callTable((answer as { readonly calls: readonly Call[] }).calls);
    case 'faults':
    case 'clear-faults':
    case 'arm':
      return faultTable((answer as { readonly faults: readonly Readonly<Record<string, unknown>>[] }).faults);
    case 'set':
      return `${JSON.stringify(answer)}\n`;
    case 'down':
      return 'The cloud is gone.\n';
  }
}

async function showChanges(
  call: Request,
  what: Extract<Asked, { kind: 'changes' }>,
  { json, signal }: { readonly json: boolean; readonly signal: AbortSignal },
): Promise<void> {
  let after = what.after;
  for (;;) {
    const answer = (await call(`changes?after=${after}`)) as { readonly changes: readonly Change[] };
    if (!what.follow && json) process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
    else
      for (const change of answer.changes) {
        process.stdout.write(json ? `${JSON.stringify(change)}\n` : `${changeLine(change)}\n`);
      }
    after = answer.changes.at(-1)?.number ?? after;
    if (!what.follow || !(await pause(500, signal))) return;
  }
}

async function request(
  endpoint: string,
  path: string,
  method: string,
  body: unknown,
  signal: AbortSignal,
): Promise<unknown> {
  const url = `${endpoint}${CONTROL_PREFIX}${path}`;
  let answer: Response;
  try {
    answer = await fetch(url, {
      method,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWERS_WITHIN_MS)]),
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch (error) {
    signal.throwIfAborted();
    throw new AskError(
      `no cloud answers at ${endpoint} (${reasonOf(error)}): start one with wellspring-cloud up, or name it with --endpoint`,
    );
  }
  const text = await answer.text();
  const value: unknown = isJson(answer) ? JSON.parse(text) : undefined;
  if (answer.ok && value !== undefined) return value;
  const said = typeof value === 'object' && value !== null && 'error' in value ? String(value.error) : undefined;
  throw new AskError(said ?? `what answers at ${endpoint} is no wellspring-cloud (status ${answer.status})`);
}

function isJson(answer: Response): boolean {
  return answer.headers.get('content-type')?.startsWith('application/json') === true;
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}

/** Its listener is the last thing that a cloud closes. */
async function untilGone(endpoint: string, signal: AbortSignal): Promise<void> {
  const giveUp = performance.now() + GONE_WITHIN_MS;
  while (performance.now() < giveUp) {
    const answers = await fetch(`${endpoint}${CONTROL_PREFIX}health`, {
      signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
    }).then(
      () => true,
      () => false,
    );
    if (!answers) return;
    if (!(await pause(50, signal))) signal.throwIfAborted();
  }
  throw new AskError(`the cloud at ${endpoint} still answers after ${GONE_WITHIN_MS / 1000} s`);
}
