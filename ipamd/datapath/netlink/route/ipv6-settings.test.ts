import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { attribute, nestedAttribute, u32Attribute } from '../attributes.ts';
import { AF_INET, AF_INET6, IFLA, IFLA_INET6_CONF, IFLA_INET_CONF } from '../constants.ts';
import { decodeIpv6Settings } from './ipv6-settings.ts';

const HEADER = Buffer.alloc(16);

/** A link with both families, as far as they are told. */
function link(ipv6: readonly Buffer[]): Buffer {
  const ipv4 = nestedAttribute(AF_INET, [attribute(IFLA_INET_CONF, Buffer.alloc(132, 1))]);
  return Buffer.concat([
    HEADER,
    u32Attribute(IFLA.mtu, 1500),
    nestedAttribute(IFLA.addressFamilySpec, [ipv4, ...ipv6]),
  ]);
}

function settings(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => bytes.writeInt32LE(value, 4 * index));
  return nestedAttribute(AF_INET6, [u32Attribute(1, 0), attribute(IFLA_INET6_CONF, bytes)]);
}

describe('settings of IPv6 beside a link', () => {
  it('are the fourth and the twenty-seventh number, however many there are', () =>
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -1, max: 2 }), { maxLength: 60 }), (values) => {
        const [acceptRa, off] = [values[3], values[26]];
        const wanted = acceptRa === undefined || off === undefined ? undefined : { acceptRa, disabled: off !== 0 };
        expect(decodeIpv6Settings(link([settings(values)]))).toEqual(wanted);
      }),
    ));

  it('are none where the kernel tells nothing of IPv6, or of the family at all', () => {
    expect(decodeIpv6Settings(link([]))).toBeUndefined();
    expect(decodeIpv6Settings(link([nestedAttribute(AF_INET6, [])]))).toBeUndefined();
    expect(decodeIpv6Settings(HEADER)).toBeUndefined();
  });
});
