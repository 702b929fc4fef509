/**
 * Scripted faults of the EC2 face. They say what the wire does to one call; what EC2 itself refuses (limits, exhausted
 * subnets) is the region's business and needs no script.
 */
export type Fault =
  /** EC2's error document with this code, without the call being executed. `status` is 400 where it is left out. */
  | { readonly kind: 'error'; readonly code: string; readonly status?: number; readonly message?: string }
  /** Status 200 with a body that is not XML, without the call being executed. */
  | { readonly kind: 'garbage' }
  /** Status 503 with an HTML body, as a load balancer gives it, without the call being executed. */
  | { readonly kind: 'http-503' }
  /** The connection is reset before the call is executed. */
  | { readonly kind: 'drop' }
  /** The call is executed, then the connection is reset. */
  | { readonly kind: 'lost-answer' }
  /** The call is executed at once and its answer held back by so many milliseconds more. */
  | { readonly kind: 'delay'; readonly delayMs: number };

/** `action` is an EC2 action or `*` for each; `times` is 1 where it is left out. */
export type ScriptedFault = Fault & { readonly action: string; readonly times?: number | 'always' };

interface Armed {
  readonly script: ScriptedFault;
  remaining: number;
}

/** A list of faults that are used up in the order in which they were armed. */
export class FaultScript {
  #armed: Armed[] = [];

  arm(script: ScriptedFault): void {
    this.#armed.push({ script, remaining: script.times === 'always' ? Infinity : (script.times ?? 1) });
  }

  /** The fault for this call, if any; a one-shot fault is gone after this. */
  take(action: string): Fault | undefined {
    const found = this.#armed.find(({ script }) => script.action === action || script.action === '*');
    if (found === undefined) return undefined;
    found.remaining -= 1;
    if (found.remaining <= 0) this.#armed = this.#armed.filter((armed) => armed !== found);
    return found.script;
  }

  /** What is still armed, with the `times` that are left. */
  pending(): readonly ScriptedFault[] {
    return this.#armed.map(({ script, remaining }) => ({
      ...script,
      times: remaining === Infinity ? 'always' : remaining,
    }));
  }

  clear(): void {
    this.#armed = [];
  }
}

/**
 * A fault from JSON, as `POST /_wellspring/faults` takes it.
 * Throws an `Error` whose message says which field is wrong and what it may be.
 */
export function parseFault(value: unknown, actions: ReadonlySet<string>): ScriptedFault {
  if (typeof value !== 'object' || value === null)
    throw new Error('a fault is an object: {"action": ..., "kind": ...}');
  const { action, times, ...rest } = value as Readonly<Record<string, unknown>>;
  if (typeof action !== 'string' || (action !== '*' && !actions.has(action))) {
    throw new Error(`action must be "*" or an EC2 action of this emulator, not ${JSON.stringify(action)}`);
  }
  const fault = parseKind(rest);
  return times === undefined ? { ...fault, action } : { ...fault, action, times: parseTimes(times) };
}

const FIELDS: Readonly<Record<Fault['kind'], readonly string[]>> = {
  error: ['code', 'status', 'message'],
  garbage: [],
  'http-503': [],
  drop: [],
  'lost-answer': [],
  delay: ['delayMs'],
};

function parseKind(value: Readonly<Record<string, unknown>>): Fault {
  const { kind, ...fields } = value;
  if (typeof kind !== 'string' || !Object.hasOwn(FIELDS, kind)) {
    throw new Error(`kind must be one of ${Object.keys(FIELDS).join(', ')}, not ${JSON.stringify(kind)}`);
  }
  const known = kind as Fault['kind'];
  const stray = Object.keys(fields).find((field) => !FIELDS[known].includes(field));
  if (stray !== undefined) throw new Error(`a fault of kind ${known} has no field ${stray}`);
  if (known === 'error') return parseError(fields);
  if (known === 'delay') return { kind: known, delayMs: parseNumber(fields['delayMs'], 'delayMs', 0, 600_000) };
  return { kind: known };
}

function parseError(fields: Readonly<Record<string, unknown>>): Fault {
  const { code, status, message } = fields;
  if (typeof code !== 'string' || code === '') throw new Error('code must be an EC2 error code');
  if (message !== undefined && typeof message !== 'string') throw new Error('message must be a string');
  return {
    kind: 'error',
    code,
    ...(status === undefined ? {} : { status: parseNumber(status, 'status', 400, 599) }),
    ...(message === undefined ? {} : { message }),
  };
}

function parseTimes(value: unknown): number | 'always' {
  return value === 'always' ? value : parseNumber(value, 'times', 1, Number.MAX_SAFE_INTEGER);
}

function parseNumber(value: unknown, name: string, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new Error(`${name} must be a whole number from ${min} to ${max}, not ${JSON.stringify(value)}`);
  }
  return value;
}
