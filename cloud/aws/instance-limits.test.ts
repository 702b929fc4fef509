import { describe, expect, it } from '@jest/globals';
import { describeInstanceType } from './instance-limits.ts';
import type { InstanceTypeDescription } from '../provider.ts';

const answering = (types: readonly InstanceTypeDescription[]) => {
  const asked: (readonly string[])[] = [];
  const describeInstanceTypes = (request: { readonly instanceTypes: readonly string[] }) => {
    asked.push(request.instanceTypes);
    return Promise.resolve(types);
  };
  return { asked, describeInstanceTypes };
};

const NEW: InstanceTypeDescription = {
  instanceType: 'z99.large',
  hypervisor: 'nitro',
  bareMetal: false,
  ipv4PerInterface: 12,
  ipv6PerInterface: 12,
  ipv6Supported: true,
  defaultNetworkCardIndex: 0,
  networkCards: [{ networkCardIndex: 0, maximumInterfaces: 4 }],
};

describe('describeInstanceType', () => {
  it('asks nothing of a type in its own table', async () => {
    const cloud = answering([]);
    const m5 = await describeInstanceType(cloud, 'm5.large', { cause: 'start' });
    expect(m5).toMatchObject({ ipv4PerInterface: 10, networkCards: [{ networkCardIndex: 0, maximumInterfaces: 3 }] });
    expect(cloud.asked).toEqual([]);
  });

  it('asks once for any other', async () => {
    const cloud = answering([NEW]);
    expect(await describeInstanceType(cloud, 'z99.large', { cause: 'start' })).toEqual(NEW);
    expect(cloud.asked).toEqual([['z99.large']]);
  });

  it('does not make limits up', async () => {
    const call = (types: readonly InstanceTypeDescription[]) =>
      describeInstanceType(answering(types), 'z99.large', { cause: 'start' });
    await expect(call([])).rejects.toMatchObject({ code: 'not-found', message: expect.stringContaining('z99.large') });
    await expect(call([{ ...NEW, networkCards: [] }])).rejects.toMatchObject({ code: 'unavailable' });
    await expect(call([{ ...NEW, ipv4PerInterface: 0 }])).rejects.toMatchObject({ code: 'unavailable' });
  });
});
