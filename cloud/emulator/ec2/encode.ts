import type { ShapeType, Structure } from './shapes.ts';
import { responseStructure } from './shapes.ts';

const NAMESPACE = 'http://ec2.amazonaws.com/doc/2016-11-15/';
const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n';

/**
 * The answer document of an action. A member that the schema does not have is a bug of the emulator and throws a
 * `TypeError`: silently leaving it out would let the emulator promise what no client can read.
 */
export function encodeResponse(
  action: string,
  shape: Structure | undefined,
  output: object,
  requestId: string,
): string {
  const body = shape === undefined ? element('return', 'true') : structure(shape, output, action);
  return `${DECLARATION}<${action}Response xmlns="${NAMESPACE}">${element('requestId', requestId)}${body}</${action}Response>`;
}

/** The elements of some members of a structure, to be put among those that another EC2 has written. */
export function encodeMembers(name: string, value: object): string {
  return structure(responseStructure(name), value, name);
}

/** The error document (EC2 API reference, "Error codes", "Example error response"). */
export function encodeError(code: string, message: string, requestId: string): string {
  const error = element('Code', escape(code)) + element('Message', escape(message));
  return `${DECLARATION}<Response><Errors><Error>${error}</Error></Errors>${element('RequestID', requestId)}</Response>`;
}

function structure(shape: Structure, value: object, path: string): string {
  return Object.entries(value)
    .map(([name, content]: [string, unknown]) => {
      if (content === undefined || content === null) return '';
      const member = shape.byMember.get(name);
      if (member === undefined) throw new TypeError(`${path} has no member ${name}`);
      return element(member.wire, encodeValue(member.type, content, `${path}.${name}`));
    })
    .join('');
}

function encodeValue(type: ShapeType, value: unknown, path: string): string {
  switch (type.kind) {
    case 'structure':
      if (typeof value !== 'object' || value === null) throw mismatch(path, type.kind);
      return structure(responseStructure(type.name), value, path);
    case 'list':
      if (!Array.isArray(value)) throw mismatch(path, type.kind);
      return value.map((item: unknown) => element(type.item, encodeValue(type.of, item, path))).join('');
    case 'timestamp':
      if (!(value instanceof Date)) throw mismatch(path, type.kind);
      return value.toISOString();
    case 'blob':
      if (!(value instanceof Uint8Array)) throw mismatch(path, type.kind);
      return Buffer.from(value).toString('base64');
    case 'string':
    case 'number':
    case 'boolean':
      if (typeof value !== type.kind) throw mismatch(path, type.kind);
      return escape(String(value));
  }
}

function element(name: string, content: string): string {
  return content === '' ? `<${name}/>` : `<${name}>${content}</${name}>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  '\r': '&#13;',
};

/** Text as element content. XML 1.0 has no way to write most control characters and lone surrogates: they become U+FFFD. */
export function escape(text: string): string {
  return text
    .toWellFormed()
    .replace(/(?![\t\n\r\x7f-\x9f])\p{Cc}|[\ufffe\uffff]/gu, '\ufffd')
    .replace(/[&<>"\r]/g, (character) => ENTITIES[character] ?? character);
}

function mismatch(path: string, kind: string): TypeError {
  return new TypeError(`${path} is not a ${kind}`);
}
