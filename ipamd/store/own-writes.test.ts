import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { InterfaceAttachment, NetworkInterfaceDescription } from '#cloud/provider.ts';
import { doubtful, outrank, OWN_WRITE_OUTRANKS_MS, type OwnWrite } from './own-writes.ts';

const NOW = 1_000_000;
const attachment: InterfaceAttachment = {
  attachmentId: 'attach-1',
  instanceId: 'i-1',
  deviceIndex: 1,
  networkCardIndex: 0,
  deleteOnTermination: true,
  status: 'attached',
};
const eni = (changes: Partial<NetworkInterfaceDescription> = {}): NetworkInterfaceDescription => ({
  id: 'eni-1',
  subnetId: 'subnet-1',
  vpcId: 'vpc-1',
  availabilityZone: 'a',
  mac: '02:00:00:00:00:01',
  description: '',
  interfaceType: 'interface',
  status: 'in-use',
  primaryAddress: '10.0.0.4',
  secondaryAddresses: [],
  ipv4Prefixes: [],
  ipv6Addresses: [],
  ipv6Prefixes: [],
  securityGroupIds: [],
  tags: { owner: 'us' },
  attachment,
  ...changes,
});
const ADDRESSES = ['10.0.0.5', '10.0.0.6', '10.0.0.7'];
const mine = { filters: { 'attachment.instance-id': ['i-1'] } };
const free = eni({ status: 'available', attachment: undefined });

const write = fc.record({
  at: fc.integer({ min: NOW - 2 * OWN_WRITE_OUTRANKS_MS, max: NOW }),
  kind: fc.constantFrom('assigned', 'unassigned', 'kept'),
  interfaceId: fc.constant('eni-1'),
  addresses: fc.subarray(ADDRESSES),
  prefixes: fc.constant([]),
});
const history = fc
  .array(write, { maxLength: 12 })
  .map((writes): readonly OwnWrite[] => writes.toSorted((a, b) => a.at - b.at));

