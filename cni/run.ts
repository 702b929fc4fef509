/**
 * The CNI program: one call of the container runtime, from environment and standard input to standard output and exit
 * status. It checks, forwards to the daemon, and prints what the daemon says; it decides nothing about networking.
 * Pure: it returns the steps that its host performs.
 */
import { FORWARDED_ENVIRONMENT, parseResponse } from './protocol/envelope.ts';
import { ProtocolError } from './protocol/errors.ts';
import {
  DEFAULT_SOCKET_PATH,
  DEFAULT_SPOOL_DIRECTORY,
  MAX_FRAME_BYTES,
  PROTOCOL_VERSION,
} from './protocol/messages.ts';
import type { Method, RequestEnvelope, ResponseEnvelope } from './protocol/messages.ts';
import { spoolFileName } from './protocol/spool.ts';
import { parseCall } from './spec/command.ts';
import type { CniCall } from './spec/command.ts';
import { MAX_STDIN_BYTES, configVersion, decodeConfig, parseClientKeys, parseNames } from './spec/config.ts';
import { CniError } from './spec/errors.ts';
import { Fields } from './spec/fields.ts';
import {
  NEWEST_CNI_VERSION,
  isSupportedVersion,
  negotiateVersion,
  requireCommandInVersion,
  versionResult,
} from './spec/version.ts';
import type { CallInput, ExchangeOutcome, Exit, StdinOutcome, Step } from './step.ts';
import { unreachable } from './unreachable.ts';

type ForwardedCall = Exclude<CniCall, { readonly command: 'VERSION' }> | { readonly command: 'GC' | 'STATUS' };

const METHOD: Readonly<Record<ForwardedCall['command'], Method>> = {
  ADD: 'Add',
  DEL: 'Del',
  CHECK: 'Check',
  GC: 'Gc',
  STATUS: 'Status',
};

/** An ADD may wait for the cloud to attach an interface; the rest is local work. */
const DEFAULT_DEADLINE_MS = { ADD: 30_000, DEL: 10_000, CHECK: 10_000, GC: 10_000, STATUS: 10_000 };
/** The daemon is given this long to say itself that its deadline has passed. */
const GRACE_MS = 2000;
/**
 * A STATUS that fails makes the node NotReady and takes its healthy pods out of Services, so a daemon that is being replaced
 * is waited for this long; its start takes a second or two.
 */
const STATUS_PATIENCE_MS = 5000;
const STATUS_PACE_MS = 250;

/** The first step of a call. Never throws: what is wrong becomes an `exit` step with an error document. */
export function run(input: CallInput): Step {
  let version: string = NEWEST_CNI_VERSION;
  try {
    const call = parseCall(input.env);
    if (call.command === 'VERSION') return print(versionResult(askedVersion(input.stdin)));
    const config = decodeConfig(readText(input.stdin));
    const asked = configVersion(config);
    if (isSupportedVersion(asked)) version = asked;
    requireCommandInVersion(call.command, negotiateVersion(asked));
    return forward(input, { call, version }, new Fields(config, ''));
  } catch (error) {
    return fail(error, version);
  }
}

/** A call on its way to the daemon. `version` is the one to print. */
interface Forwarded {
  readonly call: ForwardedCall;
  readonly version: string;
}

function forward(input: CallInput, forwarded: Forwarded, fields: Fields): Step {
  parseNames(fields);
  const keys = parseClientKeys(fields);
  const deadlineMs = keys.deadlineMs ?? DEFAULT_DEADLINE_MS[forwarded.call.command];
  const socketPath = keys.socketPath ?? DEFAULT_SOCKET_PATH;
  const request: RequestEnvelope = {
    version: PROTOCOL_VERSION,
    method: METHOD[forwarded.call.command],
    id: input.id,
    deadlineMs,
    params: { env: input.env, stdin: readText(input.stdin) },
  };
  const text = JSON.stringify(request);
  if (text.length * 3 > MAX_FRAME_BYTES && utf8Length(text) > MAX_FRAME_BYTES) {
    throw new CniError(
      'invalid-config',
      `environment and network configuration together exceed ${MAX_FRAME_BYTES} bytes`,
    );
  }
  const spoolDirectory = keys.spoolDirectory ?? DEFAULT_SPOOL_DIRECTORY;
  const patienceMs = forwarded.call.command === 'STATUS' ? Math.min(STATUS_PATIENCE_MS, deadlineMs) : 0;
  const ask = (waitedMs: number): Step => ({
    kind: 'exchange',
    socketPath,
    text,
    timeoutMs: deadlineMs + GRACE_MS,
    next: (outcome) => next(outcome, waitedMs),
  });
  const next = (outcome: ExchangeOutcome, waitedMs: number): Step => {
    try {
      return conclude(forwarded, understand(outcome, request.id));
    } catch (error) {
      if (!(error instanceof ProtocolError)) return fail(error, forwarded.version);
      if (error.code === 'unreachable' && error.message.startsWith('connect: ') && waitedMs < patienceMs)
        return { kind: 'wait', ms: STATUS_PACE_MS, next: () => ask(waitedMs + STATUS_PACE_MS) };
      const failure = unreachable(forwarded.call.command, socketPath, error);
      return spool(forwarded, text, spoolDirectory, failure) ?? fail(failure, forwarded.version);
    }
  };
  return ask(0);
}

