import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { attribute, plainNestedAttribute, textAttribute, u32Attribute, u8Attribute } from './attributes.ts';
import { beginBody, type BodyWriter } from './body.ts';

/** An attribute as a piece of a body, written and made of buffers. */
interface Piece {
  readonly write: (body: BodyWriter) => void;
  readonly bytes: Buffer;
}

const type = fc.nat(0x3fff);
const leaf: fc.Arbitrary<Piece> = fc.oneof(
  fc.tuple(type, fc.nat(0xff)).map(([of, value]) => ({
    write: (body: BodyWriter) => body.u8(of, value),
    bytes: u8Attribute(of, value),
  })),
  fc.tuple(type, fc.nat(0xffffffff)).map(([of, value]) => ({
    write: (body: BodyWriter) => body.u32(of, value),
    bytes: u32Attribute(of, value),
  })),
  fc.tuple(type, fc.uint8Array({ maxLength: 700 })).map(([of, value]) => ({
    write: (body: BodyWriter) => body.bytes(of, value),
    bytes: attribute(of, value),
  })),
  fc.tuple(type, fc.string({ unit: 'grapheme', maxLength: 300 })).map(([of, value]) => ({
    write: (body: BodyWriter) => body.text(of, value),
    bytes: attribute(of, Buffer.from(value)),
  })),
  fc.tuple(type, fc.string({ unit: 'grapheme', maxLength: 300 })).map(([of, value]) => ({
    write: (body: BodyWriter) => body.terminatedText(of, value),
    bytes: textAttribute(of, value),
  })),
);
const nest: fc.Arbitrary<Piece> = fc.tuple(type, fc.array(leaf, { maxLength: 5 })).map(([of, pieces]) => ({
  write: (body: BodyWriter) => {
    const opened = body.open(of);
    for (const { write } of pieces) write(body);
    body.close(opened);
  },
  bytes: plainNestedAttribute(
    of,
    pieces.map(({ bytes }) => bytes),
  ),
}));

describe('a body that is written piece by piece', () => {
  it('is what its pieces are one after the other, whatever was written before it', () =>
    fc.assert(
      fc.property(fc.nat(40), fc.array(fc.oneof(leaf, nest), { maxLength: 12 }), (header, pieces) => {
        const body = beginBody(header);
        for (const { write } of pieces) write(body);
        const wanted = Buffer.concat([Buffer.alloc(header), ...pieces.map(({ bytes }) => bytes)]);
        expect(body.finish().toString('hex')).toBe(wanted.toString('hex'));
      }),
    ));

  it('is not changed by the next one', () => {
    const first = beginBody(4);
    first.u32(1, 7);
    const bytes = first.finish();
    const before = bytes.toString('hex');
    beginBody(40).finish();
    expect(bytes.toString('hex')).toBe(before);
  });
});
