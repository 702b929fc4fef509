import { describe, expect, it } from '@jest/globals';
import { CloudError } from '#cloud/errors.ts';
import { CNI_CODE, type CniErrorName } from '#cni/spec/errors.ts';
import { emptyLedger } from '#warm-pool/ledger.ts';
import type { Refusal } from '#warm-pool/model.ts';
import { Pool } from '../pool.ts';
import { whyNoAddress } from './no-address.ts';

const NOW = 1_000_000;

function why(change: (pool: Pool) => void, refusals: readonly Refusal[] = []) {
  const limits = { maxInterfaces: 1, ipv4PerInterface: 10, maxPods: 100 };
  const pool = new Pool(emptyLedger({ mode: 'address', limits, coolDownMs: 0 }), () => NOW);
  change(pool);
  const { code, message } = whyNoAddress({ pool, now: () => NOW, refusals: () => refusals });
  const name = (Object.entries(CNI_CODE) as [CniErrorName, number][]).find(([, number]) => number === code)?.[0];
  return `${name}: ${message}`;
}

const limit: Refusal = {
  why: { reason: 'interface-limit', inputs: { missing: 1, maxInterfaces: 1, perInterface: 9, mode: 'address' } },
  retryAt: undefined,
};

describe('whyNoAddress', () => {
  it('says that addresses are on their way only where nothing else is known', () => {
    expect(why(() => undefined)).toMatch(/^try-again-later: .*addresses are on their way/);
  });

  it('tells throttling, though the call that was throttled is still being repeated, for a minute', () => {
    const throttled = (ago: number) => why((pool) => (pool.throttledAt = NOW - ago));
    expect(throttled(59_000)).toMatch(/^try-again-later: .*EC2 throttles the calls of this account/);
    expect(throttled(61_000)).toMatch(/on their way/);
  });

  it('puts what the plan cannot do before what the cloud said, and a missing permission before both', () => {
    const late = new CloudError('throttled', 'assignPrivateIpAddresses', 'slow down');
    const denied = new CloudError('denied', 'assignPrivateIpAddresses', 'UnauthorizedOperation');
    expect(why((pool) => (pool.lastCloudError = late), [limit])).toMatch(
      /^interface-limit: .*the one interface this node may have is attached and full \(9 each\)/,
    );
    expect(why((pool) => (pool.lastCloudError = denied), [limit])).toMatch(/^cloud-denied: .*UnauthorizedOperation/);
  });
});
