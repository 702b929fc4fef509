/**
 * The wire tables against the SDK itself: what it serializes we read, what we write it reads, for every action and every
 * member, with values made up by fast-check.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import * as sdk from '@aws-sdk/client-ec2';
import * as fc from 'fast-check';
import { ACTION_CLASSES } from '#cloud/emulator/ec2/actions.data.ts';
import { decodeRequest } from '#cloud/emulator/ec2/decode.ts';
import { encodeResponse } from '#cloud/emulator/ec2/encode.ts';
import { parseForm } from '#cloud/emulator/ec2/form.ts';
import { generateShapes } from '#cloud/emulator/ec2/generate-shapes.ts';
import type { ActionShape, ShapeType, Structure } from '#cloud/emulator/ec2/shapes.ts';
import { actionShape, requestStructure, responseStructure } from '#cloud/emulator/ec2/shapes.ts';

const ACTIONS = Object.keys(ACTION_CLASSES);

type Command = new (input: object) => never;
type Lookup = (name: string) => Structure;

/** Runs a command against an HTTP handler that is a function; no socket is involved. */
async function exchange(
  action: string,
  input: object,
  respond: () => string,
): Promise<{ body: string; output: object }> {
  let body = '';
  const client = new sdk.EC2Client({
    region: 'eu-test-1',
    credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
    maxAttempts: 1,
    requestHandler: {
      handle: (request: { body: string }) => {
        body = request.body;
        const response = { statusCode: 200, headers: {}, body: new TextEncoder().encode(respond()) };
        return Promise.resolve({ response });
      },
    } as never,
  });
  const CommandOf = (sdk as unknown as Record<string, Command>)[`${action}Command`]!;
  const { $metadata: _, ...output } = (await client.send(new CommandOf(input))) as { $metadata: unknown };
  client.destroy();
  return { body, output };
}

function shapeOf(action: string): ActionShape {
  const shape = actionShape(action);
  if (shape === undefined) throw new Error(`${action} has no shape`);
  return shape;
}

function valueOf(type: ShapeType, lookup: Lookup, depth: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'string':
      return fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).filter((text) => text.trim() === text);
    case 'number':
      return fc.integer();
    case 'boolean':
      return fc.boolean();
    case 'timestamp':
      return fc.date({ min: new Date('1990-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
    case 'blob':
      return fc.uint8Array({ minLength: 1, maxLength: 8 });
    case 'list':
      return fc.array(valueOf(type.of, lookup, depth + 1), { minLength: 1, maxLength: 2 });
    case 'structure':
      return structureOf(lookup(type.name), lookup, depth);
  }
}

/** A few members of a structure, required ones always, never none: an empty structure leaves no trace on the wire. */
function structureOf(shape: Structure, lookup: Lookup, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const members = [...shape.byMember.values()];
  const required = members.filter((member) => member.required);
  const simple = members.filter((member) => !['structure', 'list'].includes(member.type.kind));
  const pool = depth > 3 && simple.length > 0 ? simple : members;
  if (pool.length === 0) return fc.constant({});
  return fc.subarray(pool, { minLength: 1, maxLength: Math.min(4, pool.length) }).chain((chosen) => {
    const all = new Set([...required, ...chosen]);
    return fc.record(
      Object.fromEntries([...all].map(({ member, type }) => [member, valueOf(type, lookup, depth + 1)])),
    );
  });
}

describe('the tables of the EC2 wire', () => {
  it('are what the installed SDK says', () => {
    const stored = readFileSync(new URL('../../cloud/emulator/ec2/shapes.generated.ts', import.meta.url), 'utf8');
    expect(stored).toBe(generateShapes());
  });

  it.each(ACTIONS)('read what the SDK writes: %s', async (action) => {
    const { request, response } = shapeOf(action);
    await fc.assert(
      fc.asyncProperty(structureOf(request, requestStructure, 0), async (input) => {
        const { body } = await exchange(action, input, () => encodeResponse(action, response, {}, 'id'));
        const { ClientToken: made, ...read } = decodeRequest(request, parseForm(body));
        // The SDK makes up a client token where none is given.
        expect(input['ClientToken'] === undefined ? read : { ...read, ClientToken: made }).toEqual(input);
      }),
      { numRuns: 15 },
    );
  });

  it.each(ACTIONS)('write what the SDK reads: %s', async (action) => {
    const { request, response } = shapeOf(action);
    const shape = response ?? request;
    const outputs = response === undefined ? fc.constant({}) : structureOf(shape, responseStructure, 0);
    const [input] = fc.sample(structureOf(request, requestStructure, 0), { numRuns: 1, seed: 1 });
    await fc.assert(
      fc.asyncProperty(outputs, async (output) => {
        const { output: read } = await exchange(action, input ?? {}, () =>
          encodeResponse(action, response, output, 'id'),
        );
        expect(read).toEqual(output);
      }),
      { numRuns: 15 },
    );
  });

  it('refuse to write a member that the SDK could not read', () => {
    expect(() => encodeResponse('CreateVpc', shapeOf('CreateVpc').response, { Vcp: {} }, 'id')).toThrow(TypeError);
  });

  it('write text so that it survives XML', async () => {
    const hostile = '<a b="c">&amp;\r\n\u2028]]> \ud83d\ude00';
    const { output } = await exchange('DescribeTags', {}, () =>
      encodeResponse('DescribeTags', shapeOf('DescribeTags').response, { Tags: [{ Key: 'k', Value: hostile }] }, 'id'),
    );
    expect(output).toEqual({ Tags: [{ Key: 'k', Value: hostile }] });
  });
});
