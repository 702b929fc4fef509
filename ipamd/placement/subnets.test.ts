import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { ROLE_TAG, standingOf, SUBNET_CLUSTER_TAG, type SubnetStanding } from './subnets.ts';

const rules = { primarySubnetId: 'subnet-p', discovery: true, clusterName: 'blue' };
const ours = `${SUBNET_CLUSTER_TAG}blue`;
const theirs = `${SUBNET_CLUSTER_TAG}green`;

describe('how a subnet stands', () => {
  it.each<[string, Record<string, string>, SubnetStanding, SubnetStanding]>([
    ['no tags', {}, 'candidate', 'passive'],
    ['the role', { [ROLE_TAG]: '1' }, 'candidate', 'candidate'],
    ['the role without a value', { [ROLE_TAG]: '' }, 'candidate', 'candidate'],
    ['the role 0', { [ROLE_TAG]: '0' }, 'excluded', 'excluded'],
    ['the role 0 and our cluster', { [ROLE_TAG]: '0', [ours]: 'shared' }, 'excluded', 'excluded'],
    ['a mistyped role', { 'kubernetes.io/role/cn': '1' }, 'candidate', 'passive'],
    ['a role of other letters', { 'Kubernetes.io/role/cni': '1' }, 'candidate', 'passive'],
    ['our cluster', { [ROLE_TAG]: '1', [ours]: 'shared' }, 'candidate', 'candidate'],
    ['our cluster and another', { [ROLE_TAG]: '1', [ours]: 'shared', [theirs]: '1' }, 'candidate', 'candidate'],
    ['another cluster', { [ROLE_TAG]: '1', [theirs]: 'shared' }, 'excluded', 'excluded'],
    ['another cluster without the role', { [theirs]: 'shared' }, 'candidate', 'passive'],
    [
      'our cluster by another prefix',
      { [ROLE_TAG]: '1', 'kubernetes.io/cluster/green': '1' },
      'candidate',
      'candidate',
    ],
  ])('%s: as primary and as another', (_what, tags, primary, other) => {
    expect(standingOf({ id: 'subnet-p', tags }, rules)).toBe(primary);
    expect(standingOf({ id: 'subnet-x', tags }, rules)).toBe(other);
  });

  it('does not look at cluster tags without CLUSTER_NAME', () => {
    const tags = { [ROLE_TAG]: '1', [theirs]: 'shared' };
    expect(standingOf({ id: 'subnet-x', tags }, { ...rules, clusterName: '' })).toBe('candidate');
  });

  it('is the primary’s alone, whatever the tags, where discovery is off', () => {
    const key = fc.constantFrom(ROLE_TAG, ours, theirs, 'Name');
    fc.assert(
      fc.property(fc.dictionary(key, fc.constantFrom('0', '1', '')), fc.boolean(), (tags, isPrimary) => {
        const standing = standingOf({ id: isPrimary ? 'subnet-p' : 'subnet-x', tags }, { ...rules, discovery: false });
        expect(standing).toBe(isPrimary ? 'candidate' : 'passive');
      }),
    );
  });
});