/** @throws ProtocolError */
function understand(outcome: ExchangeOutcome, id: string): ResponseEnvelope {
  if (outcome.kind === 'failed') throw new ProtocolError(outcome.code, outcome.reason);
  let value: unknown;
  try {
    value = JSON.parse(outcome.text);
  } catch (cause) {
    throw new ProtocolError('malformed', 'the answer is not JSON', { cause });
  }
  return parseResponse(value, id);
}

/** Only ADD has a result to print; the specification wants silence from the others. @throws ProtocolError */
function conclude(forwarded: Forwarded, response: ResponseEnvelope): Step {
  if ('error' in response) return exitWith({ cniVersion: forwarded.version, ...response.error }, 1);
  if (forwarded.call.command !== 'ADD') return { kind: 'exit', exitCode: 0, stdout: '' };
  const { result } = response;
  if (typeof result !== 'object' || result === null || Array.isArray(result)) {
    throw new ProtocolError('malformed', 'the answer to Add is not a result object');
  }
  return print(result);
}

/** A deletion that nobody heard is written down and counts as done: the daemon makes up for it. */
function spool({ call, version }: Forwarded, text: string, directory: string, failure: CniError): Step | undefined {
  if (call.command !== 'DEL') return undefined;
  const name = spoolFileName(call.containerId, call.ifName);
  return {
    kind: 'spool',
    directory,
    name,
    text,
    next: (outcome) => {
      if (outcome.kind === 'written') return { kind: 'exit', exitCode: 0, stdout: '' };
      const msg = `${failure.msg}; and the deletion could not be kept in ${directory}/${name}: ${outcome.reason}`;
      return fail(
        new CniError('io-failure', msg, 'the runtime calls DEL again, so nothing is lost as long as it does'),
        version,
      );
    },
  };
}

/** @throws CniError */
function readText(stdin: StdinOutcome): string {
  if (stdin.kind === 'read') return stdin.text;
  if (stdin.reason === 'too-large') {
    throw new CniError('invalid-config', `the network configuration exceeds ${MAX_STDIN_BYTES} bytes`);
  }
  if (stdin.reason === 'not-utf8') throw new CniError('undecodable', 'standard input is not UTF-8');
  throw new CniError('io-failure', `standard input cannot be read: ${stdin.reason}`);
}

/** VERSION is answered whatever its standard input holds: old runtimes send none. */
function askedVersion(stdin: StdinOutcome): string | undefined {
  try {
    return configVersion(decodeConfig(readText(stdin)));
  } catch {
    return undefined;
  }
}

/** The error document of whatever went wrong; what is no CniError is a bug of ours. */
export function fail(error: unknown, cniVersion: string = NEWEST_CNI_VERSION): Exit {
  if (error instanceof CniError) return exitWith({ cniVersion, ...error.toWire() }, 1);
  const details = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const bug = new CniError('internal', 'a bug in wellspring-cni: please report it with the details', details);
  return exitWith({ cniVersion, ...bug.toWire() }, 1);
}

function print(document: object): Exit {
  return exitWith(document, 0);
}

function exitWith(document: object, exitCode: 0 | 1): Exit {
  return { kind: 'exit', exitCode, stdout: `${JSON.stringify(document, null, 2)}\n` };
}

function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x1_0000 ? 3 : 4;
  }
  return bytes;
}

/** The variables that travel, as `read` gives them; absent ones are left out. */
export function pickEnvironment(read: (name: string) => string | undefined): CallInput['env'] {
  const env: Record<string, string> = {};
  for (const name of FORWARDED_ENVIRONMENT) {
    const value = read(name);
    if (value !== undefined) env[name] = value;
  }
  return env;
}
