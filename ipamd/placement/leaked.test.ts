import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { CLUSTER_TAG, CREATED_AT_TAG, INSTANCE_TAG, networkInterfaceTags } from '#cloud/aws/tags.ts';
import { judgeLeak, LEAKED_AGE_MS, leakedFilters } from './leaked.ts';

const NOW = Date.parse('2026-11-21T12:00:00Z');
const owner = { instanceId: 'i-us', vpcId: 'vpc-1', clusterName: '' };
const inCluster = { ...owner, clusterName: 'blue' };

function leak(tags: Record<string, string>, changes: Partial<Parameters<typeof judgeLeak>[0]> = {}) {
  const tagged = { [INSTANCE_TAG]: 'i-us', [CREATED_AT_TAG]: '2026-11-21T11:00:00Z', ...tags };
  return {
    status: 'available',
    attachment: undefined,
    description: 'aws-K8S-i-us',
    vpcId: 'vpc-1',
    tags: tagged,
    ...changes,
  } as const;
}

describe('a leaked interface', () => {
  it('of ours is deleted once it is five minutes old by the tag that we write, and not before', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 * 60_000 }), fc.boolean(), (age, named) => {
        const who = named ? inCluster : owner;
        const tags = networkInterfaceTags({ instanceId: 'i-us', clusterName: who.clusterName, now: NOW - age });
        const verdict = judgeLeak(leak(tags), who, NOW);
        // The tag is in whole seconds: an interface may look up to one second older than it is.
        if (age >= LEAKED_AGE_MS) expect(verdict).toBe('delete');
        if (age < LEAKED_AGE_MS - 1000) expect(verdict).toBe('keep');
      }),
    );
  });

  it.each([
    ['without a description of ours', leak({}, { description: 'my database' })],
    ['in use', leak({}, { status: 'in-use' })],
    ['that is attaching', leak({}, { status: 'attaching' })],
    ['of another VPC', leak({}, { vpcId: 'vpc-2' })],
    ['of another instance', leak({ [INSTANCE_TAG]: 'i-other' })],
    ['of another instance of a cluster', leak({ [INSTANCE_TAG]: 'i-other', [CLUSTER_TAG]: 'blue' })],
  ])('%s is kept without CLUSTER_NAME', (_what, found) => {
    expect(judgeLeak(found, owner, NOW)).toBe('keep');
  });

  it.each([
    ['of another cluster', leak({ [CLUSTER_TAG]: 'green' })],
    ['of no cluster, though we made it', leak({})],
    ['without an instance', { ...leak({}), tags: { [CLUSTER_TAG]: 'blue', [CREATED_AT_TAG]: '2020-01-01T00:00:00Z' } }],
  ])('%s is kept with CLUSTER_NAME', (_what, found) => {
    expect(judgeLeak(found, inCluster, NOW)).toBe('keep');
  });

  it('of a lost node of our cluster is deleted', () => {
    expect(judgeLeak(leak({ [INSTANCE_TAG]: 'i-lost', [CLUSTER_TAG]: 'blue' }), inCluster, NOW)).toBe('delete');
  });

  it.each([
    '',
    'yesterday',
    '2026',
    '11/21/2026',
    '2026-11-21T11:00:00',
    '2026-13-45T99:00:00Z',
    '2126-11-21T11:00:00Z',
  ])('created %j is marked, and judged by the mark later', (createdAt) => {
    const found = leak({ [CREATED_AT_TAG]: createdAt });
    expect(judgeLeak(found, owner, NOW)).toBe('mark');
    const marked = leak({ ...found.tags, ...networkInterfaceTags({ instanceId: 'i-us', now: NOW }) });
    expect(judgeLeak(marked, owner, NOW)).toBe('keep');
    expect(judgeLeak(marked, owner, NOW + LEAKED_AGE_MS)).toBe('delete');
  });

  it('is asked for by instance without CLUSTER_NAME, by cluster with it', () => {
    expect(leakedFilters(owner)).toMatchObject({ [`tag:${INSTANCE_TAG}`]: ['i-us'], status: ['available'] });
    expect(leakedFilters(inCluster)).toMatchObject({ [`tag:${CLUSTER_TAG}`]: ['blue'], 'vpc-id': ['vpc-1'] });
  });
});
