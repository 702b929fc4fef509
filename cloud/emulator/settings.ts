import { ACTION_CLASSES } from './ec2/actions.data.ts';
import type { Delay, Latency } from './latency.ts';
import type { CredentialSettings } from './credentials/authority.ts';
import type { SwitchSettings } from './switches.ts';
import { ANY_CREDENTIALS } from './switches.ts';
import type { BucketSize, ThrottleClass, Throttling } from './throttle.ts';
import { EC2_THROTTLING } from './throttle.ts';

type Fields = Readonly<Record<string, unknown>>;

/** An hour: more is a slip of the pen. */
const LONGEST_MS = 3_600_000;

/**
 * Switches from JSON, as `PUT /_wellspring/switches` takes them:
 * `{latency: {default, actions}, throttling: "ec2" | {classes, actions} | null, staleReadsMs, metadataLagMs,
 * credentials: {required, instanceRole, lifetimeSeconds}}`, each of which may be left out. Throws an `Error` whose message names what is wrong.
 */
export function parseSettings(value: unknown): Partial<SwitchSettings> {
  const fields = fieldsOf(value, 'the switches', [
    'latency',
    'throttling',
    'staleReadsMs',
    'metadataLagMs',
    'credentials',
  ]);
  return {
    ...('latency' in fields ? { latency: parseLatency(fields['latency']) } : {}),
    ...('throttling' in fields ? { throttling: parseThrottling(fields['throttling']) } : {}),
    ...('staleReadsMs' in fields ? { staleReadsMs: parseMs(fields['staleReadsMs'], 'staleReadsMs') } : {}),
    ...('metadataLagMs' in fields ? { metadataLagMs: parseMs(fields['metadataLagMs'], 'metadataLagMs') } : {}),
    ...('credentials' in fields ? { credentials: parseCredentials(fields['credentials']) } : {}),
  };
}

/** Milliseconds from 0 to an hour. */
export function parseMs(value: unknown, name: string): number {
  return parseNumber(value, name, 0, LONGEST_MS);
}

function parseCredentials(value: unknown): CredentialSettings {
  const fields = fieldsOf(value, 'credentials', ['required', 'instanceRole', 'lifetimeSeconds']);
  const { required = false, instanceRole, lifetimeSeconds = ANY_CREDENTIALS.lifetimeSeconds } = fields;
  if (typeof required !== 'boolean') throw new Error('credentials.required must be true or false');
  if (instanceRole !== undefined && (typeof instanceRole !== 'string' || !/^[\w+=,.@-]{1,64}$/.test(instanceRole)))
    throw new Error('credentials.instanceRole must be the name of a role');
  return {
    required,
    instanceRole,
    lifetimeSeconds: parseNumber(lifetimeSeconds, 'credentials.lifetimeSeconds', 1, 43_200),
  };
}

function parseLatency(value: unknown): Latency {
  if (typeof value === 'number') return { default: parseMs(value, 'latency') };
  const fields = fieldsOf(value, 'latency', ['default', 'actions']);
  return {
    ...('default' in fields ? { default: parseDelay(fields['default'], 'latency.default') } : {}),
    ...('actions' in fields ? { actions: perAction(fields['actions'], 'latency.actions', parseDelay) } : {}),
  };
}

function parseDelay(value: unknown, name: string): Delay {
  if (typeof value === 'number') return parseMs(value, name);
  const fields = fieldsOf(value, name, ['minMs', 'maxMs']);
  const delay = { minMs: parseMs(fields['minMs'], `${name}.minMs`), maxMs: parseMs(fields['maxMs'], `${name}.maxMs`) };
  if (delay.maxMs < delay.minMs) throw new Error(`${name}.maxMs is less than minMs`);
  return delay;
}

function parseThrottling(value: unknown): Throttling | undefined {
  if (value === null) return undefined;
  if (value === 'ec2') return EC2_THROTTLING;
  const fields = fieldsOf(value, 'throttling', ['classes', 'actions']);
  const names = Object.keys(EC2_THROTTLING.classes) as ThrottleClass[];
  const given = fieldsOf(fields['classes'] ?? {}, 'throttling.classes', names);
  const classes = { ...EC2_THROTTLING.classes };
  for (const name of names) {
    if (name in given) classes[name] = parseBucket(given[name], `throttling.classes.${name}`);
  }
  return { classes, actions: perAction(fields['actions'] ?? {}, 'throttling.actions', parseBucket) };
}

function parseBucket(value: unknown, name: string): BucketSize {
  const fields = fieldsOf(value, name, ['capacity', 'refillPerSecond']);
  return {
    capacity: parseNumber(fields['capacity'], `${name}.capacity`, 1, 1_000_000),
    refillPerSecond: parseNumber(fields['refillPerSecond'], `${name}.refillPerSecond`, 0, 1_000_000),
  };
}

function perAction<T>(
  value: unknown,
  name: string,
  parse: (value: unknown, name: string) => T,
): Readonly<Record<string, T>> {
  const fields = fieldsOf(value, name, Object.keys(ACTION_CLASSES));
  return Object.fromEntries(
    Object.entries(fields).map(([action, entry]) => [action, parse(entry, `${name}.${action}`)]),
  );
}

function fieldsOf(value: unknown, name: string, known: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error(`${name} must be an object`);
  const stray = Object.keys(value).find((field) => !known.includes(field));
  if (stray !== undefined) throw new Error(`${name} has no field ${stray}; there is ${known.join(', ')}`);
  return value as Fields;
}

function parseNumber(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw new Error(`${name} must be a number from ${min} to ${max}, not ${JSON.stringify(value)}`);
  }
  return value;
}
