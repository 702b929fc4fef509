import { describe, expect, it } from '@jest/globals';
import type { NetworkInterface } from '#warm-pool/model.ts';
import type { KernelPod } from '../datapath/datapath.ts';
import { type JournalRecord, replay } from '../store/records.ts';
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
const assigned: JournalRecord = {
  kind: 'assign',
  assignment: {
    attachment: { networkName: 'net', containerId: 'c1', ifName: 'eth0' },
    pod: { namespace: 'd', name: 'p', uid: '' },
    address: '10.0.0.5',
    interfaceId: 'eni-1',
    cidr: '10.0.0.5/32',
    assignedAt: 1,
    hostIfName: 'eni1',
    netns: '/run/netns/x',
  },
};
const link = (key: string, ...addresses: string[]): KernelPod => ({
  hostIfName: `eni-${key.slice(0, 4)}`,
  ifIndex: 9,
  key,
  addresses,
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
    const coolDown = (address: string, until: number): JournalRecord => ({
      kind: 'cool-down',
      coolDown: { address, until },
    });
    const { coolDowns } = recovered([start, coolDown('10.0.0.5', NOW + 1), coolDown('10.0.0.6', NOW - 1)], []);
    expect(coolDowns.map(({ address }) => address)).toEqual(['10.0.0.5']);
  });
});
