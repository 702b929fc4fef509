import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cidr } from '../address.ts';
import { blockUse } from './block-use.ts';
import { type Holder, subnetMap } from './subnet-map.ts';

const SUBNET = cidr('10.0.8.0/24');
const holder = fc.record({
  // Some outside of the subnet: an interface has addresses of its own subnet alone, but a look need not be whole.
  addresses: fc.uniqueArray(fc.integer({ min: SUBNET.base - 20, max: SUBNET.base + 275 }), { maxLength: 30 }),
  blocks: fc.uniqueArray(fc.integer({ min: -1, max: 16 }), { maxLength: 4 }),
});

function holderOf({ addresses, blocks }: { readonly addresses: number[]; readonly blocks: number[] }): Holder {
  return {
    interfaceId: 'eni-1',
    node: 'i-1',
    cluster: 'blue',
    isPrimary: false,
    isLeaked: false,
    primaryAddress: addresses[0],
    addresses: addresses.slice(1),
    prefixes: blocks.map((block) => ({ base: SUBNET.base + 16 * block, prefixLength: 28 })),
  };
}

describe('blockUse', () => {
  it('has a character for each block, as many free ones as the map counts, and every held address once', () => {
    fc.assert(
      fc.property(holder, (parts) => {
        const holders = [holderOf(parts)];
        const use = blockUse({ cidr: SUBNET, holders });
        expect(use).toMatch(/^x[0-9a-gP]{14}x$/);
        const map = subnetMap({ cidr: SUBNET, free: 0, holders });
        expect(use.split('0').length - 1).toBe(map.blocks.free);
        const within = (address: number) => address >= SUBNET.base + 16 && address < SUBNET.base + 240;
        const ofPrefix = (address: number) => parts.blocks.includes(Math.floor((address - SUBNET.base) / 16));
        const single = parts.addresses.filter((address) => within(address) && !ofPrefix(address));
        const counted = Array.from(use, (each) => (/[xP]/.test(each) ? 0 : Number.parseInt(each, 17)));
        expect(counted.reduce((sum, each) => sum + each, 0)).toBe(single.length);
        expect(use.split('P').length - 1).toBe(parts.blocks.filter((block) => block > 0 && block < 15).length);
      }),
    );
  });

  it('is empty where there is no room for a block', () => {
    expect(blockUse({ cidr: cidr('10.0.0.0/29'), holders: [] })).toBe('');
  });
});
