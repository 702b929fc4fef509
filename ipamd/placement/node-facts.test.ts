import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { MetadataInterface } from '#cloud/provider.ts';
import { emptyLedger, snapshot, withInterface } from '#warm-pool/ledger.ts';
import type { AddressBlock } from '#warm-pool/model.ts';
import { hostsPods } from './interface-type.ts';
import { differs, isSameSet } from './node-facts.ts';

interface Place {
  readonly id: string;
  readonly addresses: readonly string[];
  readonly prefixes: readonly string[];
  readonly managed: boolean;
}

const listed = ({ id, addresses, prefixes }: Place): MetadataInterface => ({
  id,
  mac: '02:00:00:00:00:01',
  deviceIndex: 0,
  networkCardIndex: 0,
  subnetId: 'subnet-1',
  subnetCidr: '10.0.0.0/16',
  subnetIpv6Cidrs: [],
  vpcId: 'vpc-1',
  primaryAddress: '10.0.0.4',
  secondaryAddresses: addresses,
  ipv4Prefixes: prefixes,
  ipv6Addresses: [],
  ipv6Prefixes: [],
  securityGroupIds: [],
});

function poolOf(places: readonly Place[]) {
  const limits = { maxInterfaces: 9, ipv4PerInterface: 30, maxPods: 100 };
  const ledger = places.reduce(
    (next, { id, addresses, prefixes, managed }, deviceIndex) =>
      withInterface(next, {
        id,
        managed,
        deviceIndex,
        subnetId: 'subnet-1',
        mac: '02:00:00:00:00:01',
        primaryAddress: '10.0.0.4',
        isPrimary: deviceIndex === 0,
        networkCardIndex: 0,
        attachmentId: '',
        phase: 'ready',
        since: 0,
        blocks: [
          ...addresses.map((address): AddressBlock => ({ cidr: `${address}/32`, kind: 'address' })),
          ...prefixes.map((cidr): AddressBlock => ({ cidr, kind: 'prefix' })),
        ],
      }),
    emptyLedger({ mode: 'address', limits, coolDownMs: 0 }),
  );
  return snapshot(ledger, { waiting: 0, now: 0, cloudBackOffUntil: 0 }).interfaces;
}

/** Up to four interfaces with addresses that are nobody else's. */
const places = fc
  .array(fc.record({ addresses: fc.nat(4), prefixes: fc.nat(2), managed: fc.boolean() }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((shapes) =>
    shapes.map(({ addresses, prefixes, managed }, index): Place => ({
      id: `eni-${index}`,
      managed,
      addresses: Array.from({ length: addresses }, (_, at) => `10.0.${index}.${at + 10}`),
      prefixes: Array.from({ length: prefixes }, (_, at) => `10.1.${index}.${16 * at}/28`),
    })),
  );

describe('whether metadata tells of something new', () => {
  it('not where it lists what the pool has, in whatever order', () => {
    fc.assert(
      fc.property(places, fc.boolean(), (all, reversed) => {
        const told = all.map((each) => ({ ...each, addresses: each.addresses.toReversed() })).map(listed);
        expect(differs(reversed ? told.toReversed() : told, poolOf(all))).toBe(false);
      }),
    );
  });

  it('where an interface or an address came or went, but not where it is none of ours', () => {
    fc.assert(
      fc.property(places, fc.nat(3), fc.constantFrom('address', 'prefix'), (all, at, what) => {
        const pool = poolOf(all);
        const index = at % all.length;
        const changed = all.map((each, position): Place => {
          if (position !== index) return each;
          return what === 'address'
            ? { ...each, addresses: [...each.addresses, '10.9.9.9'] }
            : { ...each, prefixes: [...each.prefixes, '10.9.9.0/28'] };
        });
        expect(differs(changed.map(listed), pool)).toBe(all[index]?.managed === true);
        expect(differs(all.slice(1).map(listed), pool)).toBe(true);
        expect(differs([...all, { ...(all[0] as Place), id: 'eni-new' }].map(listed), pool)).toBe(true);
      }),
    );
  });

  it('compares lists as sets', () => {
    expect(isSameSet(['b', 'a'], ['a', 'b'])).toBe(true);
    expect(isSameSet(['a'], ['a', 'b'])).toBe(false);
  });
});

it('pods are put on interfaces with addresses of their own, on nobody else’s', () => {
  const types = ['interface', 'efa', 'efa-only', 'trunk', 'branch', 'lambda', 'natGateway', 'vpc_endpoint'];
  expect(types.filter(hostsPods)).toEqual(['interface', 'efa']);
});
