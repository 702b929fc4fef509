import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { attribute, nestedAttribute } from './attributes.ts';
import { decodeConnection, deleteConnection } from './ctnetlink.ts';
import { NetlinkDecodeError } from './errors.ts';

const quad = fc.uint8Array({ minLength: 4, maxLength: 4 });
const text = (address: Uint8Array) => [...address].join('.');
const tuple = (type: number, source: Uint8Array, destination: Uint8Array) =>
  nestedAttribute(type, [
    nestedAttribute(1, [attribute(1, source), attribute(2, destination)]),
    nestedAttribute(2, [attribute(1, Uint8Array.of(6))]),
  ]);

describe('ctnetlink', () => {
  it('names every address of an entry, and deletes it by the very bytes that the kernel sent', () => {
    fc.assert(
      fc.property(quad, quad, quad, quad, quad, (a, b, c, d, id) => {
        const original = tuple(1, a, b);
        const body = Buffer.concat([Buffer.of(2, 0, 0, 0), original, tuple(2, c, d), attribute(12, id)]);
        const entry = decodeConnection(body);
        expect(entry?.addresses).toEqual(new Set([a, b, c, d].map(text)));
        const request = entry && deleteConnection(entry.key);
        expect(Buffer.from(request?.body ?? [])).toEqual(
          Buffer.concat([Buffer.of(2, 0, 0, 0), original, attribute(12, id)]),
        );
      }),
    );
  });

  it('passes over other families, and refuses what is cut short', () => {
    expect(decodeConnection(Buffer.of(10, 0, 0, 0))).toBeUndefined();
    expect(() => decodeConnection(Buffer.of(2, 0))).toThrow(NetlinkDecodeError);
    expect(() => decodeConnection(Buffer.of(2, 0, 0, 0))).toThrow(NetlinkDecodeError);
  });
});
