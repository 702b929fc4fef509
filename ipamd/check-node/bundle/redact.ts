/**
 * Takes credentials out of what is put into a bundle: by the names of fields, and by the looks of values. Pure and idempotent.
 * What stays are names, addresses, ids of EC2 and, unless told otherwise, account numbers.
 */

export interface Redaction {
  /** Account numbers become `account-1`, `account-2`, ... */
  readonly accounts: boolean;
}

export const REDACTED = '[redacted]';

/** Names whose values are secret, by how they end. */
const SECRET_NAME =
  /(?:token|secret|password|passwd|passphrase|credentials?|authorization|cookie|signature|(?:api|access|private|session|secret|ssh)[-_. ]?key(?:[-_ ]?id)?(?:[-_ ]?data)?|client-(?:key|certificate)-data)$/i;

/** Values that show what they are wherever they stand. */
const SHAPES: readonly (readonly [pattern: RegExp, replacement: string])[] = [
  [/-----BEGIN [A-Z ]*(?:PRIVATE KEY|CERTIFICATE)-----[\s\S]*?(?:-----END [A-Z ]*-----|$)/g, REDACTED],
  // Access keys and the ids of principals (IAM user guide, "Unique identifiers").
  [/\b(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|APKA|AROA|ASCA)[A-Z0-9]{12,}\b/g, REDACTED],
  // JSON Web Tokens: `eyJ` is base64url of `{"`, however short the header is (RFC 7519 section 3).
  [/\beyJ[\w-]*(?:\.[\w-]*){1,4}/g, REDACTED],
  [/\b(Bearer|Basic|Digest|Negotiate)\s+[\w.~+/=:-]{4,}/gi, `$1 ${REDACTED}`],
  // User and password in an address.
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, `$1${REDACTED}@`],
  [/\b(X-Amz-(?:Signature|Security-Token|Credential))=[^&\s"']+/gi, `$1=${REDACTED}`],
  // Session tokens of AWS and the like: long runs of base64.
  [
    /(?<![A-Za-z0-9+/=])(?=[A-Za-z0-9+/]*[A-Z])(?=[A-Za-z0-9+/]*[a-z])(?=[A-Za-z0-9+/]*\d)[A-Za-z0-9+/]{100,}={0,2}/g,
    REDACTED,
  ],
  // Secret access keys have 40 characters of base64; hexadecimal digests have no capitals beside small letters.
  [
    /(?<![A-Za-z0-9+/=_-])(?=[A-Za-z0-9+/]{0,39}[A-Z])(?=[A-Za-z0-9+/]{0,39}[a-z])(?=[A-Za-z0-9+/]{0,39}\d)[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=_-])/g,
    REDACTED,
  ],
];

/** `name: value`, `name=value`, `"name": "value"`, as they stand in logs and environments. */
const ASSIGNMENT =
  /((?:[\w.-]*(?:token|secret|password|passwd|passphrase|credentials?|authorization|cookie|(?:api|access|private|session|secret|ssh)[-_.]?key(?:[-_]?id)?(?:[-_]?data)?|client-(?:key|certificate)-data))["']?\s*[:=]\s*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|(?:(?:Bearer|Basic|Digest|Negotiate)\s+)?[^\s,;&}\]]+)/gi;

/** Twelve digits by themselves. */
const ACCOUNT = /(?<![\w.-])\d{12}(?![\w.-])/g;

/** One redaction for all files of a bundle, so that an account has the same name in all of them. */
export class Redactor {
  readonly #redaction: Redaction;
  readonly #accounts = new Map<string, string>();

  constructor(redaction: Redaction) {
    this.#redaction = redaction;
  }

  /** Lines that are JSON are taken as such, the rest as text. */
  lines(text: string): string {
    return text
      .split('\n')
      .map((line) => {
        if (!/^\s*[{[]/.test(line)) return line;
        try {
          return JSON.stringify(this.value(JSON.parse(line)));
        } catch {
          return line;
        }
      })
      .join('\n')
      .split(/(?<=\n)(?=.*-----BEGIN)/)
      .map((part) => this.text(part))
      .join('');
  }

  /** A JSON value: fields with secret names lose their value, texts what looks secret in them. */
  value(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((item) => this.value(item));
    if (typeof value !== 'object' || value === null) return value;
    // A list of { name, value }, as environments of Kubernetes are written.
    const named = value as { readonly name?: unknown; readonly value?: unknown };
    const hidesValue = typeof named.name === 'string' && SECRET_NAME.test(named.name) && named.value !== undefined;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => {
        const isSecret = (SECRET_NAME.test(key) || (hidesValue && key === 'value')) && item !== null && item !== '';
        return [this.text(key), isSecret ? REDACTED : this.value(item)];
      }),
    );
  }

  text(text: string): string {
    const named = text.replaceAll(ASSIGNMENT, (_, name: string, value: string) => `${name}${quoted(value)}`);
    const shaped = SHAPES.reduce((so, [pattern, replacement]) => so.replaceAll(pattern, replacement), named);
    return this.#redaction.accounts ? shaped.replaceAll(ACCOUNT, (number) => this.#account(number)) : shaped;
  }

  #account(number: string): string {
    const name = this.#accounts.get(number) ?? `account-${this.#accounts.size + 1}`;
    this.#accounts.set(number, name);
    return name;
  }
}

/** Keeps the quotes, so that JSON within a text stays JSON. */
function quoted(value: string): string {
  const [quote = ''] = /^["']/.exec(value) ?? [];
  return `${quote}${REDACTED}${quote}`;
}
