import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Address6 } from 'ip-address';
import { addressBytes, addressText, canonicalAddress, familyOf } from './ip.ts';

/** Many zeros, so that runs of them occur. */
const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
const bytes16 = fc
  .array(group, { minLength: 8, maxLength: 8 })
  .map((groups) => Buffer.from(groups.flatMap((value) => [value >> 8, value & 255])));

describe('addresses', () => {
  it('are written as RFC 5952 says, and every spelling leads to the same bytes', () => {
    fc.assert(
      fc.property(bytes16, (bytes) => {
        const other = Address6.fromByteArray([...bytes]);
        expect(addressText(bytes)).toBe(other.correctForm());
        for (const text of [
          other.correctForm(),
          other.canonicalForm(),
          other.to4in6(),
          other.correctForm().toUpperCase(),
        ])
          expect(addressBytes(text)).toEqual(bytes);
      }),
    );
    fc.assert(fc.property(fc.ipV4(), (text) => expect(addressText(addressBytes(text))).toBe(text)));
  });

  it.each(['', '10.0.0', '10.0.0.256', 'fe80::1%eth0', '1::2::3', '2001:db8::/64', 'nowhere'])('refuses %j', (text) => {
    expect(() => familyOf(text)).toThrow(expect.objectContaining({ code: 'kernel-refused' }));
    expect(() => canonicalAddress(text)).toThrow(expect.objectContaining({ code: 'kernel-refused' }));
  });

  it('refuses bytes of any other length', () => {
    for (const length of [0, 3, 5, 15, 17]) expect(() => addressText(Buffer.alloc(length))).toThrow(/address of/);
  });
});
