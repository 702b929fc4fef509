/** A JSON value as YAML 1.2 block style: what any YAML reader reads back as the same value. Pure. */

/** Ends with a newline. Numbers that are not finite, and undefined, are null, as in JSON. */
export function yaml(value: unknown): string {
  // As JSON has it, so that both formats say the same.
  const plain: unknown = JSON.parse(JSON.stringify(value) ?? 'null');
  return `${block(plain, 0)}\n`;
}

function block(value: unknown, depth: number): string {
  if (Array.isArray(value) && value.length > 0)
    return value.map((item) => `${indent(depth)}- ${inline(item, depth + 1)}`).join('\n');
  if (isFilled(value))
    return Object.entries(value)
      .map(([key, item]) => `${indent(depth)}${scalar(key)}:${after(item, depth)}`)
      .join('\n');
  return `${indent(depth)}${scalar(value)}`;
}

/** Behind a key: a scalar on its line, the rest below it. */
function after(value: unknown, depth: number): string {
  return isScalar(value) ? ` ${scalar(value)}` : `\n${block(value, depth + 1)}`;
}

/** Behind a dash: the first line stands on the dash's. */
function inline(value: unknown, depth: number): string {
  return isScalar(value) ? scalar(value) : block(value, depth).trimStart();
}

function isScalar(value: unknown): boolean {
  return !isFilled(value) && !(Array.isArray(value) && value.length > 0);
}

function isFilled(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0;
}

/** Words that stand for themselves: no reader takes them for a number, a truth value, a date or a sign. */
const PLAIN = /^(?!(?:true|false|null|yes|no|on|off|y|n|nan|inf)$)[A-Za-z_/][\w./-]*$/i;

function scalar(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  // JSON's strings are YAML's double-quoted ones (YAML 1.2, section 1.3), but for characters that YAML wants escaped.
  return PLAIN.test(value)
    ? value
    : JSON.stringify(value).replaceAll(/[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g, escaped);
}

function escaped(character: string): string {
  return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
}

function indent(depth: number): string {
  return '  '.repeat(depth);
}
