import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { ProtocolError } from './errors.ts';
import { FrameDecoder, encodeFrame } from './frame.ts';

/** JSON values as they come back from JSON: `-0` has no JSON form. */
const jsonValue = fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown);

/** Cuts `bytes` at the given places (taken modulo the length). */
function cut(bytes: Uint8Array, places: readonly number[]): readonly Uint8Array[] {
  const sorted = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...sorted].map((start, index) => bytes.subarray(start, sorted[index] ?? bytes.length));
}

function decodeAll(chunks: readonly Uint8Array[], limit?: number): readonly unknown[] {
  const decoder = new FrameDecoder(limit);
  return chunks.flatMap((chunk) => decoder.push(chunk));
}

describe('frames', () => {
  it('come back whole, however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(jsonValue, { maxLength: 6 }), fc.array(fc.nat(), { maxLength: 20 }), (values, places) => {
        const bytes = Buffer.concat(values.map((value) => encodeFrame(value)));
        expect(decodeAll(cut(bytes, places))).toEqual(values);
        expect(decodeAll([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(values);
      }),
    );
  });

  it('decode or fail with a ProtocolError, whatever the bytes', () => {
    const header = fc.nat({ max: 300 }).map((length) => Uint8Array.of(0, 0, length >> 8, length & 0xff));
    const junk = fc.array(fc.oneof(fc.uint8Array({ maxLength: 300 }), header), { maxLength: 8 });
    fc.assert(
      fc.property(junk, (chunks) => {
        try {
          expect(Array.isArray(decodeAll(chunks, 256))).toBe(true);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
    );
  });

  it('are refused by their header when they announce too much, before their body is there', () => {
    const decoder = new FrameDecoder(10);
    expect(decoder.push(Uint8Array.of(0, 0, 0))).toEqual([]);
    expect(() => decoder.push(Uint8Array.of(11))).toThrow(expect.objectContaining({ code: 'too-large' }));
    expect(() => encodeFrame('12345678901', 10)).toThrow(expect.objectContaining({ code: 'too-large' }));
    expect(() => encodeFrame(undefined)).toThrow(expect.objectContaining({ code: 'malformed' }));
  });

  it('that are unfinished show as pending bytes', () => {
    const decoder = new FrameDecoder();
    const bytes = encodeFrame({ a: 1 });
    decoder.push(bytes.subarray(0, 6));
    expect(decoder.pendingBytes).toBe(6);
    expect(decoder.push(bytes.subarray(6))).toEqual([{ a: 1 }]);
    expect(decoder.pendingBytes).toBe(0);
  });

  it('must be UTF-8 and JSON', () => {
    expect(() => decodeAll([Uint8Array.of(0, 0, 0, 2, 0xc3, 0x28)])).toThrow(/UTF-8/);
    expect(() => decodeAll([Uint8Array.of(0, 0, 0, 0)])).toThrow(/not JSON/);
  });
});
