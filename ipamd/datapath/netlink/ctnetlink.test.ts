import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { addressText } from '../ip.ts';
import { attribute, nestedAttribute } from './attributes.ts';
import { decodeConnection, deleteConnection } from './ctnetlink.ts';
import { NetlinkDecodeError } from './errors.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const four = (length: number) => fc.tuple(bytes(length), bytes(length), bytes(length), bytes(length));
const tuple = (type: number, source: Uint8Array, destination: Uint8Array) =>
  nestedAttribute(type, [
    nestedAttribute(1, [
      attribute(source.length === 4 ? 1 : 3, source),
      attribute(source.length === 4 ? 2 : 4, destination),
    ]),
    nestedAttribute(2, [attribute(1, Uint8Array.of(6))]),
  ]);

describe('ctnetlink', () => {
  it('names every address of an entry, and deletes it by the very bytes that the kernel sent', () => {
    fc.assert(
      fc.property(fc.oneof(four(4), four(16)), bytes(4), ([a, b, c, d], id) => {
        const header = Buffer.of(a.length === 4 ? 2 : 10, 0, 0, 0);
        const original = tuple(1, a, b);
        const body = Buffer.concat([header, original, tuple(2, c, d), attribute(12, id)]);
        const entry = decodeConnection(body);
        expect(entry?.addresses).toEqual(new Set([a, b, c, d].map(addressText)));
        const request = entry && deleteConnection(entry.key);
        expect(Buffer.from(request?.body ?? [])).toEqual(Buffer.concat([header, original, attribute(12, id)]));
      }),
    );
  });

  it('passes over other families, and refuses what is cut short', () => {
    expect(decodeConnection(Buffer.of(7, 0, 0, 0))).toBeUndefined();
    expect(() => decodeConnection(Buffer.of(10, 0, 0, 0))).toThrow(NetlinkDecodeError);
    expect(() => decodeConnection(Buffer.of(2, 0))).toThrow(NetlinkDecodeError);
    expect(() => decodeConnection(Buffer.of(2, 0, 0, 0))).toThrow(NetlinkDecodeError);
  });
});
