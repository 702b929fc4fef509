import { Ec2Error } from '../ec2-error.ts';
import type { ParameterNode } from './form.ts';
import type { Member, ShapeType, Structure } from './shapes.ts';
import { requestStructure } from './shapes.ts';

/** Parameters of the protocol and of signature version 2 or 4 in a query string: not the action's. */
const ENVELOPE = new Set([
  'Action',
  'Version',
  'AWSAccessKeyId',
  'Signature',
  'SignatureMethod',
  'SignatureVersion',
  'Timestamp',
  'Expires',
  'SecurityToken',
]);

/**
 * The SDK's input shape from the parameters of a request.
 * Throws `Ec2Error`: UnknownParameter, MissingParameter, InvalidParameterValue, InvalidQueryParameter.
 */
export function decodeRequest(shape: Structure, form: ParameterNode): Readonly<Record<string, unknown>> {
  const children = new Map([...form.children].filter(([name]) => !ENVELOPE.has(name) && !name.startsWith('X-Amz-')));
  return readStructure(shape, { ...form, children });
}

function readStructure(shape: Structure, node: ParameterNode): Record<string, unknown> {
  if (node.value !== undefined) throw unexpected(node, 'a structure');
  const result: Record<string, unknown> = {};
  for (const [name, child] of node.children) {
    const member = shape.byWire.get(name);
    if (member === undefined) {
      throw new Ec2Error('UnknownParameter', `The parameter ${child.path} is not recognized`);
    }
    result[member.member] = readValue(member.type, child);
  }
  for (const member of shape.byMember.values()) requirePresent(member, result, node);
  return result;
}

function requirePresent(member: Member, result: Readonly<Record<string, unknown>>, node: ParameterNode): void {
  if (!member.required || result[member.member] !== undefined) return;
  const path = node.path === '' ? member.wire : `${node.path}.${member.wire}`;
  throw new Ec2Error('MissingParameter', `The request must contain the parameter ${path}`);
}

function readValue(type: ShapeType, node: ParameterNode): unknown {
  switch (type.kind) {
    case 'structure':
      return readStructure(requestStructure(type.name), node);
    case 'list':
      return readList(type.of, node);
    case 'string':
      return scalar(node);
    case 'number':
      return readInteger(node);
    case 'boolean':
      return readBoolean(node);
    case 'timestamp':
      return readTimestamp(node);
    case 'blob':
      return Buffer.from(scalar(node), 'base64');
  }
}

/** Items are numbered from 1; gaps are closed, the order of the numbers counts. */
function readList(of: ShapeType, node: ParameterNode): readonly unknown[] {
  // An empty list is `Name=` in requests of the older query protocol.
  if (node.value !== undefined && (node.value !== '' || node.children.size > 0)) throw unexpected(node, 'a list');
  const numbered = [...node.children].map(([index, child]) => {
    if (!/^[1-9]\d{0,8}$/.test(index)) {
      throw new Ec2Error('UnknownParameter', `The parameter ${child.path} is not recognized`);
    }
    return { index: Number(index), child };
  });
  return numbered.toSorted((one, other) => one.index - other.index).map(({ child }) => readValue(of, child));
}

function scalar(node: ParameterNode): string {
  const [child] = node.children.values();
  if (child !== undefined) throw new Ec2Error('UnknownParameter', `The parameter ${child.path} is not recognized`);
  return node.value ?? '';
}

function readInteger(node: ParameterNode): number {
  const text = scalar(node);
  const value = /^-?\d+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) throw invalid(node, text, 'Expecting an integer.');
  return value;
}

function readBoolean(node: ParameterNode): boolean {
  const text = scalar(node);
  const lower = text.toLowerCase();
  if (lower !== 'true' && lower !== 'false') throw invalid(node, text, 'Expecting true or false.');
  return lower === 'true';
}

function readTimestamp(node: ParameterNode): Date {
  const text = scalar(node);
  const date = new Date(/^\d{4}-\d\d-\d\d/.test(text) ? text : NaN);
  if (Number.isNaN(date.getTime())) throw invalid(node, text, 'Expecting an ISO 8601 date.');
  return date;
}

function invalid(node: ParameterNode, text: string, reason: string): Ec2Error {
  return new Ec2Error('InvalidParameterValue', `Value (${text}) for parameter ${node.path} is invalid. ${reason}`);
}

function unexpected(node: ParameterNode, what: string): Ec2Error {
  return new Ec2Error('InvalidQueryParameter', `The parameter ${node.path} must be ${what}.`);
}
