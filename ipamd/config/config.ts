/** Environment -> settings. Every wrong value is refused with its key, the value and what is allowed; nothing is guessed. */
import { Address4 } from 'ip-address';
import { OPTIONS, type Option, type OptionType } from './options.data.ts';

export class ConfigError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

type Value<T extends OptionType, D extends string> = T extends { kind: 'integer' }
  ? D extends ''
    ? number | undefined
    : number
  : T extends { kind: 'boolean' }
    ? boolean
    : T extends { kind: 'choice'; values: readonly (infer V)[] }
      ? V
      : T extends { kind: 'cidrs' }
        ? readonly string[]
        : T extends { kind: 'tags' }
          ? Readonly<Record<string, string>>
          : string;

type Table = typeof OPTIONS;
export type Config = { readonly [K in keyof Table]: Value<Table[K]['type'], Table[K]['default']> };

type Parsed = number | boolean | string | undefined | readonly string[] | Readonly<Record<string, string>>;
type Outcome = { readonly value: Parsed } | { readonly allowed: string };

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/** Throws ConfigError with one sentence for each wrong setting. */
export function parseConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const problems: string[] = [];
  const values: Record<string, Parsed> = {};
  for (const [key, option] of Object.entries(OPTIONS) as [string, Option][]) {
    const text = env[option.env]?.trim() || option.default;
    const outcome: Outcome =
      text === '' && option.type.kind === 'integer' ? { value: undefined } : parseValue(option.type, text);
    if ('value' in outcome) values[key] = outcome.value;
    else problems.push(`${option.env}=${JSON.stringify(text)} is not allowed: it must be ${outcome.allowed}.`);
  }
  if (problems.length === 0) problems.push(...contradictions(values as Config));
  if (problems.length > 0) throw new ConfigError(problems);
  return values as Config;
}

function contradictions(config: Config): readonly string[] {
  const problems: string[] = [];
  if (!isPowerOfTwo(config.connmark)) {
    problems.push(`${OPTIONS.connmark.env}=0x${config.connmark.toString(16)} must be a single bit.`);
  }
  const taken = (config.connmark | 0xc000) >>> 0;
  if ((config.eniMarkMask & taken) >>> 0 !== 0) {
    problems.push(
      `${OPTIONS.eniMarkMask.env}=0x${config.eniMarkMask.toString(16)} overlaps 0x${taken.toString(16)}, the bits of ${OPTIONS.connmark.env} and of kube-proxy.`,
    );
  }
  if ((config.podMtu ?? config.eniMtu) > config.eniMtu) {
    problems.push(
      `${OPTIONS.podMtu.env}=${config.podMtu} is larger than ${OPTIONS.eniMtu.env}=${config.eniMtu}: packets would not fit.`,
    );
  }
  return problems;
}

function isPowerOfTwo(value: number): boolean {
  return Math.log2(value) % 1 === 0;
}

function parseValue(type: OptionType, text: string): Outcome {
  switch (type.kind) {
    case 'integer':
      return parseInteger(text, type);
    case 'boolean':
      if (TRUE.has(text)) return { value: true };
      return FALSE.has(text) ? { value: false } : { allowed: 'true or false' };
    case 'choice': {
      const value = type.values.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
      return value === undefined ? { allowed: `one of ${type.values.join(', ')}` } : { value };
    }
    case 'cidrs':
      return parseCidrs(text);
    case 'tags':
      return parseTags(text);
    case 'text':
      return type.pattern.test(text) ? { value: text } : { allowed: type.allowed };
    default:
      return type satisfies never;
  }
}

function parseInteger(text: string, { min, max }: { readonly min: number; readonly max: number }): Outcome {
  const value = /^-?\d+$|^0[xX][0-9a-fA-F]+$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? { value } : { allowed: `a whole number from ${min} to ${max}` };
}

function parseCidrs(text: string): Outcome {
  const cidrs = text.split(',').flatMap((part) => part.trim() || []);
  const wrong = cidrs.find((cidr) => !Address4.isValid(cidr) || !cidr.includes('/'));
  return wrong === undefined
    ? { value: cidrs }
    : { allowed: `IPv4 CIDRs with commas between them (${JSON.stringify(wrong)} is none)` };
}

function parseTags(text: string): Outcome {
  const allowed = 'a JSON object with text values, without keys that contain k8s.amazonaws.com';
  try {
    const tags: unknown = JSON.parse(text);
    if (typeof tags !== 'object' || tags === null || Array.isArray(tags)) return { allowed };
    const fine = Object.entries(tags).every(
      ([key, value]) => typeof value === 'string' && !key.includes('k8s.amazonaws.com'),
    );
    return fine ? { value: tags as Record<string, string> } : { allowed };
  } catch {
    return { allowed };
  }
}
