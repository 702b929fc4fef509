/** Validation of what came out of a frame, and protocol version compatibility. Pure; runs in the CNI binary too. */
import { ProtocolError } from './errors.ts';
import { PROTOCOL_VERSION } from './messages.ts';
import type { CniEnvironment, Method, RequestEnvelope, ResponseEnvelope, WireError } from './messages.ts';

/** The environment variables that travel. */
export const FORWARDED_ENVIRONMENT = [
  'CNI_COMMAND',
  'CNI_CONTAINERID',
  'CNI_NETNS',
  'CNI_IFNAME',
  'CNI_ARGS',
  'CNI_PATH',
  'CNI_NETNS_OVERRIDE',
] as const satisfies readonly (keyof CniEnvironment)[];

const METHODS: readonly Method[] = ['Add', 'Del', 'Check', 'Status', 'Gc', 'Version'];
/** Characters of a request's id. */
export const MAX_ID_LENGTH = 128;
/** A day: longer than any runtime waits, so a larger number is a mistake. */
const MAX_DEADLINE_MS = 86_400_000;

/**
 * Whether this side understands `theirs` (`major.minor`): the same major version, and a minor version that differs by
 * at most one from ours.
 */
export function isCompatibleVersion(theirs: string, ours: string = PROTOCOL_VERSION): boolean {
  const [a, b] = [parseVersion(theirs), parseVersion(ours)];
  return a !== undefined && b !== undefined && a.major === b.major && Math.abs(a.minor - b.minor) <= 1;
}

/**
 * A request as the server may trust it: every field present, of its type and bounded.
 * @throws ProtocolError `version` when the other side is from another age, `malformed` (the field named) otherwise
 */
export function parseRequest(value: unknown): RequestEnvelope {
  const envelope = recordOf(value, 'the request');
  const version = checkVersion(envelope['version'], 'the client');
  const method = METHODS.find((known) => known === envelope['method']);
  if (method === undefined) {
    throw new ProtocolError(
      'malformed',
      `method must be one of ${METHODS.join(', ')}, not ${show(envelope['method'])}`,
    );
  }
  const id = parseId(envelope['id']);
  const deadlineMs = envelope['deadlineMs'];
  if (
    typeof deadlineMs !== 'number' ||
    !Number.isInteger(deadlineMs) ||
    deadlineMs < 1 ||
    deadlineMs > MAX_DEADLINE_MS
  ) {
    throw new ProtocolError(
      'malformed',
      `deadlineMs must be an integer of 1..${MAX_DEADLINE_MS}, not ${show(deadlineMs)}`,
    );
  }
  const params = recordOf(envelope['params'], 'params');
  const stdin = params['stdin'];
  if (typeof stdin !== 'string') throw new ProtocolError('malformed', `params.stdin must be text, not ${show(stdin)}`);
  return { version, method, id, deadlineMs, params: { env: parseEnvironment(params['env']), stdin } };
}

/**
 * A response to the request `id`.
 * @throws ProtocolError `version` or `malformed`
 */
export function parseResponse(value: unknown, id: string): ResponseEnvelope {
  const envelope = recordOf(value, 'the answer');
  const version = checkVersion(envelope['version'], 'the daemon');
  if (envelope['id'] !== id) {
    throw new ProtocolError('malformed', `the answer is for request ${show(envelope['id'])}, not ${show(id)}`);
  }
  const hasResult = Object.hasOwn(envelope, 'result');
  const hasError = Object.hasOwn(envelope, 'error');
  if (hasResult === hasError) throw new ProtocolError('malformed', 'the answer must hold either a result or an error');
  return hasError
    ? { version, id, error: parseWireError(envelope['error']) }
    : { version, id, result: envelope['result'] };
}

function parseWireError(value: unknown): WireError {
  const error = recordOf(value, 'error');
  const { code, msg, details } = { code: error['code'], msg: error['msg'], details: error['details'] };
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 1 || code > 0x7fff_ffff) {
    throw new ProtocolError('malformed', `error.code must be a positive integer, not ${show(code)}`);
  }
  if (typeof msg !== 'string') throw new ProtocolError('malformed', `error.msg must be text, not ${show(msg)}`);
  if (details === undefined) return { code, msg };
  if (typeof details !== 'string')
    throw new ProtocolError('malformed', `error.details must be text, not ${show(details)}`);
  return { code, msg, details };
}

function parseEnvironment(value: unknown): CniEnvironment {
  const given = recordOf(value, 'params.env');
  const known: { -readonly [K in keyof CniEnvironment]: CniEnvironment[K] } = {};
  for (const name of FORWARDED_ENVIRONMENT) {
    const text = given[name];
    if (text === undefined) continue;
    if (typeof text !== 'string')
      throw new ProtocolError('malformed', `params.env.${name} must be text, not ${show(text)}`);
    known[name] = text;
  }
  return known;
}

function parseId(value: unknown): string {
  if (typeof value === 'string' && value.length > 0 && value.length <= MAX_ID_LENGTH) return value;
  throw new ProtocolError('malformed', `id must be text of 1..${MAX_ID_LENGTH} characters, not ${show(value)}`);
}

function checkVersion(value: unknown, side: string): string {
  if (typeof value !== 'string' || parseVersion(value) === undefined) {
    throw new ProtocolError('malformed', `version must be "major.minor", not ${show(value)}`);
  }
  if (!isCompatibleVersion(value)) {
    throw new ProtocolError('version', `${side} speaks protocol ${value}, this side ${PROTOCOL_VERSION}`);
  }
  return value;
}

function parseVersion(text: string): { readonly major: number; readonly minor: number } | undefined {
  const match = /^(\d{1,4})\.(\d{1,4})$/.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) };
}

function recordOf(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new ProtocolError('malformed', `${what} must be an object, not ${show(value)}`);
}

/** A value for a message: short, whatever was sent. */
function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
