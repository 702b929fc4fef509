import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { addressText } from '../ip.ts';
import { isSameOwn, ownAddresses } from './own-addresses.ts';

const SERVICES = 7;
const address = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }).map(addressText),
  fc.uint8Array({ minLength: 16, maxLength: 16 }).map(addressText),
);
const onLink = (index: fc.Arbitrary<number>) => fc.record({ index, address });

describe('own addresses', () => {
  const ofNode = fc.array(onLink(fc.integer({ min: 1, max: SERVICES - 1 })), { maxLength: 8 });
  const ofServices = fc.array(onLink(fc.constant(SERVICES)), { maxLength: 8 });

  it('are those of all links but that of services, which change nothing, in whatever order', () => {
    fc.assert(
      fc.property(ofNode, ofServices, (node, services) => {
        const own = ownAddresses([...services, ...node], SERVICES);
        expect(isSameOwn(own, ownAddresses(node.toReversed(), SERVICES))).toBe(true);
        const cidrs = [...own.ipv4.cidrs, ...own.ipv6.cidrs];
        const expected = new Set(node.map(({ address }) => `${address}/${address.includes(':') ? 128 : 32}`));
        expect(new Set(cidrs)).toEqual(expected.add('127.0.0.0/8'));
      }),
    );
  });

  it('differ from none at all, and by each address', () => {
    const one = ownAddresses([{ index: 1, address: '10.0.0.10' }], SERVICES);
    expect(isSameOwn(undefined, undefined)).toBe(true);
    expect(isSameOwn(one, undefined)).toBe(false);
    expect(isSameOwn(one, ownAddresses([{ index: 1, address: '10.0.0.11' }], SERVICES))).toBe(false);
    expect(isSameOwn(one, ownAddresses([{ index: 1, address: 'fd00::1' }], SERVICES))).toBe(false);
  });
});
