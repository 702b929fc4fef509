import { describe, expect, it } from '@jest/globals';
import type { NetworkInterface } from '#warm-pool/model.ts';
import type { KernelPod } from '../datapath/datapath.ts';
import { type JournalRecord, replay, type StoredAssignment } from '../store/records.ts';
import { recover } from './recover.ts';

const NOW = 1_000_000;
const eni: NetworkInterface = {
  id: 'eni-1',
  subnetId: 'subnet-1',
  mac: '02:00:00:00:00:01',
  primaryAddress: '10.0.0.4',
  isPrimary: true,
  deviceIndex: 0,
  networkCardIndex: 0,
  attachmentId: 'eni-attach-1',
  phase: 'ready',
  managed: true,
  since: 0,
  blocks: ['10.0.0.5', '10.0.0.6'].map((address) => ({ cidr: `${address}/32`, kind: 'address' as const })),
};
const start: JournalRecord = { kind: 'start', version: 1, bootId: 'boot-1', at: 0 };
const record: StoredAssignment = {
  attachment: { networkName: 'net', containerId: 'c1', ifName: 'eth0' },
  pod: { namespace: 'd', name: 'p', uid: '' },
  address: '10.0.0.5',
  interfaceId: 'eni-1',
  cidr: '10.0.0.5/32',
  assignedAt: 1,
  hostIfName: 'eni1',
  netns: '/run/netns/x',
};
const assigned: JournalRecord = { kind: 'assign', assignment: record };
const link = (key: string, ...addresses: string[]): KernelPod => ({
  hostIfName: `eni-${key.slice(0, 4)}`,
  ifIndex: 9,
  key,
  addresses,
});

const coolDown = (address: string, until: number): JournalRecord => ({
  kind: 'cool-down',
  coolDown: { address, until },
});

function recovered(records: readonly JournalRecord[], kernelPods: readonly KernelPod[], bootId = 'boot-1') {
  return recover({ journal: replay(records), bootId, kernelPods, interfaces: [eni], now: NOW, coolDownMs: 30_000 });
}

describe('recover', () => {
  it('keeps what journal and kernel agree on', () => {
    const { assignments, coolDowns, orphans, findings } = recovered([start, assigned], [link('c1/eth0', '10.0.0.5')]);
    expect(assignments.map(({ address }) => address)).toEqual(['10.0.0.5']);
    expect([...coolDowns, ...orphans, ...findings]).toEqual([]);
  });

  it('voids every attachment after a reboot and lets its address cool down', () => {
    const { rebooted, assignments, coolDowns } = recovered([start, assigned], [], 'boot-2');
    expect(rebooted).toBe(true);
    expect(assignments).toEqual([]);
    expect(coolDowns).toEqual([{ address: '10.0.0.5', until: NOW + 30_000 }]);
  });

  it('forgets a void attachment, so that its address does not rest anew at every start', () => {
    const { voided } = recovered([start, assigned], [], 'boot-2');
    const written: JournalRecord[] = voided.map((each) => ({ kind: 'unassign', ...each }));
    const { assignments, coolDowns } = replay([start, assigned, ...written]);
    expect([...assignments]).toEqual([]);
    expect(coolDowns.get('10.0.0.5')?.until).toBe(NOW + 30_000);
  });

  it('after a reboot lets an address rest anew that was not certainly rested, and no other', () => {
    const records = [start, coolDown('10.0.0.5', 900), coolDown('10.0.0.6', 700), { ...start, at: 800 }];
    expect(recovered(records, [], 'boot-2').coolDowns).toEqual([{ address: '10.0.0.5', until: NOW + 30_000 }]);
  });

  it('lets no address rest for longer than a cool-down', () => {
    expect(recovered([start, coolDown('10.0.0.5', NOW + 3_600_000)], []).coolDowns).toEqual([
      { address: '10.0.0.5', until: NOW + 30_000 },
    ]);
  });

  it('takes away every link without a name, however many there are', () => {
    const nameless = ['eni1', 'eni2', 'eni3'].map((hostIfName) => ({ ...link(''), hostIfName }));
    expect(recovered([start], nameless).orphans).toEqual(nameless);
  });

  it('releases an attachment whose link is gone', () => {
    const { assignments, coolDowns, findings } = recovered([start, assigned], []);
    expect(assignments).toEqual([]);
    expect(coolDowns).toHaveLength(1);
    expect(findings[0]?.kind).toBe('link-gone');
  });

  it('adopts a pod that only the kernel knows', () => {
    const { assignments, findings } = recovered([start], [link('c2/eth0', '10.0.0.6')]);
    expect(assignments[0]).toMatchObject({
      address: '10.0.0.6',
      interfaceId: 'eni-1',
      attachment: { containerId: 'c2', ifName: 'eth0' },
    });
    expect(findings[0]?.kind).toBe('adopted-from-kernel');
  });

  it('adopts a pod with an address that no interface is known to hold, rather than unplug it', () => {
    const { assignments, orphans } = recovered([start], [link('c2/eth0', '10.9.9.9')]);
    expect(assignments).toMatchObject([{ address: '10.9.9.9', interfaceId: '', cidr: '10.9.9.9/32' }]);
    expect(orphans).toEqual([]);
  });

  it.each([
    ['without an alias', link('', '10.0.0.6')],
    ['without a route', link('c2/eth0')],
    ['with an address that is another pod’s', link('c2/eth0', '10.0.0.5')],
  ])('calls a link %s an orphan', (_what, orphan) => {
    const { assignments, orphans } = recovered([start, assigned], [link('c1/eth0', '10.0.0.5'), orphan]);
    expect(assignments).toHaveLength(1);
    expect(orphans).toEqual([orphan]);
  });

  it('cool-downs survive a restart, and those that are over do not', () => {
    const { coolDowns } = recovered([start, coolDown('10.0.0.5', NOW + 1), coolDown('10.0.0.6', NOW - 1)], []);
    expect(coolDowns.map(({ address }) => address)).toEqual(['10.0.0.5']);
  });
});

