import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Address4 } from 'ip-address';
import {
  blockSize,
  cidr,
  compareBlocks,
  compareIpv4,
  contains,
  formatCidr,
  formatIpv4,
  ipv4,
  nthAddress,
  overlaps,
  parseCidr,
  parseIpv4,
} from './address.ts';

const address = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const block = fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([any, prefixLength]) => {
  const size = 2 ** (32 - prefixLength);
  return { base: any - (any % size), prefixLength };
});

describe('addresses', () => {
  it('are read and written as another library does', () => {
    fc.assert(
      fc.property(address, (value) => {
        const text = formatIpv4(value);
        expect(text).toBe(Address4.fromBigInt(BigInt(value)).correctForm());
        expect(parseIpv4(text)).toBe(value);
      }),
    );
  });

  it.each(['', '1.2.3', '1.2.3.4.5', '01.2.3.4', '256.0.0.1', '1.2.3.-4', ' 1.2.3.4', '1.2.3.4\n', '0x1.2.3.4', '::1'])(
    'are refused where malformed: %j',
    (text) => {
      expect(parseIpv4(text)).toBeUndefined();
      expect(() => ipv4(text)).toThrow(RangeError);
    },
  );

  it('are read exactly where a pattern that spells them out has them, in texts that are nearly addresses', () => {
    const octet = '(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)';
    const pattern = new RegExp(`^${octet}\\.${octet}\\.${octet}\\.${octet}$`);
    const piece = fc.constantFrom(
      '0',
      '00',
      '01',
      '9',
      '10',
      '99',
      '199',
      '249',
      '255',
      '256',
      '300',
      '1000',
      '',
      '.',
      'a',
      '-1',
    );
    const texts = fc.oneof(
      fc.array(piece, { minLength: 3, maxLength: 5 }).map((pieces) => pieces.join('.')),
      fc.string({ unit: fc.constantFrom('0', '1', '2', '5', '9', '.', '/', ':', '٣'), maxLength: 16 }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const match = pattern.exec(text);
        const value = match?.slice(1).reduce((sum, one) => sum * 256 + Number(one), 0);
        expect(parseIpv4(text)).toBe(value);
      }),
      { numRuns: 1000 },
    );
  });

  it('keep the order of their numbers above 2^31', () => {
    expect(compareIpv4(ipv4('200.0.0.1'), ipv4('10.0.0.1'))).toBeGreaterThan(0);
  });
});

describe('blocks', () => {
  it('survive text, hold their first and last address and no other', () => {
    fc.assert(
      fc.property(block, address, (one, any) => {
        expect(parseCidr(formatCidr(one))).toEqual(one);
        expect(blockSize(one)).toBe(2 ** (32 - one.prefixLength));
        const last = nthAddress(one, blockSize(one) - 1);
        expect(contains(one, nthAddress(one, 0)) && contains(one, last)).toBe(true);
        const known = new Address4(formatIpv4(any)).isInSubnet(new Address4(formatCidr(one)));
        expect(contains(one, any)).toBe(known);
      }),
    );
  });

  it('overlap exactly where one holds the other, in either order', () => {
    fc.assert(
      fc.property(block, block, (a, b) => {
        const apart = a.base + blockSize(a) <= b.base || b.base + blockSize(b) <= a.base;
        expect(overlaps(a, b)).toBe(!apart);
        expect(overlaps(b, a)).toBe(!apart);
        expect(Math.sign(compareBlocks(a, b))).toBe(-Math.sign(compareBlocks(b, a)) + 0);
      }),
    );
  });

  it.each(['10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.1/28', '/28', '10.0.0.0/28/1', 'fd00::/80'])(
    'are refused where malformed: %j',
    (text) => {
      expect(parseCidr(text)).toBeUndefined();
      expect(() => cidr(text)).toThrow(RangeError);
    },
  );

  it('have no address beyond their end', () => {
    expect(formatIpv4(nthAddress(cidr('10.0.0.16/28'), 15))).toBe('10.0.0.31');
    expect(() => nthAddress(cidr('10.0.0.16/28'), 16)).toThrow(RangeError);
    expect(() => nthAddress(cidr('10.0.0.16/28'), -1)).toThrow(RangeError);
  });
});
