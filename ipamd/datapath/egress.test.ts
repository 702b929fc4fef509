import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Address4, Address6 } from 'ip-address';
import { EGRESS_ADDRESSES, EGRESS_BLOCKS, egressAddress, isEgressAddress } from './egress.ts';

describe('helper addresses for egress', () => {
  it('are all within their block, all different, without its first and last', () => {
    for (const family of ['ipv4', 'ipv6'] as const) {
      const block = family === 'ipv4' ? new Address4(EGRESS_BLOCKS.ipv4) : new Address6(EGRESS_BLOCKS.ipv6);
      const all = Array.from({ length: EGRESS_ADDRESSES }, (_, number) => egressAddress(family, number));
      expect(new Set(all).size).toBe(EGRESS_ADDRESSES);
      expect(all.every(isEgressAddress)).toBe(true);
      const [first, last] = [block.startAddress().correctForm(), block.endAddress().correctForm()];
      expect(all).not.toContain(first);
      expect(all).not.toContain(last);
      expect([first, last].every(isEgressAddress)).toBe(true);
      expect(egressAddress(family, EGRESS_ADDRESSES)).toBe(all[0]);
    }
  });

  it('are told from all others', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.ipV4(),
          fc.ipV6(),
          fc.ipV4().map((text) => `fd00::${text}`),
        ),
        (text) => {
          const wanted = text.includes(':')
            ? new Address6(text).isInSubnet(new Address6(EGRESS_BLOCKS.ipv6))
            : new Address4(text).isInSubnet(new Address4(EGRESS_BLOCKS.ipv4));
          expect(isEgressAddress(text)).toBe(wanted);
        },
      ),
    );
  });
});
