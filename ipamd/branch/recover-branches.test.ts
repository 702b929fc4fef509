import { describe, expect, it } from '@jest/globals';
import type { KernelBranchPod } from '../datapath/datapath.ts';
import {
  compact,
  decodeJournal,
  encodeRecord,
  replay,
  type JournalRecord,
  type StoredBranch,
} from '../store/records.ts';
import { recoverBranches } from './recover-branches.ts';

function stored(containerId: string, vlanId: number): StoredBranch {
  return {
    attachment: { networkName: 'net', containerId, ifName: 'eth0' },
    pod: { namespace: 'default', name: containerId, uid: `u-${containerId}` },
    address: `10.0.${vlanId}.20`,
    interfaceId: `eni-${vlanId}`,
    cidr: '',
    assignedAt: 5,
    hostIfName: `vlan${containerId}`,
    netns: `/run/netns/${containerId}`,
    branch: {
      mac: '02:00:00:00:00:07',
      vlanId,
      trunkMac: '02:00:00:00:00:03',
      subnetCidr: `10.0.${vlanId}.0/24`,
      mode: 'strict',
    },
  };
}

function seen(containerId: string, vlanId: number, more: Partial<KernelBranchPod> = {}): KernelBranchPod {
  const common = { hostIfName: `vlan${containerId}`, ifIndex: 9, key: `${containerId}/eth0`, mode: 'strict' } as const;
  return { ...common, addresses: [`10.0.${vlanId}.20`], vlanId, mac: '02:00:00:00:00:07', ...more };
}

const journal = (...branches: readonly StoredBranch[]) =>
  replay([
    { kind: 'start', version: 1, bootId: 'b1', at: 1 },
    ...branches.map((assignment): JournalRecord => ({ kind: 'branch', assignment })),
  ]);
const at = { bootId: 'b1', now: 50 };

describe('records of branch pods', () => {
  it('survive encoding and compaction, and end with their own record', () => {
    const state = journal(stored('a', 7), stored('b', 8));
    const again = replay(decodeJournal(compact(state, 0).map(encodeRecord).join('')).records);
    expect([...again.branches.values()]).toEqual([stored('a', 7), stored('b', 8)]);
    expect(again.assignments.size).toBe(0);
    const { branches } = replay([...compact(state, 0), { kind: 'branch-gone', attachment: stored('a', 7).attachment }]);
    expect([...branches.values()]).toEqual([stored('b', 8)]);
  });

  it('are none in a journal of before', () => {
    expect(replay([{ kind: 'start', version: 1, bootId: 'b1', at: 1 }]).branches.size).toBe(0);
  });
});

describe('branch pods after a restart', () => {
  it('run on where their link is there, damaged or not', () => {
    const { kept, gone, remains, adopted } = recoverBranches(
      journal(stored('a', 7)),
      [{ ...seen('a', 7), vlanId: undefined } as unknown as KernelBranchPod],
      at,
    );
    expect({ kept, gone, remains, adopted }).toEqual({ kept: [stored('a', 7)], gone: [], remains: [], adopted: [] });
  });

  it('are no more where the link went with the pod’s namespace; what is left of them goes', () => {
    const { kept, gone, remains } = recoverBranches(
      journal(stored('a', 7)),
      [seen('a', 7, { ifIndex: 0, addresses: [] })],
      at,
    );
    expect({ kept, gone, remains }).toEqual({ kept: [], gone: [stored('a', 7)], remains: ['vlana'] });
  });

  it('are no more after a reboot', () => {
    const { kept, gone } = recoverBranches(journal(stored('a', 7)), [], { ...at, bootId: 'b2' });
    expect({ kept, gone }).toEqual({ kept: [], gone: [stored('a', 7)] });
  });

  it('whole ones without a record are adopted, halves go', () => {
    const half = seen('b', 8, { addresses: [] });
    const { kept, adopted, remains } = recoverBranches(journal(), [seen('a', 7), half], at);
    expect(kept).toEqual(adopted);
    expect(adopted).toMatchObject([
      { attachment: { networkName: '', containerId: 'a', ifName: 'eth0' }, address: '10.0.7.20', hostIfName: 'vlana' },
    ]);
    expect(remains).toEqual(['vlanb']);
  });
});
