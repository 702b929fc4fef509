import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { eniConfigName, lookUpEniConfig } from './eni-config.ts';
import { type NodeFacts, nodeFacts } from './objects.ts';

const KEYS = { annotation: 'example.org/annotation', label: 'example.org/label' };
const EXTERNAL = 'vpc.amazonaws.com/externalEniConfig';
const node = (labels: Record<string, string>, annotations: Record<string, string>) =>
  nodeFacts({ metadata: { name: 'n', labels, annotations } }) as NodeFacts;

describe('eniConfigName', () => {
  it('goes by external label, annotation, label, default; what is empty is not there', () => {
    const name = fc.option(fc.constantFrom('', 'a', 'b', 'c'), { nil: undefined });
    fc.assert(
      fc.property(name, name, name, (external, annotation, label) => {
        const labels = Object.fromEntries(
          [
            [EXTERNAL, external],
            [KEYS.label, label],
          ].filter(([, value]) => value !== undefined),
        ) as Record<string, string>;
        const annotations: Record<string, string> = annotation === undefined ? {} : { [KEYS.annotation]: annotation };
        const first = [external, annotation, label].find((value) => value !== undefined && value !== '');
        expect(eniConfigName({ labels, annotations }, KEYS)).toBe(first ?? 'default');
      }),
    );
  });
});

describe('lookUpEniConfig', () => {
  const known = (subnetId: string, ...securityGroupIds: readonly string[]) =>
    new Map([['default', { name: 'default', subnetId, securityGroupIds }]]);

  it('does not know before node and ENIConfigs are known', () => {
    expect(lookUpEniConfig(undefined, known('subnet-0a'), KEYS)).toEqual({ kind: 'unknown' });
    expect(lookUpEniConfig(node({}, {}), undefined, KEYS)).toEqual({ kind: 'unknown' });
  });

  it.each([
    ['', [], 'spec.subnet'],
    ['vpc-1', [], 'spec.subnet'],
    ['subnet-0a', ['sg-1', 'default'], 'spec.securityGroups'],
    ['subnet-0a', [''], 'spec.securityGroups'],
  ])('subnet %j with groups %j cannot be used, and the sentence says what to mend', (subnet, groups, what) => {
    expect(lookUpEniConfig(node({}, {}), known(subnet, ...groups), KEYS)).toMatchObject({
      kind: 'missing',
      name: 'default',
      why: expect.stringContaining(what),
    });
  });

  it('names the node and the key where nothing of that name exists', () => {
    expect(lookUpEniConfig(node({ [KEYS.label]: 'zone-a' }, {}), known('subnet-0a'), KEYS)).toMatchObject({
      kind: 'missing',
      name: 'zone-a',
      why: expect.stringMatching(/node n uses the ENIConfig zone-a, which does not exist.*example\.org\/annotation/),
    });
  });
});
