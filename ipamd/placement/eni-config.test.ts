import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { SubnetDescription } from '#cloud/provider.ts';
import type { EniConfig, EniConfigLookup } from '../kubernetes/cluster-view.ts';
import { CustomNetworking } from './custom-networking.ts';
import { constraintOf, placeOf, type SubnetWord } from './eni-config.ts';

const NODE = { vpcId: 'vpc-1', availabilityZone: 'eu-test-1a' };
const config = (subnetId: string): EniConfig => ({ name: `for-${subnetId}`, subnetId, securityGroupIds: [] });
const found = (subnetId: string): EniConfigLookup => ({ kind: 'found', eniConfig: config(subnetId) });
const MISSING: EniConfigLookup = { kind: 'missing', name: 'zone-x', why: 'no ENIConfig has that name.' };
const UNKNOWN: EniConfigLookup = { kind: 'unknown' };

function subnet(id: string, changes: Partial<SubnetDescription> = {}): SubnetDescription {
  const rest = { cidr: '10.0.0.0/24', ipv6Cidrs: [], availableAddresses: 200, tags: {} };
  return { id, ...NODE, ...rest, ...changes };
}

const WORDS: Readonly<Record<string, SubnetWord>> = {
  'subnet-here': subnet('subnet-here'),
  'subnet-zone': subnet('subnet-zone', { availabilityZone: 'eu-test-1b' }),
  'subnet-vpc': subnet('subnet-vpc', { vpcId: 'vpc-2' }),
  'subnet-absent': 'absent',
};
const place = (lookup: EniConfigLookup, remembered?: EniConfig) => placeOf(lookup, remembered, (id) => WORDS[id], NODE);

describe('where custom networking puts interfaces', () => {
  it.each([
    ['subnet-here', 'usable', undefined],
    ['subnet-zone', 'unusable', 'its subnet subnet-zone is in eu-test-1b, and this node is in eu-test-1a.'],
    ['subnet-vpc', 'unusable', 'its subnet subnet-vpc is in vpc-2, and this node is in vpc-1.'],
    ['subnet-absent', 'unusable', 'EC2 knows no subnet subnet-absent.'],
    ['subnet-unasked', 'waits', undefined],
  ])('%s: %s', (subnetId, kind, problem) => {
    const found_ = place(found(subnetId));
    expect(found_.kind).toBe(kind);
    if (problem !== undefined) expect(found_).toMatchObject({ name: `for-${subnetId}`, problem });
  });

  it('is what was usable last while the API server is silent, and nothing when it says that there is none', () => {
    expect(place(UNKNOWN, config('subnet-here'))).toMatchObject({ kind: 'usable' });
    expect(place(UNKNOWN)).toMatchObject({ kind: 'waits' });
    expect(place(MISSING, config('subnet-here'))).toMatchObject({ kind: 'unusable', name: 'zone-x' });
    expect(place(found('subnet-zone'), config('subnet-here'))).toMatchObject({ kind: 'unusable' });
  });

  it('holds growth back exactly as long as it is not usable', () => {
    const lookup = fc.constantFrom(UNKNOWN, MISSING, ...[...Object.keys(WORDS), 'subnet-unasked'].map(found));
    const remembered = fc.option(fc.constantFrom(...Object.keys(WORDS).map(config)), { nil: undefined });
    fc.assert(
      fc.property(lookup, remembered, (said, before) => {
        const where = place(said, before);
        expect(constraintOf(where) === undefined).toBe(where.kind === 'usable');
      }),
    );
  });
});

describe('custom networking', () => {
  function scene(first: EniConfigLookup, remembered?: EniConfig) {
    const cluster = { lookup: first, eniConfig: () => cluster.lookup };
    const custom = new CustomNetworking(cluster, NODE, remembered);
    custom.askWord((id) => WORDS[id]);
    return { cluster, custom };
  }
  const inSubnet = (subnetId: string, isPrimary = false) => ({ subnetId, isPrimary });

  it('keeps the primary interface from pods in every state, and others only where another place is usable', () => {
    const { cluster, custom } = scene(UNKNOWN);
    for (const lookup of [UNKNOWN, MISSING, found('subnet-zone'), found('subnet-here')]) {
      cluster.lookup = lookup;
      expect(custom.isOutside(inSubnet('subnet-here', true))).toBe(true);
      const isUsable = lookup.kind === 'found' && lookup.eniConfig.subnetId === 'subnet-here';
      expect(custom.isOutside(inSubnet('subnet-old'))).toBe(isUsable ? true : undefined);
      expect(custom.isOutside(inSubnet('subnet-here'))).toBe(isUsable ? false : undefined);
    }
  });

  it('remembers what is usable, forgets what is gone, and keeps what is only unheard of', () => {
    const { cluster, custom } = scene(UNKNOWN);
    expect(custom.toRemember()).toBeUndefined();
    cluster.lookup = found('subnet-here');
    expect(custom.toRemember()).toEqual(config('subnet-here'));
    expect(custom.toRemember()).toBeUndefined();
    cluster.lookup = UNKNOWN;
    expect(custom.toRemember()).toBeUndefined();
    expect(custom.place.kind).toBe('usable');
    cluster.lookup = found('subnet-unasked');
    expect(custom.toRemember()).toBeUndefined();
    cluster.lookup = MISSING;
    expect(custom.toRemember()).toBeNull();
    cluster.lookup = UNKNOWN;
    expect(custom.place.kind).toBe('waits');
  });
});
