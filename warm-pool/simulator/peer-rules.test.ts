import { describe, expect, it } from '@jest/globals';
import type { WarmTargets } from '../model.ts';
import { blocksToAdd, ipTargetState, isTooLow, type PeerPool, surplusBlocks } from './peer-rules.ts';

const none: WarmTargets = {
  warmEniTarget: 0,
  warmIpTarget: undefined,
  minimumIpTarget: undefined,
  warmPrefixTarget: 0,
};
const pool = (total: number, assigned: number, prefixes = 0, freePrefixes = 0): PeerPool => ({
  total,
  assigned,
  prefixes,
  freePrefixes,
});

describe("the peer's decision vectors", () => {
  it.each([
    [14, 1, 0, pool(0, 0), true],
    [14, 0, 0, pool(0, 0), true],
    [14, 0, 3, pool(0, 0), true],
    [3, 1, 1, pool(3, 0), false],
    [3, 1, 0, pool(3, 1), true],
    [3, 0, 0, pool(3, 1), false],
    [3, 1, 0, pool(3, 3), true],
    [3, 0, 0, pool(3, 3), true],
  ])(
    'addresses: %i an interface, WARM_ENI %i, WARM_IP %i, %j: low %j',
    (perInterface, warmEniTarget, warmIp, at, low) => {
      const targets = { ...none, warmEniTarget, ...(warmIp > 0 ? { warmIpTarget: warmIp } : {}) };
      expect(isTooLow({ mode: 'address', targets, perInterface, maxPods: 110 }, at)).toBe(low);
    },
  );

  it('is not low where the addresses reach the pods of the node', () => {
    const targets = { ...none, warmIpTarget: 5 };
    expect(isTooLow({ mode: 'address', targets, perInterface: 3, maxPods: 3 }, pool(3, 3))).toBe(false);
  });

  it.each([
    [1, pool(0, 0), 110, true],
    [0, pool(0, 0), 110, true],
    [1, pool(16, 0, 1, 1), 110, false],
    [1, pool(16, 1, 1, 0), 110, true],
    [0, pool(16, 1, 1, 0), 110, false],
    [1, pool(16, 3, 1, 0), 110, true],
    [0, pool(16, 3, 1, 0), 110, false],
    [1, pool(16, 3, 1, 0), 4, false],
  ])('prefixes: WARM_PREFIX %i, %j, max pods %i: low %j', (warmPrefixTarget, at, maxPods, low) => {
    const settings = { mode: 'prefix', targets: { ...none, warmPrefixTarget }, perInterface: 16, maxPods } as const;
    expect(isTooLow(settings, at)).toBe(low);
  });

  it.each([
    [0, { short: 5, over: 0 }],
    [2, { short: 3, over: 0 }],
    [5, { short: 0, over: 0 }],
  ])('WARM_IP 5 with %i addresses', (total, state) => {
    expect(ipTargetState({ mode: 'address', targets: { ...none, warmIpTarget: 5 } }, pool(total, 0))).toEqual(state);
  });

  it.each([
    [0, { short: 1, over: 0 }],
    [2, { short: 0, over: 1 }],
    [1, { short: 0, over: 0 }],
  ])('WARM_IP 5 with %i whole prefixes', (prefixes, state) => {
    const at = pool(16 * prefixes, 0, prefixes, prefixes);
    expect(ipTargetState({ mode: 'prefix', targets: { ...none, warmIpTarget: 5 } }, at)).toEqual(state);
  });

  it.each([
    [0, 10],
    [7, 12],
    [15, 20],
    [45, 50],
  ])('p3dn.24xlarge with WARM_IP 5 and MINIMUM 10 and %i pods holds %i addresses', (assigned, total) => {
    const settings = {
      mode: 'address',
      targets: { ...none, warmIpTarget: 5, minimumIpTarget: 10 },
      perInterface: 29,
      maxPods: 250,
    } as const;
    expect(isTooLow(settings, pool(total, assigned))).toBe(false);
    expect(surplusBlocks(settings, pool(total, assigned))).toBe(0);
    expect(isTooLow(settings, pool(total - 1, assigned))).toBe(true);
  });

  it('fills an interface whole without an IP target, and with what is short under one', () => {
    const settings = { mode: 'address', targets: { ...none, warmEniTarget: 1 }, perInterface: 9, maxPods: 29 } as const;
    expect(blocksToAdd(settings, pool(0, 0), 9)).toBe(9);
    const byIp = { ...settings, targets: { ...none, warmIpTarget: 2 } };
    expect(blocksToAdd(byIp, pool(0, 0), 9)).toBe(2);
    expect(blocksToAdd(byIp, pool(9, 9), 0)).toBe(0);
  });
});
