import { Ec2Error } from '../ec2-error.ts';

/** Parameters as their dots nest them: `Filter.1.Name=x` is Filter -> 1 -> Name -> "x". */
export interface ParameterNode {
  /** The parameter as the client wrote it up to here, e.g. `Filter.1`; for messages. */
  readonly path: string;
  value: string | undefined;
  readonly children: Map<string, ParameterNode>;
}

/** More than any EC2 request has; a bound on what one request can make us hold. */
const MAX_PARAMETERS = 20_000;
const MAX_DEPTH = 16;

/**
 * Reads an `application/x-www-form-urlencoded` text.
 * Throws `Ec2Error`: MalformedQueryString (bad percent encoding), InvalidQueryParameter (a name given twice, nested too
 * deep, or both a value and a structure).
 */
export function parseForm(text: string): ParameterNode {
  const root: ParameterNode = { path: '', value: undefined, children: new Map() };
  const pairs = text.split('&', MAX_PARAMETERS + 1);
  if (pairs.length > MAX_PARAMETERS) throw malformed('The request has too many parameters.');
  for (const pair of pairs) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    place(root, name, equals < 0 ? '' : decode(pair.slice(equals + 1)));
  }
  return root;
}

function place(root: ParameterNode, name: string, value: string): void {
  const segments = name.split('.', MAX_DEPTH + 1);
  if (segments.length > MAX_DEPTH) throw unusable(`The parameter ${name.slice(0, 200)} is nested too deep.`);
  let node = root;
  for (const segment of segments) {
    if (segment === '') throw unusable(`The parameter name '${name}' is not valid.`);
    let child = node.children.get(segment);
    if (child === undefined) {
      child = { path: node.path === '' ? segment : `${node.path}.${segment}`, value: undefined, children: new Map() };
      node.children.set(segment, child);
    }
    node = child;
  }
  if (node.value !== undefined) throw unusable(`The parameter ${name} is given twice.`);
  node.value = value;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw malformed('The query string contains a percent sequence that is not UTF-8.');
  }
}

function malformed(message: string): Ec2Error {
  return new Ec2Error('MalformedQueryString', message);
}

function unusable(message: string): Ec2Error {
  return new Ec2Error('InvalidQueryParameter', message);
}
