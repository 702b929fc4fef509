/** Typed reading of a JSON object whose every complaint names the key, the value and what is allowed. */
import { CniError } from './errors.ts';

export type JsonRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `invalid-config` in one form: `mtu: 12 is not allowed; expected an integer of 576..9001`. */
export function invalidField(path: string, value: unknown, allowed: string): CniError {
  const text = JSON.stringify(value) ?? 'nothing';
  const shown = text.length > 100 ? `${text.slice(0, 100)}…` : text;
  return new CniError('invalid-config', `network configuration: ${path}: ${shown} is not allowed; expected ${allowed}`);
}

export interface TextRule {
  readonly matches: RegExp;
  readonly allowed: string;
}

export interface IntegerRange {
  readonly min: number;
  readonly max: number;
}

/** One JSON object. `prefix` is its path in the configuration, for messages. An absent key reads as undefined. */
export class Fields {
  readonly #record: JsonRecord;
  readonly #prefix: string;

  constructor(record: JsonRecord, prefix: string) {
    this.#record = record;
    this.#prefix = prefix;
  }

  /** Where `key` is, for a message. */
  path(key: string): string {
    return this.#prefix === '' ? key : `${this.#prefix}.${key}`;
  }

  raw(key: string): unknown {
    return Object.hasOwn(this.#record, key) ? this.#record[key] : undefined;
  }

  /** The same object with these keys found however their letters are cased, as Go's decoder finds them; the exact spelling first. */
  withKeys(keys: readonly string[]): Fields {
    const record = Object.entries(this.#record);
    const found = keys.flatMap((key) => {
      const same = record.findLast(([name]) => name.toLowerCase() === key.toLowerCase());
      const value = this.raw(key) ?? same?.[1];
      return value === undefined ? [] : [[key, value] as const];
    });
    return new Fields(Object.fromEntries(found), this.#prefix);
  }

  isText(key: string): boolean {
    return typeof this.raw(key) === 'string';
  }

  text(
    key: string,
    rule: TextRule = { matches: /^[^\0]{0,4096}$/, allowed: 'text of at most 4096 characters' },
  ): string | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value === 'string' && rule.matches.test(value)) return value;
    throw invalidField(this.path(key), value, rule.allowed);
  }

  integer(key: string, range: IntegerRange): number | undefined {
    const value = this.raw(key);
    if (value === undefined) return undefined;
    if (typeof value === 'number' && Number.isInteger(value) && value >= range.min && value <= range.max) return value;
    throw invalidField(this.path(key), value, `an integer of ${range.min}..${range.max}`);
  }

  /** An integer that is written as text; empty text is an absent key. */
  integerText(key: string, range: IntegerRange): number | undefined {
    const value = this.raw(key);
    if (value === undefined || value === '') return undefined;
    const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= range.min && number <= range.max) return number;
    throw invalidField(this.path(key), value, `an integer of ${range.min}..${range.max}`);
  }

  list(key: string, maxLength: number): readonly unknown[] | undefined {
    const value = this.raw(key);
    if (value === undefined || value === null) return undefined;
    if (Array.isArray(value) && value.length <= maxLength) return value;
    throw invalidField(this.path(key), value, `a list of at most ${maxLength} entries`);
  }

  /** The objects of a list. */
  records(key: string, maxLength: number): readonly Fields[] {
    return (this.list(key, maxLength) ?? []).map((item, index) => {
      const path = `${this.path(key)}[${index}]`;
      if (!isRecord(item)) throw invalidField(path, item, 'an object');
      return new Fields(item, path);
    });
  }

  /** The list of texts under `key`, empty where absent. */
  texts(key: string, maxLength: number): readonly string[] {
    return (this.list(key, maxLength) ?? []).map((item, index) => {
      if (typeof item !== 'string') throw invalidField(`${this.path(key)}[${index}]`, item, 'text');
      return item;
    });
  }

  /** The object under `key`, an empty one where the key is absent or null. */
  nested(key: string): Fields {
    const value = this.raw(key) ?? {};
    if (!isRecord(value)) throw invalidField(this.path(key), value, 'an object');
    return new Fields(value, this.path(key));
  }
}
