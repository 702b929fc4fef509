/** Environment -> settings. Every wrong value is refused with its key, the value and what is allowed; nothing is guessed. */
import { Address4, Address6 } from 'ip-address';
import { unmetPeerSettings } from './notes.ts';
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
  problems.push(...unmetPeerSettings(env));
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
  if (config.podEni && config.nodeName === '') {
    problems.push(
      `${OPTIONS.podEni.env}=true needs ${OPTIONS.nodeName.env}: which pods have ENIs of their own is read from the API server.`,
    );
  }
  return [...problems, ...familyContradictions(config)];
}

/** RFC 8200, section 5: no link that carries IPv6 may have a smaller MTU. */
const LEAST_IPV6_MTU = 1280;

function familyContradictions(config: Config): readonly string[] {
  const { enableIpv4, enableIpv6, ipv6Egress, prefixDelegation, customNetworking } = OPTIONS;
  if (!config.enableIpv4 && !config.enableIpv6) {
    return [`${enableIpv4.env}=false with ${enableIpv6.env}=false is not allowed: at least one of them must be true.`];
  }
  if (config.disablePodIpv6 && (config.enableIpv6 || config.ipv6Egress)) {
    const other = config.enableIpv6 ? enableIpv6 : ipv6Egress;
    return [
      `${OPTIONS.disablePodIpv6.env}=true is not allowed with ${other.env}=true: pods could not use the IPv6 addresses that they get.`,
    ];
  }
  const asksForIpv6 = config.enableIpv6 ? enableIpv6 : ipv6Egress;
  if (!config.enableIpv6 && !config.ipv6Egress) return [];
  const problems: string[] = [];
  if (!config.enableIpv4 && !config.prefixDelegation) {
    problems.push(
      `${enableIpv6.env}=true with ${enableIpv4.env}=false needs ${prefixDelegation.env}=true: pods of an IPv6 node get their addresses out of a /80 prefix, never one by one.`,
    );
  }
  for (const key of ['eniMtu', 'podMtu'] as const) {
    const mtu = config[key];
    if (mtu === undefined || mtu >= LEAST_IPV6_MTU) continue;
    problems.push(
      `${OPTIONS[key].env}=${mtu} is not allowed with ${asksForIpv6.env}=true: it must be at least ${LEAST_IPV6_MTU}.`,
    );
  }
  if (!config.enableIpv4 && config.customNetworking) {
    problems.push(
      `${customNetworking.env}=true is not allowed with ${enableIpv4.env}=false: the /80 prefix of one interface serves all pods of an IPv6 node.`,
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
      return FALSE.has(text)
        ? { value: false }
        : { allowed: 'true or false (or 1, t, T, True, TRUE, 0, f, F, False, FALSE)' };
    case 'choice': {
      const value = type.values.find((candidate) => candidate.toLowerCase() === text.toLowerCase());
      return value === undefined ? { allowed: `one of ${type.values.join(', ')}` } : { value };
    }
    case 'cidrs':
      return parseCidrs(text, type.families === 'both');
    case 'tags':
      return parseTags(text);
    case 'text':
      return type.pattern.test(text) ? { value: text } : { allowed: type.allowed };
    default:
      return type satisfies never;
  }
}

function parseInteger(text: string, { min, max, radix }: Extract<OptionType, { kind: 'integer' }>): Outcome {
  const value = radix === 'any' ? anyRadix(text) : /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return { value };
  const from = radix === 'any' ? `0x${min.toString(16)} to 0x${max.toString(16)}` : `${min} to ${max}`;
  return { allowed: `a whole number from ${from}` };
}

/** As Go's ParseUint with base 0, which the peer uses: 0x, 0o, 0b and a leading 0 name the base. */
function anyRadix(text: string): number {
  if (/^0[0-7]+$/.test(text)) return Number.parseInt(text, 8);
  return /^([1-9]\d*|0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+)$/.test(text) ? Number(text) : Number.NaN;
}

function parseCidrs(text: string, both: boolean): Outcome {
  const cidrs = text.split(',').flatMap((part) => part.trim() || []);
  const isCidr = (cidr: string): boolean =>
    /^[^/%]+\/\d+$/.test(cidr) && (Address4.isValid(cidr) || (both && Address6.isValid(cidr)));
  const wrong = cidrs.find((cidr) => !isCidr(cidr));
  return wrong === undefined
    ? { value: cidrs }
    : { allowed: `${both ? '' : 'IPv4 '}CIDRs with commas between them (${JSON.stringify(wrong)} is none)` };
}

function parseTags(text: string): Outcome {
  // EC2 user guide, "Tag restrictions": 50 tags a resource, 128 and 256 characters, no aws: in front. Five are ours.
  const allowed =
    'a JSON object of at most 45 tags: keys of 1 to 128 characters that neither begin with aws: nor contain ' +
    'k8s.amazonaws.com, values of up to 256';
  try {
    const tags: unknown = JSON.parse(text);
    if (typeof tags !== 'object' || tags === null || Array.isArray(tags)) return { allowed };
    const entries = Object.entries(tags);
    const fine = entries.every(
      ([key, value]) =>
        typeof value === 'string' && value.length <= 256 && /^(?!aws:).{1,128}$/is.test(key) && !reserved(key),
    );
    return fine && entries.length <= 45 ? { value: tags as Record<string, string> } : { allowed };
  } catch {
    return { allowed };
  }
}

function reserved(key: string): boolean {
  return key.includes('k8s.amazonaws.com');
}
