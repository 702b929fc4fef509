/** HTML that is escaped by construction: what is interpolated is text, unless it is HTML already. Pure. */

const MARKUP = Symbol('markup');

/** A piece of HTML, made by `html` or `trusted` alone: no JSON, whatever its form, can pass for one. */
export interface Html {
  readonly [MARKUP]: string;
}

type Interpolated = string | number | Html | readonly Html[] | undefined;

/** A template whose values are escaped, in text and between double quotes; `undefined` is nothing. */
export function html(strings: TemplateStringsArray, ...values: readonly Interpolated[]): Html {
  return trusted(strings.map((part, index) => part + written(values[index])).join(''));
}

/** Text that is known to be HTML: of this room's own, or escaped by the chart library. */
export function trusted(markup: string): Html {
  return { [MARKUP]: markup };
}

export function markupOf(piece: Html): string {
  return piece[MARKUP];
}

export function escaped(text: string): string {
  return text.replaceAll(/[&<>"']|[^\t\n\r\u0020-\uFFFF]/g, (character) => ENTITIES[character] ?? '\uFFFD');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function written(value: Interpolated): string {
  if (value === undefined) return '';
  if (typeof value === 'object') return MARKUP in value ? value[MARKUP] : pieces(value);
  return escaped(String(value));
}

/** What is no list of pieces (an object of a stranger's JSON) is text as well. */
function pieces(value: readonly Html[]): string {
  return Array.isArray(value) ? value.map((piece: Html) => written(piece)).join('') : escaped(JSON.stringify(value));
}
