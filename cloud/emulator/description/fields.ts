/** Values out of YAML or JSON, with the place of each in messages. Pure. */

/** The description cannot be meant so; the message says where and what it may be. */
export class DescriptionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DescriptionError';
  }
}

/** A mapping with known keys, of which each is read once. */
export class Fields {
  readonly path: string;
  readonly #values: Readonly<Record<string, unknown>>;

  /** Throws for what is no mapping, and for a key that is not known. */
  constructor(value: unknown, path: string, known: readonly string[]) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new DescriptionError(
        `${path === '' ? 'the description' : path} must be a mapping with ${known.join(', ')}`,
      );
    }
    const stray = Object.keys(value).find((key) => !known.includes(key));
    if (stray !== undefined) {
      throw new DescriptionError(`${place(path, stray)} is not known; there is ${known.join(', ')}`);
    }
    this.path = path;
    this.#values = value as Readonly<Record<string, unknown>>;
  }

  has(key: string): boolean {
    return this.#values[key] !== undefined;
  }

  raw(key: string): unknown {
    return this.#values[key];
  }

  text(key: string): string {
    const value = this.#values[key];
    if (typeof value !== 'string' || value === '') throw this.wrong(key, 'a text');
    return value;
  }

  name(key: string): string {
    const value = this.text(key);
    if (!/^[a-z0-9][a-z0-9.-]{0,62}$/.test(value))
      throw this.wrong(key, 'a name of lower-case letters, digits, . and -');
    return value;
  }

  oneOf<T extends string>(key: string, values: readonly T[]): T {
    const value = this.#values[key];
    const found = values.find((one) => one === value);
    if (found === undefined) throw this.wrong(key, values.join(' or '));
    return found;
  }

  flag(key: string): boolean {
    const value = this.#values[key] ?? false;
    if (typeof value !== 'boolean') throw this.wrong(key, 'true or false');
    return value;
  }

  list(key: string): readonly { readonly value: unknown; readonly path: string }[] {
    const value = this.#values[key] ?? [];
    if (!Array.isArray(value)) throw this.wrong(key, 'a list');
    return value.map((item: unknown, index) => ({ value: item, path: `${place(this.path, key)}[${index}]` }));
  }

  texts(key: string): readonly string[] {
    return this.list(key).map(({ value, path }) => {
      if (typeof value !== 'string' || value === '') throw new DescriptionError(`${path} must be a text`);
      return value;
    });
  }

  /** Keys and values as EC2 takes them; numbers and truths are written as text. */
  tags(key: string): Readonly<Record<string, string>> {
    const value = this.#values[key] ?? {};
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.wrong(key, 'a mapping of texts');
    return Object.fromEntries(
      Object.entries(value as Readonly<Record<string, unknown>>).map(([tag, text]) => {
        if (!['string', 'number', 'boolean'].includes(typeof text)) throw this.wrong(`${key}.${tag}`, 'a text');
        return [tag, String(text)];
      }),
    );
  }

  wrong(key: string, wanted: string): DescriptionError {
    const value = this.#values[key];
    const given = value === undefined ? 'and is missing' : `not ${JSON.stringify(value)}`;
    return new DescriptionError(`${place(this.path, key)} must be ${wanted}, ${given}`);
  }
}

function place(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
