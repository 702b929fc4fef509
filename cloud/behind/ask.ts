/** EC2's actions in the SDK's shapes over the Query protocol, without the SDK. */
import type { Ec2Action, InputOf, OutputOf } from '../emulator/ec2-actions.ts';
import type { ShapeType, Structure } from '../emulator/ec2/shapes.ts';
import { actionShape, requestStructure, responseStructure } from '../emulator/ec2/shapes.ts';
import type { Parameters, Signer, Upstream } from './upstream.ts';
import type { Element } from './xml.ts';

/** Asks an EC2 endpoint. Rejects with `Ec2Error`. */
export async function askEc2<A extends Ec2Action>(
  upstream: Upstream,
  signer: Signer,
  action: A,
  input: InputOf<A>,
): Promise<OutputOf<A>> {
  const shape = actionShape(action);
  if (shape === undefined) throw new TypeError(`${action} has no shape`);
  const parameters = structureParameters(shape.request, input, '');
  const root = await upstream.ask([['Action', action], ...parameters], signer);
  // The shapes are those that the type is made of.
  return (shape.response === undefined ? {} : readStructure(shape.response, root)) as OutputOf<A>;
}

function structureParameters(shape: Structure, value: object, path: string): Parameters {
  return Object.entries(value).flatMap(([name, content]: [string, unknown]) => {
    const member = shape.byMember.get(name);
    if (member === undefined) throw new TypeError(`there is no parameter ${path}${name}`);
    return content === undefined ? [] : valueParameters(member.type, content, path + member.wire);
  });
}

function valueParameters(type: ShapeType, value: unknown, path: string): Parameters {
  if (type.kind === 'list') {
    return (value as readonly unknown[]).flatMap((item, index) =>
      valueParameters(type.of, item, `${path}.${index + 1}`),
    );
  }
  if (type.kind === 'structure') {
    return structureParameters(requestStructure(type.name), value as object, `${path}.`);
  }
  return [[path, String(value)]];
}

function readStructure(shape: Structure, element: Element): Readonly<Record<string, unknown>> {
  const entries = element.children.flatMap((child) => {
    const member = shape.byWire.get(child.name);
    return member === undefined ? [] : [[member.member, readValue(member.type, child)] as const];
  });
  return Object.fromEntries(entries);
}

function readValue(type: ShapeType, element: Element): unknown {
  switch (type.kind) {
    case 'list':
      return element.children.map((item) => readValue(type.of, item));
    case 'structure':
      return readStructure(responseStructure(type.name), element);
    case 'number':
      return Number(element.text);
    case 'boolean':
      return element.text === 'true';
    case 'timestamp':
      return new Date(element.text);
    case 'blob':
      return Buffer.from(element.text, 'base64');
    case 'string':
      return element.text;
  }
}