const prefix = '2001:db8:0:0:1::/80';
const six = (last: number) => `2001:db8::1:0:0:${last}`;
const dual = (n: number, address: string, ipv6Address?: string): JournalRecord => {
  const attachment = { ...record.attachment, containerId: `c${n}` };
  const second = ipv6Address === undefined ? {} : { ipv6Address };
  return { kind: 'assign', assignment: { ...record, attachment, address, ...second } };
};
const recoveredDual = (records: readonly JournalRecord[], kernelPods: readonly KernelPod[], bootId = 'boot-1') =>
  recover({
    journal: replay([start, ...records]),
    bootId,
    kernelPods,
    interfaces: [{ ...eni, ipv6Prefixes: [prefix] }],
    now: NOW,
    coolDownMs: 30_000,
  });

describe('recover, with two families', () => {
  it('keeps both addresses of a pod, in whatever order and spelling the kernel shows them', () => {
    const { assignments, findings, coolDowns } = recoveredDual(
      [dual(1, '10.0.0.5', six(1))],
      [link('c1/eth0', '2001:DB8:0:0:1::1', '10.0.0.5')],
    );
    expect(assignments).toMatchObject([{ address: '10.0.0.5', ipv6Address: six(1) }]);
    expect([...findings, ...coolDowns]).toEqual([]);
  });

  it('lets both rest when the link is gone or the node was rebooted, and voids the attachment with both', () => {
    for (const boot of ['boot-1', 'boot-2']) {
      const { coolDowns, voided } = recoveredDual([dual(1, '10.0.0.5', six(1))], [], boot);
      const until = NOW + 30_000;
      expect(coolDowns).toEqual([
        { address: '10.0.0.5', until },
        { address: six(1), until },
      ]);
      expect(voided).toMatchObject([{ coolDown: { address: '10.0.0.5' }, ipv6CoolDown: { address: six(1), until } }]);
    }
  });

  it('adopts pods of each kind that the kernel alone knows, with the place of the address that leads', () => {
    const { assignments, orphans } = recoveredDual(
      [],
      [link('c1/eth0', six(1), '10.0.0.5'), link('c2/eth0', six(2)), link('c3/eth0', '2001:db8:9::1')],
    );
    expect(assignments).toMatchObject([
      { address: '10.0.0.5', ipv6Address: six(1), interfaceId: 'eni-1', cidr: '10.0.0.5/32' },
      { address: six(2), interfaceId: 'eni-1', cidr: prefix },
      { address: '2001:db8:9::1', interfaceId: '', cidr: '2001:db8:9::/80' },
    ]);
    expect(assignments.slice(1).map((one) => 'ipv6Address' in one)).toEqual([false, false]);
    expect(orphans).toEqual([]);
  });

  it('takes a second address from the kernel where the record is older, unless it is somebody else’s', () => {
    const taken = recoveredDual([dual(1, '10.0.0.5')], [link('c1/eth0', '10.0.0.5', six(1))]);
    expect(taken.assignments).toMatchObject([{ address: '10.0.0.5', ipv6Address: six(1) }]);
    expect(taken.findings).toEqual([{ kind: 'second-address-adopted', address: six(1), key: 'c1/eth0' }]);
    const disputed = recoveredDual(
      [dual(1, '10.0.0.5'), dual(2, '10.0.0.6', six(1))],
      [link('c1/eth0', '10.0.0.5', six(1)), link('c2/eth0', '10.0.0.6', six(1))],
    );
    expect(disputed.assignments.map(({ ipv6Address }) => ipv6Address)).toEqual([undefined, six(1)]);
  });

  it('keeps a second address promised that the kernel lost, and says so', () => {
    const { assignments, findings } = recoveredDual([dual(1, '10.0.0.5', six(1))], [link('c1/eth0', '10.0.0.5')]);
    expect(assignments).toMatchObject([{ ipv6Address: six(1) }]);
    expect(findings).toEqual([{ kind: 'second-address-missing', address: six(1), key: 'c1/eth0' }]);
  });
});
