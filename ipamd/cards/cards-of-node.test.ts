import { describe, expect, it } from '@jest/globals';
import { INSTANCE_TAG } from '#cloud/aws/tags.ts';
import { instanceTypeTable } from '#cloud/instance-types.ts';
import type { InstanceTypeDescription } from '#cloud/provider.ts';
import { parseConfig } from '../config/config.ts';
import { instanceLimits } from '../start/discover.ts';
import { checkMarks, furtherCards, isOfThePool, maxInterfacesOn, withoutFurtherCards } from './cards-of-node.ts';

const typeOf = (name: string): InstanceTypeDescription => {
  const found = instanceTypeTable().get(name);
  if (found === undefined) throw new Error(`${name} is not in the table`);
  return found;
};
const config = (env: Readonly<Record<string, string>> = {}) => parseConfig({ ENABLE_MULTI_NIC: 'true', ...env });

describe('network cards of a type', () => {
  it('count for themselves: card 0 alone without the setting, MAX_ENI on each with it', () => {
    const type = typeOf('p4d.24xlarge');
    expect(instanceLimits(type, parseConfig({})).maxInterfaces).toBe(15);
    expect(furtherCards(type, parseConfig({}))).toEqual([]);
    expect(furtherCards(type, config({ MAX_ENI: '4' }))).toEqual(
      [1, 2, 3].map((networkCardIndex) => ({ networkCardIndex, maxInterfaces: 4 })),
    );
    expect(furtherCards(typeOf('m5.large'), config())).toEqual([]);
  });

  it('of every type have limits of their own, and a mark for each ENI within the default mask', () => {
    for (const type of instanceTypeTable().values()) {
      const cards = furtherCards(type, config());
      expect(cards).toHaveLength(type.networkCards.length - 1);
      expect(instanceLimits(type, config()).maxInterfaces).toBe(maxInterfacesOn(0, type, config()));
      expect(() => checkMarks(type, config())).not.toThrow();
    }
  });

  it('are refused where the mask has too few values, and not a value earlier', () => {
    const type = {
      instanceType: 'x',
      networkCards: [0, 1].map((card) => ({ networkCardIndex: card, maximumInterfaces: 8 })),
    };
    expect(() => checkMarks(type, config({ WELLSPRING_ENI_MARK_MASK: '0xf' }))).not.toThrow();
    expect(() => checkMarks(type, config({ WELLSPRING_ENI_MARK_MASK: '0x70' }))).toThrow(
      'ENABLE_MULTI_NIC=true lets x have 15 secondary ENIs on 2 network cards, and WELLSPRING_ENI_MARK_MASK=0x70 tells 7 apart: ' +
        'give the mask 4 bits, or lower MAX_ENI.',
    );
    expect(() => checkMarks(type, parseConfig({ WELLSPRING_ENI_MARK_MASK: '0x70' }))).not.toThrow();
  });

  it('that are not there make the setting worth a word', () => {
    expect(withoutFurtherCards(typeOf('m5.large'), config())).toBe(
      'ENABLE_MULTI_NIC has no effect: m5.large has one network card',
    );
    expect(withoutFurtherCards(typeOf('m5.large'), parseConfig({}))).toBeUndefined();
    expect(withoutFurtherCards(typeOf('p4d.24xlarge'), config())).toBeUndefined();
  });
});

describe('an attached interface', () => {
  const attached = (interfaceType: string, networkCardIndex: number, tags: Readonly<Record<string, string>> = {}) => ({
    interfaceType,
    tags,
    attachment: {
      attachmentId: 'a',
      instanceId: 'i-1',
      deviceIndex: 1,
      networkCardIndex,
      deleteOnTermination: false,
      status: 'attached' as const,
    },
  });

  it.each([
    ['interface', 0, {}, true, true],
    ['efa', 0, {}, true, true],
    ['efa-only', 0, {}, false, false],
    ['trunk', 0, {}, false, false],
    ['interface', 1, {}, false, true],
    ['efa', 3, {}, false, true],
    ['efa-only', 1, {}, false, false],
    ['interface', 1, { 'node.k8s.amazonaws.com/no_manage': 'true' }, false, false],
    ['interface', 1, { [INSTANCE_TAG]: 'i-1' }, false, true],
  ])('of type %s on card %d with tags %j is the pool’s: %s, with ENABLE_MULTI_NIC %s', (type, card, tags, off, on) => {
    expect(isOfThePool(attached(type, card, tags), 'i-1', parseConfig({}))).toBe(off);
    expect(isOfThePool(attached(type, card, tags), 'i-1', config())).toBe(on);
  });
});
