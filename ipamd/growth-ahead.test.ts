import { describe, expect, it } from '@jest/globals';
import type { Snapshot, WarmTargets } from '#warm-pool/model.ts';
import { isGrowthNear } from './growth-ahead.ts';

const TARGETS: WarmTargets = { warmEniTarget: 1, warmIpTarget: 2, minimumIpTarget: undefined, warmPrefixTarget: 0 };

/** One interface of an m5.large: so many of its addresses are held, and so many of those are free. */
function node(held: number, free: number, more: Partial<Snapshot> = {}): Snapshot {
  const blocks = Array.from({ length: held }, (_, index) => ({
    cidr: `10.0.0.${index + 10}/32`,
    kind: 'address' as const,
  }));
  const networkInterface = {
    id: 'eni-1',
    subnetId: 'subnet-1',
    mac: '02:00:00:00:00:01',
    primaryAddress: '10.0.0.5',
    isPrimary: true,
    deviceIndex: 0,
    networkCardIndex: 0,
    attachmentId: 'eni-attach-1',
    phase: 'ready' as const,
    managed: true,
    since: 0,
    blocks,
  };
  const uses = blocks.map((block, index) => ({
    block,
    assigned: index < free ? 0 : 1,
    cooling: 0,
    free: index < free ? 1 : 0,
  }));
  const subnet = {
    id: 'subnet-1',
    cidr: '10.0.0.0/24',
    availableAddresses: 200,
    backOffUntil: 0,
    prefixBackOffUntil: 0,
  };
  return {
    mode: 'address',
    limits: { maxInterfaces: 3, ipv4PerInterface: 10, maxPods: 29 },
    interfaces: [{ networkInterface, blocks: uses }],
    subnets: [subnet],
    inFlight: [],
    waiting: 0,
    cloudBackOffUntil: 0,
    ...more,
  };
}

describe('isGrowthNear', () => {
  it('is where three pods more would need what the node does not hold', () => {
    expect(isGrowthNear(node(9, 9), TARGETS, 0)).toBe(false);
    expect(isGrowthNear(node(9, 5), TARGETS, 0)).toBe(false);
    expect(isGrowthNear(node(9, 4), TARGETS, 0)).toBe(true);
    expect(isGrowthNear(node(9, 0), TARGETS, 0)).toBe(true);
  });

  it('is not where nothing can be asked for', () => {
    expect(isGrowthNear(node(9, 0, { cloudBackOffUntil: 1000 }), TARGETS, 0)).toBe(false);
    expect(
      isGrowthNear(node(9, 0, { limits: { maxInterfaces: 1, ipv4PerInterface: 10, maxPods: 29 } }), TARGETS, 0),
    ).toBe(false);
  });
});