describe('own writes', () => {
  it('know a /80 from a /28 and an IPv6 address from an IPv4 one', () => {
    const told = { at: NOW, interfaceId: 'eni-1' };
    const given: OwnWrite = {
      ...told,
      kind: 'assigned',
      addresses: ['2001:db8::5'],
      prefixes: ['2001:db8:0:0:1::/80'],
    };
    const [seen] = outrank([eni({ secondaryAddresses: ['10.0.0.5'] })], [given], mine, NOW);
    expect(seen).toMatchObject({
      secondaryAddresses: ['10.0.0.5'],
      ipv4Prefixes: [],
      ipv6Addresses: ['2001:db8::5'],
      ipv6Prefixes: ['2001:db8:0:0:1::/80'],
    });
    const returned: OwnWrite = { ...given, kind: 'unassigned' };
    expect(outrank([seen ?? eni()], [given, returned], mine, NOW)).toEqual([eni({ secondaryAddresses: ['10.0.0.5'] })]);
  });

  it('decide each address by the latest young word on it, and leave every other to the cloud', () => {
    fc.assert(
      fc.property(history, fc.subarray(ADDRESSES), (writes, said) => {
        const [result] = outrank([eni({ secondaryAddresses: said })], writes, mine, NOW);
        for (const address of ADDRESSES) {
          const last = writes.findLast(
            (each) => 'addresses' in each && each.addresses.includes(address) && NOW - each.at < OWN_WRITE_OUTRANKS_MS,
          );
          const expected =
            last === undefined || last.kind === 'kept' ? said.includes(address) : last.kind === 'assigned';
          expect([address, result?.secondaryAddresses.includes(address)]).toEqual([address, expected]);
        }
        expect(new Set(result?.secondaryAddresses).size).toBe(result?.secondaryAddresses.length);
      }),
    );
  });

  it('change nothing once the time is over', () => {
    fc.assert(
      fc.property(history, fc.subarray(ADDRESSES), (writes, said) => {
        const described = [eni({ secondaryAddresses: said })];
        expect(outrank(described, writes, mine, NOW + OWN_WRITE_OUTRANKS_MS)).toBe(described);
      }),
    );
  });

  it('an assign without an answer brings nothing back that was given back before it', () => {
    const gone = { interfaceId: 'eni-1', addresses: ['10.0.0.5'], prefixes: [] };
    const writes: readonly OwnWrite[] = [
      { at: NOW - 2, kind: 'unassigned', ...gone },
      { at: NOW - 1, kind: 'asked', interfaceId: 'eni-1' },
    ];
    const stale = eni({ secondaryAddresses: ['10.0.0.5', '10.0.0.6'] });
    expect(outrank([stale], writes, mine, NOW)).toEqual([eni({ secondaryAddresses: ['10.0.0.6'] })]);
  });

  it('what is given anew in another shape is no longer had in the old one, whoever says so', () => {
    const one = { kind: 'assigned', addresses: [], prefixes: [] } as const;
    const writes: readonly OwnWrite[] = [
      { ...one, at: NOW - 3, interfaceId: 'eni-1', prefixes: ['10.0.0.32/28'] },
      { ...one, at: NOW - 2, interfaceId: 'eni-1', addresses: ['10.0.0.32'] },
      { ...one, at: NOW - 1, interfaceId: 'eni-2', addresses: ['10.0.0.48'] },
    ];
    const stale = eni({ ipv4Prefixes: ['10.0.0.32/28', '10.0.0.48/28', '10.0.0.64/28'] });
    expect(outrank([stale], writes, mine, NOW)).toEqual([
      eni({ secondaryAddresses: ['10.0.0.32'], ipv4Prefixes: ['10.0.0.64/28'] }),
    ]);
  });

  it('prefixes and addresses do not mix', () => {
    const assigned: OwnWrite = {
      at: NOW,
      kind: 'assigned',
      interfaceId: 'eni-1',
      addresses: ['10.0.0.5'],
      prefixes: ['10.0.0.16/28'],
    };
    expect(outrank([eni()], [assigned], mine, NOW)).toEqual([
      eni({ secondaryAddresses: ['10.0.0.5'], ipv4Prefixes: ['10.0.0.16/28'] }),
    ]);
  });

  const created: OwnWrite = { at: NOW, kind: 'created', networkInterface: free };
  const attached: OwnWrite = { at: NOW, kind: 'attached', networkInterface: free, attachment };
  const detached: OwnWrite = { at: NOW, kind: 'detached', attachmentId: 'attach-1' };
  const deleted: OwnWrite = { at: NOW, kind: 'deleted', interfaceId: 'eni-1' };
  const available = { filters: { status: ['available'], 'tag:owner': ['us'], 'vpc-id': ['vpc-1'] } };

  it.each([
    ['a new interface is there before the cloud lists it', [], [created, attached], mine, ['eni-1']],
    ['it is found by its id', [], [created], { ids: ['eni-1'] }, ['eni-1']],
    ['it is not found by another id', [], [created], { ids: ['eni-2'] }, []],
    ['a created one that is not attached is not the instance’s', [], [created], mine, []],
    ['it is available', [], [created], available, ['eni-1']],
    ['an attached one is not available, whatever a stale read says', [free], [attached], available, []],
    ['a detached one is not the instance’s any more', [eni()], [detached], mine, []],
    ['a deleted one does not return', [eni()], [detached, deleted], { ids: ['eni-1'] }, []],
    [
      'a write about another interface changes nothing',
      [eni()],
      [{ ...deleted, interfaceId: 'eni-9' }],
      mine,
      ['eni-1'],
    ],
  ] as const)('%s', (_, described, writes, question, ids) => {
    expect(outrank(described, writes, question, NOW).map(({ id }) => id)).toEqual(ids);
  });

  it('an answer that cannot be judged by its filter is left as the cloud gave it', () => {
    const odd = { filters: { 'private-ip-address': ['10.0.0.4'] } };
    expect(outrank([eni()], [created], odd, NOW)).toEqual([eni()]);
    expect(outrank([], [created], odd, NOW)).toEqual([]);
  });

  it('name the interfaces that a later look is worth', () => {
    const asked: OwnWrite = { at: NOW - OWN_WRITE_OUTRANKS_MS, kind: 'asked', interfaceId: 'eni-7' };
    expect([...doubtful([asked, attached], NOW)]).toEqual(['eni-1']);
    expect([...doubtful([asked], NOW - 1)]).toEqual(['eni-7']);
  });
});
