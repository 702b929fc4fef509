import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { StoredAssignment } from '../store/records.ts';
import { attachedPods, furtherIfName, furtherOf, interfaceIndex, runtimeIfName } from './pod-interfaces.ts';
import { wholePods } from './whole-pods.ts';

const stored = (containerId: string, ifName: string, address: string, parent?: string): StoredAssignment => ({
  attachment: { networkName: parent === undefined ? '' : 'net', containerId, ifName },
  pod: { namespace: '', name: '', uid: '' },
  address,
  interfaceId: 'eni-1',
  cidr: `${address}/32`,
  assignedAt: 0,
  hostIfName: `h-${address}`,
  netns: '',
  ...(parent === undefined ? {} : { parent }),
});

/** Any parts of pods, each recorded or found in the kernel alone. */
const parts = fc
  .array(fc.record({ container: fc.nat(3), index: fc.nat(3), isAdopted: fc.boolean() }), { maxLength: 12 })
  .map((all) => {
    const unique = [...new Map(all.map((one) => [`${one.container}/${one.index}`, one])).values()];
    return unique.map(({ container, index, isAdopted }, n) =>
      index === 0
        ? stored(`c${container}`, 'eth0', `10.0.0.${n}`)
        : stored(`c${container}`, furtherIfName(index), `10.0.0.${n}`, isAdopted ? undefined : 'eth0'),
    );
  });

describe('a multi-NIC pod at a restart', () => {
  it('is whole: every first interface stays, and just those further ones that have theirs', () => {
    fc.assert(
      fc.property(parts, (all) => {
        const { kept, left } = wholePods(all);
        expect(kept.length + left.length).toBe(all.length);
        const firsts = new Set(
          all.flatMap(({ attachment }) => (attachment.ifName === 'eth0' ? [attachment.containerId] : [])),
        );
        for (const one of kept) {
          expect(firsts.has(one.attachment.containerId)).toBe(true);
          expect(runtimeIfName(one)).toBe('eth0');
        }
        for (const { attachment } of left) expect(firsts.has(attachment.containerId)).toBe(false);
        for (const containerId of firsts) {
          const further = furtherOf({ containerId, ifName: 'eth0' }, kept).map(({ attachment }) => attachment.ifName);
          const wanted = all.filter(({ attachment }) => attachment.containerId === containerId).length - 1;
          expect(further).toHaveLength(wanted);
          expect(further.toSorted((a, b) => interfaceIndex(a) - interfaceIndex(b))).toEqual(further);
        }
      }),
    );
  });

  it('is told of once, with every address it has, the first interface first', () => {
    fc.assert(
      fc.property(parts, (all) => {
        const { kept } = wholePods(all);
        const pods = attachedPods(new Map(kept.map((one) => [`${one.attachment.containerId}/${one.address}`, one])));
        expect(pods).toHaveLength(kept.filter(({ parent }) => parent === undefined).length);
        expect(pods.flatMap(({ addresses }) => addresses).toSorted()).toEqual(
          kept.map(({ address }) => address).toSorted(),
        );
        for (const { addresses } of pods) {
          const [first, ...further] = addresses.map((address) => kept.find((one) => one.address === address));
          expect(first?.attachment.ifName).toBe('eth0');
          const numbers = further.map((one) => interfaceIndex(one?.attachment.ifName ?? ''));
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        }
      }),
    );
  });

  it.each([
    ['eth0', 0],
    ['mNicIf1', 1],
    ['mNicIf31', 31],
    ['mNicIf0', 0],
    ['mNicIf1x', 0],
    ['net1', 0],
  ])('knows its interfaces by name: %s is number %d', (ifName, index) => {
    expect(interfaceIndex(ifName)).toBe(index);
  });
});
