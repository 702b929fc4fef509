import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { maxPodsOf } from './max-pods.ts';

const M5_LARGE = {
  maxInterfaces: 3,
  ipv4PerInterface: 10,
  vcpus: 2,
  mode: 'address',
  customNetworking: false,
} as const;
const M5_24XLARGE = { ...M5_LARGE, maxInterfaces: 15, ipv4PerInterface: 50, vcpus: 96 } as const;

describe('maxPodsOf', () => {
  // Those of EKS's own list of instance types, and of its calculator.
  it.each([
    ['m5.large', M5_LARGE, 29, 29],
    ['m5.large, custom networking', { ...M5_LARGE, customNetworking: true }, 20, 20],
    ['m5.large, prefixes', { ...M5_LARGE, mode: 'prefix' }, 110, 434],
    ['t3.small', { ...M5_LARGE, ipv4PerInterface: 4 }, 11, 11],
    ['m5.24xlarge', M5_24XLARGE, 250, 737],
    ['m5.24xlarge, prefixes', { ...M5_24XLARGE, mode: 'prefix' }, 250, 11_762],
  ] as const)('%s', (_name, input, maxPods, uncapped) => {
    expect(maxPodsOf(input)).toMatchObject({ maxPods, uncapped });
  });

  it('leaves room for the two pods of the host network even where no pod can have an address', () => {
    expect(maxPodsOf({ ...M5_LARGE, maxInterfaces: 1, customNetworking: true }).maxPods).toBe(2);
  });

  it('never falls when a node gets more, and never is above what fits', () => {
    const input = fc.record({
      maxInterfaces: fc.integer({ min: 1, max: 20 }),
      ipv4PerInterface: fc.integer({ min: 1, max: 64 }),
      vcpus: fc.integer({ min: 1, max: 200 }),
      mode: fc.constantFrom('address' as const, 'prefix' as const),
      customNetworking: fc.boolean(),
    });
    fc.assert(
      fc.property(input, (node) => {
        const { maxPods, uncapped, cap } = maxPodsOf(node);
        expect(maxPods).toBeLessThanOrEqual(Math.min(uncapped, cap));
        expect(maxPodsOf({ ...node, maxInterfaces: node.maxInterfaces + 1 }).maxPods).toBeGreaterThanOrEqual(maxPods);
        expect(maxPodsOf({ ...node, mode: 'prefix' }).maxPods).toBeGreaterThanOrEqual(maxPods);
      }),
    );
  });
});
