import type { IncomingMessage, ServerResponse } from 'node:http';
import type { CallLog } from './call-log.ts';
import type { ChangeLog } from './change-log.ts';
import { ACTION_CLASSES } from './ec2/actions.data.ts';
import { parseFault } from './faults.ts';
import { parseSettings } from './settings.ts';
import type { Switches } from './switches.ts';

/** Everything below this path is ours; EC2 has nothing there. */
export const CONTROL_PREFIX = '/_wellspring/';

export interface ControlParts {
  readonly switches: Switches;
  readonly log: CallLog;
  readonly region: string;
  /** All that the region holds, as JSON can carry it. */
  readonly state: () => object;
  readonly changes: ChangeLog;
  /** Ends the cloud; undefined where it may not be ended so. */
  readonly onDown: (() => void) | undefined;
}

type Handler = (query: URLSearchParams, body: string) => unknown;

const ACTIONS: ReadonlySet<string> = new Set(Object.keys(ACTION_CLASSES));

/** The emulator's own JSON interface beside the EC2 face: health, state, call log, faults and switches. */
export class Control {
  readonly #routes: Readonly<Record<string, Readonly<Record<string, Handler>>>>;

  constructor(parts: ControlParts) {
    const { switches, log } = parts;
    this.#routes = {
      health: { GET: () => ({ status: 'ok', region: parts.region, calls: log.total }) },
      state: { GET: () => parts.state() },
      calls: {
        GET: (query) => listCalls(log, query),
        DELETE: () => (log.clear(), { total: 0 }),
      },
      changes: { GET: (query) => listChanges(parts.changes, query) },
      down: { POST: () => endCloud(parts.onDown) },
      faults: {
        GET: () => ({ faults: switches.faults.pending() }),
        POST: (_, body) => armFaults(switches, body),
        DELETE: () => (switches.faults.clear(), { faults: [] }),
      },
      switches: {
        GET: () => switches.settings,
        PUT: (_, body) => (switches.set(parseSettings(parseJson(body))), switches.settings),
      },
    };
  }

  /** Answers one request. `body` is undefined where it was too large to be read. */
  answer(request: IncomingMessage, body: string | undefined, response: ServerResponse): void {
    const url = new URL(`http://emulator${request.url ?? '/'}`);
    const route = url.pathname.slice(CONTROL_PREFIX.length);
    const methods = Object.hasOwn(this.#routes, route) ? this.#routes[route] : undefined;
    if (methods === undefined) {
      const known = Object.keys(this.#routes).map((name) => CONTROL_PREFIX + name);
      reply(response, 404, { error: `there is ${known.join(', ')}` });
      return;
    }
    const method = request.method ?? 'GET';
    const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (handler === undefined) {
      reply(response, 405, { error: `${url.pathname} takes ${Object.keys(methods).join(', ')}` });
    } else if (body === undefined) {
      reply(response, 413, { error: 'the request is too large' });
    } else {
      run(response, () => handler(url.searchParams, body));
    }
  }
}

/** What is wrong with the words of a request is the caller's to mend: 400 with the sentence. */
function run(response: ServerResponse, handler: () => unknown): void {
  try {
    reply(response, 200, handler());
  } catch (error) {
    reply(response, 400, { error: error instanceof Error ? error.message : String(error) });
  }
}

function reply(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function listCalls(log: CallLog, query: URLSearchParams): unknown {
  const { kind, action } = { kind: query.get('kind'), action: query.get('action') };
  const calls = log
    .records()
    .filter((call) => (kind === null || call.kind === kind) && (action === null || call.action === action));
  return { total: log.total, calls };
}

function listChanges(log: ChangeLog, query: URLSearchParams): unknown {
  const after = query.get('after');
  if (after !== null && !/^\d{1,15}$/.test(after))
    throw new Error(`after must be the number of a change, not ${after}`);
  return { total: log.total, changes: log.list(after === null ? 0 : Number(after)) };
}

function endCloud(onDown: (() => void) | undefined): unknown {
  if (onDown === undefined) throw new Error('this cloud belongs to a program, which alone ends it');
  // The answer goes first.
  setImmediate(onDown);
  return { down: true };
}

/** Takes one fault or a list; either all of them are armed or none. */
function armFaults(switches: Switches, body: string): unknown {
  const value = parseJson(body);
  const faults = (Array.isArray(value) ? value : [value]).map((fault: unknown) => parseFault(fault, ACTIONS));
  for (const fault of faults) switches.faults.arm(fault);
  return { faults: switches.faults.pending() };
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new Error('the body is not JSON');
  }
}
