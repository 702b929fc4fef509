/**
 * The XML that EC2 answers: elements and text, no mixed content. What is not looked into keeps its text as it was, so that
 * an answer can be written again with nothing changed but what was put in its place.
 */

export interface Element {
  readonly name: string;
  /** Between the name and `>`, as written. */
  readonly attributes: string;
  readonly children: readonly Element[];
  /** The content of an element without children, entities resolved. */
  readonly text: string;
  /** Content that is written as it stands, in place of children and text. */
  readonly raw?: string;
}

/** The document is not what an EC2 endpoint writes. */
export class XmlError extends Error {}

const TOKEN = /<\?[^]*?\?>|<!--[^]*?-->|<(\/?)([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>|[^<]+/gy;

interface Open {
  readonly name: string;
  readonly attributes: string;
  readonly children: Element[];
  text: string;
}

/** The root element. Throws `XmlError`. */
export function parseXml(document: string): Element {
  const top: Open = { name: '', attributes: '', children: [], text: '' };
  const stack: Open[] = [top];
  let end = 0;
  for (const token of document.matchAll(TOKEN)) {
    end = token.index + token[0].length;
    const current = stack.at(-1) ?? top;
    const [whole, closing, name, attributes = '', alone] = token;
    if (name === undefined) {
      if (!whole.startsWith('<')) current.text += whole;
    } else if (closing === '/') {
      if (current.name !== name || stack.length === 1) throw new XmlError(`</${name}> ends nothing`);
      stack.pop();
      stack.at(-1)?.children.push(closed(current));
    } else if (alone === '/') current.children.push({ name, attributes, children: [], text: '' });
    else stack.push({ name, attributes, children: [], text: '' });
  }
  const [root] = top.children;
  if (end < document.length) throw new XmlError(`no XML at ${end}: ${JSON.stringify(document.slice(end, end + 40))}`);
  if (stack.length > 1 || root === undefined) throw new XmlError('the document ends in the middle');
  return root;
}

function closed({ name, attributes, children, text }: Open): Element {
  return { name, attributes, children, text: children.length === 0 ? unescape(text) : '' };
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replaceAll(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (whole, hex?: string, decimal?: string, name = '') => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return ENTITIES[String(name)] ?? whole;
  });
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** The text of an element; a document when `declaration` goes before it. */
export function writeXml(element: Element): string {
  const { name, attributes, children, text, raw } = element;
  const content = raw ?? (children.length > 0 ? children.map(writeXml).join('') : escape(text));
  return content === '' ? `<${name}${attributes}/>` : `<${name}${attributes}>${content}</${name}>`;
}

export const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** The first child of that name, along a path. */
export function childOf(element: Element | undefined, ...path: readonly string[]): Element | undefined {
  return path.reduce<Element | undefined>((from, name) => from?.children.find((child) => child.name === name), element);
}

/** The text of the element at the end of the path; undefined where there is none or it is empty. */
export function textOf(element: Element | undefined, ...path: readonly string[]): string | undefined {
  const text = childOf(element, ...path)?.text;
  return text === '' ? undefined : text;
}

/** The elements of a list: `<set><item>...`. */
export function itemsOf(element: Element | undefined, ...path: readonly string[]): readonly Element[] {
  return childOf(element, ...path)?.children ?? [];
}

/** Puts what `change` makes of each item of a list in its place; an item of which it makes undefined goes. */
export function mapItems(root: Element, list: string, change: (item: Element) => Element | undefined): Element {
  return withChild(root, list, (set) => ({ ...set, children: set.children.flatMap((item) => change(item) ?? []) }));
}

export function withChild(element: Element, name: string, change: (child: Element) => Element): Element {
  return { ...element, children: element.children.map((child) => (child.name === name ? change(child) : child)) };
}

/** Takes children out by their names and puts text, which is XML already, behind the others. */
export function replaceMembers(element: Element, names: ReadonlySet<string>, xml: string): Element {
  const kept = element.children.filter((child) => !names.has(child.name)).map(writeXml);
  return { ...element, raw: kept.join('') + xml };
}
