import { describe, expect, it } from '@jest/globals';
import { planOf, snapshotOf } from '#warm-pool/granting-cloud.ts';
import { LARGE_NODES } from './large-nodes.ts';

describe.each(LARGE_NODES)('the node of $name', ({ settled, growing, targets }) => {
  it('holds as many blocks as its name says', () => {
    const blocks = snapshotOf(settled).interfaces.flatMap((one) => one.blocks);
    const { interfaces, config } = settled.ledger;
    expect(blocks).toHaveLength(interfaces.size * (config.limits.ipv4PerInterface - 1));
    if (config.mode === 'prefix') expect(blocks.length).toBeGreaterThanOrEqual(4000);
    expect(
      snapshotOf(settled)
        .interfaces.flatMap((one) => one.blocks)
        .some(({ assigned }) => assigned > 0),
    ).toBe(true);
  });

  it('wants nothing where it is settled, and blocks where it grows', () => {
    expect(planOf(settled, targets).actions).toEqual([]);
    expect(planOf(growing, targets).actions).toMatchObject([{ kind: 'assign' }]);
  });
});
