/**
 * Writes `shapes.generated.ts`: what the EC2 Query protocol calls each parameter and each answer element, read from the
 * schemas that the SDK itself serializes with. The emulator then needs no SDK to run, and a test tells when they differ.
 *
 *   node cloud/emulator/ec2/generate-shapes.ts
 */
import { writeFileSync } from 'node:fs';
import * as sdk from '@aws-sdk/client-ec2';
import { ACTION_CLASSES } from './actions.data.ts';

/** How the SDK's schema arrays are read: smithy "static schema" layout, by position. */
const KIND = { simple: 0, list: 1, structure: 3 } as const;
/** Added to a simple type's number: a list of it. */
const INLINE_LIST = 64;
const SIMPLE_TYPES: Readonly<Record<number, string>> = {
  0: 'string',
  1: 'number',
  2: 'boolean',
  4: 'timestamp',
  5: 'timestamp',
  21: 'blob',
};

type Traits = number | { readonly xmlName?: string; readonly ec2QueryName?: string } | undefined;
type Face = 'request' | 'response';
type Shapes = Record<string, Record<string, string>>;

interface Structure {
  readonly name: string;
  readonly members: readonly string[];
  readonly schemas: readonly unknown[];
  readonly required: number;
}

function resolve(schema: unknown): unknown {
  return typeof schema === 'function' ? resolve((schema as () => unknown)()) : schema;
}

/** A member is a schema, or the pair of a schema and the traits it has in this place. */
function splitTraits(member: unknown): { schema: unknown; traits: Traits } {
  const value = resolve(member);
  if (Array.isArray(value) && value.length === 2 && typeof value[0] !== 'string' && !isSchema(value)) {
    return { schema: resolve(value[0]), traits: value[1] as Traits };
  }
  return { schema: value, traits: undefined };
}

function isSchema(value: readonly unknown[]): boolean {
  return typeof value[0] === 'number' && typeof value[1] === 'string';
}

function asStructure(schema: unknown): Structure | undefined {
  if (!Array.isArray(schema) || schema[0] !== KIND.structure) return undefined;
  const [, , name, , members, schemas, required] = schema as [
    number,
    string,
    string,
    Traits,
    string[],
    unknown[],
    number?,
  ];
  return { name, members, schemas, required: required ?? 0 };
}

function elementName(member: string, traits: Traits, face: Face): string {
  const named = typeof traits === 'object' ? traits : {};
  if (face === 'response') return named.xmlName ?? member;
  if (named.ec2QueryName !== undefined) return named.ec2QueryName;
  const name = named.xmlName ?? member;
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function typeOf(schema: unknown, face: Face, shapes: Shapes): string {
  if (typeof schema === 'number') return typeOfNumber(schema, face);
  const structure = asStructure(schema);
  if (structure !== undefined) return collect(structure, face, shapes);
  if (Array.isArray(schema) && schema[0] === KIND.list) {
    const item = splitTraits(schema[4]);
    const named = typeof item.traits === 'object' ? item.traits.xmlName : undefined;
    return typeOf(item.schema, face, shapes) + listSuffix(named, face);
  }
  if (Array.isArray(schema) && schema[0] === KIND.simple) return typeOf(schema[4], face, shapes);
  throw new Error(`schema ${JSON.stringify(schema)} is not known here`);
}

function typeOfNumber(schema: number, face: Face): string {
  const type = SIMPLE_TYPES[schema & ~INLINE_LIST];
  if (type === undefined) throw new Error(`schema ${schema} is not known here`);
  return (schema & INLINE_LIST) === 0 ? type : type + listSuffix(undefined, face);
}

/** The items of a list are numbered in a request and are elements in an answer: `item`, with few exceptions. */
function listSuffix(itemName: string | undefined, face: Face): string {
  return face === 'request' || itemName === 'item' ? '[]' : `[${itemName ?? 'member'}]`;
}

/** Adds a structure and all it refers to; answers with its name. */
function collect(structure: Structure, face: Face, shapes: Shapes): string {
  if (shapes[structure.name] !== undefined) return structure.name;
  const members: Record<string, string> = {};
  shapes[structure.name] = members;
  structure.members.forEach((member, index) => {
    const { schema, traits } = splitTraits(structure.schemas[index]);
    const name = elementName(member, traits, face);
    const type = typeOf(schema, face, shapes);
    const mandatory = face === 'request' && index < structure.required ? '!' : '';
    members[member] = `${name} ${type}${mandatory}`;
  });
  return structure.name;
}

function topLevel(schema: unknown, face: Face, shapes: Shapes): string | null {
  const structure = asStructure(resolve(schema));
  return structure === undefined || structure.name === 'Unit' ? null : collect(structure, face, shapes);
}

/** The table's text, from the SDK as installed. */
export function generateShapes(): string {
  const requests: Shapes = {};
  const responses: Shapes = {};
  const actions = Object.keys(ACTION_CLASSES).map((action) => {
    const operation = (sdk as unknown as Record<string, readonly unknown[]>)[`${action}$`];
    if (operation === undefined) throw new Error(`the SDK has no action ${action}`);
    const [, , , , input, output] = operation;
    return { action, request: topLevel(input, 'request', requests), response: topLevel(output, 'response', responses) };
  });
  return [
    '// Generated by generate-shapes.ts from the schemas of @aws-sdk/client-ec2. Do not edit.',
    '// Members read "<name on the wire> <type>"; "[]" is a list (of elements called "item", or as the brackets say),',
    '// "!" a parameter that EC2 requires.',
    "import type { ActionShapes, StructureTable } from './shapes.ts';",
    '',
    `export const ACTIONS: ActionShapes = {`,
    ...actions.map(
      ({ action, request, response }) => `  ${action}: { request: ${quote(request)}, response: ${quote(response)} },`,
    ),
    '};',
    '',
    table('REQUESTS', requests),
    '',
    table('RESPONSES', responses),
    '',
  ].join('\n');
}

function quote(name: string | null): string {
  return name === null ? 'null' : `'${name}'`;
}

function table(name: string, shapes: Shapes): string {
  const structures = Object.entries(shapes).map(([shape, members]) => {
    const lines = Object.entries(members).map(([member, element]) => `    ${member}: '${element}',`);
    return [`  ${shape}: {`, ...lines, '  },'].join('\n');
  });
  return [`export const ${name}: StructureTable = {`, ...structures, '};'].join('\n');
}

if (import.meta.main) writeFileSync(new URL('./shapes.generated.ts', import.meta.url), generateShapes());
