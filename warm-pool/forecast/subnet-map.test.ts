import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cidr, ipv4 } from '../address.ts';
import { repairs } from './repair.ts';
import { BLOCK, type Holder, subnetMap, usableBlocks } from './subnet-map.ts';

const SUBNET = cidr('10.0.0.0/24');
const holder = (interfaceId: string, rest: Partial<Holder>): Holder => ({
  interfaceId,
  node: `i-${interfaceId}`,
  cluster: 'one',
  isPrimary: false,
  isLeaked: false,
  primaryAddress: undefined,
  addresses: [],
  prefixes: [],
  ...rest,
});
const at = (...last: number[]) => last.map((each) => SUBNET.base + each);

/** Holders with addresses that no other holds. */
const anyHolders = fc.uniqueArray(fc.integer({ min: 4, max: 254 }), { maxLength: 60 }).chain((addresses) =>
  fc
    .array(fc.tuple(fc.nat(4), fc.boolean()), { minLength: addresses.length, maxLength: addresses.length })
    .map((owners) =>
      addresses.map((address, index) => {
        const [node = 0, isPrimary = false] = owners[index] ?? [];
        return holder(`eni-${index}`, { node: `i-${node}`, isPrimary, primaryAddress: SUBNET.base + address });
      }),
    ),
);

describe('the map of a subnet', () => {
  it('an empty one is whole: without the five addresses and the two blocks that EC2 keeps some of', () => {
    const map = subnetMap({ cidr: SUBNET, free: 251, holders: [] });
    expect(map).toMatchObject({ addresses: { total: 251, free: 251 }, blocks: { total: 14, free: 14 } });
    // 251 addresses would fill 15 blocks, were those at the ends usable.
    expect(map.fragmentation).toBe(0);
  });

  it('one address in each block leaves no block, whoever holds it', () => {
    const scattered = usableBlocks(SUBNET).map((block, index) => holder(`${index}`, { addresses: [block + 3] }));
    expect(subnetMap({ cidr: SUBNET, free: 237, holders: scattered })).toMatchObject({
      blocks: { free: 0 },
      fragmentation: 1,
    });
  });

  it('says by cluster and node what is in use and what is warm', () => {
    const holders = [
      holder('a', { primaryAddress: ipv4('10.0.0.20'), addresses: at(21, 22, 23) }),
      holder('b', { cluster: 'two', prefixes: [cidr('10.0.0.64/28')] }),
      holder('c', { cluster: 'other', node: '', primaryAddress: ipv4('10.0.0.200') }),
    ];
    const pods = new Set(at(21, 66, 67));
    const { clusters, nodes } = subnetMap({ cidr: SUBNET, free: 200, holders, pods });
    expect(clusters['one']).toMatchObject({ addresses: 4, inUse: 1, warm: 2, interfaces: 1 });
    expect(clusters['two']).toMatchObject({ addresses: 16, prefixes: 1, inUse: 2, warm: 14 });
    expect(clusters['other']).toMatchObject({ addresses: 1, warm: 0 });
    expect(Object.keys(nodes)).toEqual(['i-a', 'i-b']);
    expect(subnetMap({ cidr: SUBNET, free: 200, holders }).clusters['one']).toMatchObject({ warm: undefined });
  });

  it('never has more free blocks than free addresses can fill', () => {
    fc.assert(
      fc.property(anyHolders, (holders) => {
        const map = subnetMap({ cidr: SUBNET, free: 251 - holders.length, holders });
        expect(map.blocks.free * BLOCK).toBeLessThanOrEqual(map.addresses.free);
        expect(map.fragmentation).toBeGreaterThanOrEqual(0);
        expect(map.fragmentation).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('repairs', () => {
  it('name the node whose few addresses block most', () => {
    const holders = [
      holder('few', { addresses: at(20, 40, 60, 80) }),
      holder('many', { addresses: at(100, 101, 102, 103, 104, 105) }),
      holder('prefix', { prefixes: [cidr('10.0.0.128/28')] }),
      holder('load-balancer', { cluster: 'other', primaryAddress: ipv4('10.0.0.150') }),
    ];
    expect(repairs({ cidr: SUBNET, holders })).toEqual([
      { node: 'i-few', interfaceIds: ['few'], addresses: 4, blocks: 4 },
      { node: 'i-many', interfaceIds: ['many'], addresses: 6, blocks: 1 },
    ]);
  });

  it('give back just what they say when they are made', () => {
    fc.assert(
      fc.property(anyHolders, (holders) => {
        let [left, free] = [holders, subnetMap({ cidr: SUBNET, free: 200, holders }).blocks.free];
        for (const { node, blocks } of repairs({ cidr: SUBNET, holders })) {
          left = left.filter((each) => each.node !== node || each.isPrimary);
          free += blocks;
          expect(subnetMap({ cidr: SUBNET, free: 200, holders: left }).blocks.free).toBe(free);
        }
      }),
    );
  });
});
