import { isIPv6 } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { canonicalIpv6, formatIpv6, formatIpv6Prefix, IPV6_PREFIX_SIZE, parseIpv6, parseIpv6Prefix } from './ipv6.ts';

const group = fc.oneof(fc.constant(0), fc.constant(0), fc.nat(0xffff));
const groups = fc.array(group, { minLength: 8, maxLength: 8 });
const spelled = groups.map((all) => all.map((one) => one.toString(16)).join(':'));

describe('an IPv6 address', () => {
  it('is written as a URL parser writes it, whatever it is', () => {
    fc.assert(
      fc.property(spelled, (text) => {
        expect(`[${canonicalIpv6(text)}]`).toBe(new URL(`http://[${text}]/`).hostname);
      }),
      { numRuns: 1000 },
    );
  });

  it('is read from its own writing, and is the same by prefix and position', () => {
    fc.assert(
      fc.property(spelled, fc.nat(IPV6_PREFIX_SIZE - 1), (text, position) => {
        const network = parseIpv6(text)?.network ?? '';
        const address = { network, position };
        expect(parseIpv6(formatIpv6(address))).toEqual(address);
        expect(parseIpv6Prefix(formatIpv6Prefix(address))).toEqual({ network, position: 0 });
      }),
      { numRuns: 1000 },
    );
  });

  it('is told from what is none as node:net tells it', () => {
    const noise = fc.array(fc.constantFrom('0', 'f', '12', ':', '::', '.', '1.2.3.4', 'g', ' ', '/', '%'), {
      maxLength: 12,
      size: 'max',
    });
    fc.assert(
      fc.property(noise, (parts) => {
        const text = parts.join('');
        fc.pre(!text.includes('%'));
        expect(parseIpv6(text) !== undefined).toBe(isIPv6(text));
      }),
      { numRuns: 3000 },
    );
  });

  it.each(['2001:db8::/64', '2001:db8::1/80', '2001:db8::', '10.0.0.0/28', '2001:db8::/080', ''])(
    'does not take %s for a prefix of an interface',
    (text) => expect(parseIpv6Prefix(text)).toBeUndefined(),
  );
});
