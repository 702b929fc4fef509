import { describe, expect, it } from '@jest/globals';
import { instanceTypeTable } from '#cloud/instance-types.ts';
import { Failure } from './failure.ts';
import { maxPodsOffline, showMaxPods } from './max-pods.ts';

describe('max-pods without a node', () => {
  it.each([
    ['m5.large', [], 29],
    ['m5.large', ['MAX_ENI=2'], 20],
    ['m5.large', ['AWS_VPC_K8S_CNI_CUSTOM_NETWORK_CFG=true'], 20],
    ['m5.large', ['ENABLE_PREFIX_DELEGATION=true'], 110],
    // No Nitro: EC2 gives it no prefixes.
    ['m4.large', ['ENABLE_PREFIX_DELEGATION=true'], 20],
    ['m5.24xlarge', [], 250],
  ] as const)('%s with %j: %i', (type, settings, maxPods) => {
    const answer = maxPodsOffline(type, settings);
    expect(answer.maxPods).toBe(maxPods);
    expect(showMaxPods(answer)).toContain(`kubelet flag: --max-pods=${maxPods}\n`);
    expect(answer.kubelet.dropIn).toContain(`\nmaxPods: ${maxPods}\n`);
  });

  it('has a number for every type of the table', () => {
    for (const type of instanceTypeTable().keys()) expect(maxPodsOffline(type, []).maxPods).toBeGreaterThan(2);
  });

  it.each([
    ['m5.lrge', [], 1],
    ['m5.large', ['WARM_IP_TARGET=1'], 2],
    ['m5.large', ['MAX_ENI=many'], 2],
  ] as const)('refuses %s with %j', (type, settings, exitCode) => {
    expect(() => maxPodsOffline(type, settings)).toThrow(Failure);
    expect(() => maxPodsOffline(type, settings)).toThrow(expect.objectContaining({ exitCode }));
  });
});
