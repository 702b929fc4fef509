import { describe, expect, it } from '@jest/globals';
import { simulateCold } from './simulated.ts';

const COLD = { pods: 27, settings: {}, latencyMs: 300, attachLinkDelayMs: 2000 };

describe('a simulated cold burst', () => {
  it('takes us no less than the cloud does, and little more, with no ADD that fails', () => {
    const { seconds, failedAdds, calls } = simulateCold({ ...COLD, policy: 'wellspring', seed: 1 });
    expect(seconds).toBeGreaterThanOrEqual(2.3);
    expect(seconds).toBeLessThan(2.3 * 1.3);
    expect({ failedAdds, fewCalls: calls < 10 }).toEqual({ failedAdds: 0, fewCalls: true });
  });

  it('makes the peer wait for kubelet to ask again', () => {
    const { seconds, failedAdds } = simulateCold({ ...COLD, policy: 'peer', seed: 1 });
    expect(seconds).toBeGreaterThan(10);
    expect(failedAdds).toBeGreaterThan(0);
  });

  it('counts no call that a node without the burst makes as well', () => {
    expect(simulateCold({ ...COLD, pods: 0, policy: 'peer', seed: 1 })).toMatchObject({ calls: 0, failedAdds: 0 });
  });
});
