import { ACTIONS, REQUESTS, RESPONSES } from './shapes.generated.ts';

/** Member of a structure -> `<name on the wire> <type>`; see the head of shapes.generated.ts. */
export type StructureTable = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** Action -> the names of its request and response structures; `null` where EC2 answers with `<return>` alone. */
export type ActionShapes = Readonly<
  Record<string, { readonly request: string | null; readonly response: string | null }>
>;

export type ShapeType =
  | { readonly kind: 'string' | 'number' | 'boolean' | 'timestamp' | 'blob' }
  | { readonly kind: 'list'; readonly of: ShapeType; readonly item: string }
  | { readonly kind: 'structure'; readonly name: string };

export interface Member {
  /** The SDK's name, e.g. `NetworkInterfaceIds`. */
  readonly member: string;
  /** The name on the wire, e.g. `NetworkInterfaceId` in a request, `networkInterfaceSet` in an answer. */
  readonly wire: string;
  readonly type: ShapeType;
  readonly required: boolean;
}

/** What one action takes and gives. */
export interface ActionShape {
  readonly request: Structure;
  readonly response: Structure | undefined;
}

export interface Structure {
  readonly byMember: ReadonlyMap<string, Member>;
  readonly byWire: ReadonlyMap<string, Member>;
}

const SIMPLE = new Set(['string', 'number', 'boolean', 'timestamp', 'blob']);

/** Request structure by name; parsed once. */
export const requestStructure = structures(REQUESTS);

/** Response structure by name; parsed once. */
export const responseStructure = structures(RESPONSES);

/** `undefined` for an action that is not in the table. */
export function actionShape(action: string): ActionShape | undefined {
  const shapes = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  if (shapes === undefined) return undefined;
  return {
    request: shapes.request === null ? EMPTY : requestStructure(shapes.request),
    response: shapes.response === null ? undefined : responseStructure(shapes.response),
  };
}

const EMPTY: Structure = { byMember: new Map(), byWire: new Map() };

function structures(table: StructureTable): (name: string) => Structure {
  const parsed = new Map<string, Structure>();
  return (name) => {
    const known = parsed.get(name);
    if (known !== undefined) return known;
    const entries = Object.entries(table[name] ?? {}).map(([member, text]) => parseMember(member, text));
    const structure = {
      byMember: new Map(entries.map((entry) => [entry.member, entry])),
      byWire: new Map(entries.map((entry) => [entry.wire, entry])),
    };
    parsed.set(name, structure);
    return structure;
  };
}

function parseMember(member: string, text: string): Member {
  const [wire = '', type = ''] = text.split(' ');
  const required = type.endsWith('!');
  return { member, wire, type: parseType(required ? type.slice(0, -1) : type), required };
}

function parseType(text: string): ShapeType {
  const list = /^(.*)\[(\w*)\]$/.exec(text);
  if (list !== null) return { kind: 'list', of: parseType(list[1] ?? ''), item: list[2] || 'item' };
  if (SIMPLE.has(text)) return { kind: text as 'string' };
  return { kind: 'structure', name: text };
}
