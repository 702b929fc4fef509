import { describe, expect, it } from '@jest/globals';
import {
  emptyLedger,
  type Ledger,
  lookup,
  snapshot,
  summary,
  unassign,
  withAssignment,
  withBlocks,
  withInFlight,
  withInterface,
  withLostAssignment,
  withPhase,
} from './ledger.ts';
import type { AddressBlock, Assignment, NetworkInterface } from './model.ts';
import { plan } from './plan.ts';

const NOW = 1_000_000;
const TARGETS = { warmEniTarget: 0, warmIpTarget: 1, minimumIpTarget: undefined, warmPrefixTarget: 0 };
const single = (address: string): AddressBlock => ({ cidr: `${address}/32`, kind: 'address' });

function eni(deviceIndex: number, blocks: readonly AddressBlock[]): NetworkInterface {
  return {
    id: `eni-${deviceIndex}`,
    subnetId: 'subnet-0',
    mac: `02:00:00:00:00:0${deviceIndex}`,
    primaryAddress: `10.0.0.${deviceIndex + 4}`,
    isPrimary: deviceIndex === 0,
    deviceIndex,
    networkCardIndex: 0,
    attachmentId: `attach-${deviceIndex}`,
    phase: 'ready',
    managed: true,
    since: 0,
    blocks,
  };
}

const lost: Assignment = {
  attachment: { networkName: 'net', containerId: 'c1', ifName: 'eth0' },
  pod: { namespace: 'default', name: 'p1', uid: '' },
  address: '10.0.0.20',
  interfaceId: 'eni-1',
  cidr: '10.0.0.20/32',
  assignedAt: 0,
};

/** A journal that was written before the interface got the address of a pod that runs. */
function behind(): Ledger {
  const limits = { maxInterfaces: 3, ipv4PerInterface: 10, maxPods: 110 };
  const empty = emptyLedger({ mode: 'address', limits, coolDownMs: 0 });
  const held = [eni(0, [single('10.0.0.10')]), eni(1, [])].reduce(withInterface, empty);
  return withLostAssignment(held, lost);
}

const actionsOf = (ledger: Ledger) =>
  plan(snapshot(ledger, { waiting: 0, now: NOW, cloudBackOffUntil: 0 }), TARGETS, NOW).actions;

describe('an interface that was being removed when the daemon stopped', () => {
  const limits = { maxInterfaces: 3, ipv4PerInterface: 10, maxPods: 110 };
  const half = { ...eni(1, [single('10.0.0.20')]), phase: 'draining' } as const;
  const held = (subject: NetworkInterface): Ledger =>
    [eni(0, [single('10.0.0.10')]), subject].reduce(
      withInterface,
      emptyLedger({ mode: 'address', limits, coolDownMs: 0 }),
    );

  it('is removed to the end, once', () => {
    const ledger = held(half);
    const [action] = actionsOf(ledger);
    expect(action).toMatchObject({
      kind: 'delete-interface',
      interfaceId: 'eni-1',
      why: { reason: 'interrupted-deletion' },
    });
    if (action === undefined) throw new Error('no action');
    expect(actionsOf(withInFlight(ledger, 'delete-1', action))).toEqual([]);
  });

  it('stays where a pod has an address of it, says that it has one, or it is none of ours', () => {
    const there = withAssignment(held({ ...half, phase: 'ready' }), lost);
    if (there.kind !== 'restored') throw new Error(there.reason);
    expect(actionsOf(withPhase(there.ledger, 'eni-1', 'draining'))).toEqual([]);
    expect(actionsOf(withLostAssignment(held({ ...half, blocks: [] }), lost))).toEqual([]);
    expect(actionsOf(held({ ...half, managed: false }))).toEqual([]);
  });
});

describe('an interface that seems empty, and of which a pod says that its address is from there', () => {
  it('is not deleted under the pod; what the cloud says then is believed; without the pod it goes', () => {
    const before = behind();
    expect(summary(before, NOW)).toMatchObject({ orphans: 1, assigned: 0 });
    expect(actionsOf(before)).toEqual([]);
    const found = withBlocks(before, 'eni-1', [single('10.0.0.20')]);
    expect(summary(found, NOW)).toMatchObject({ orphans: 0, assigned: 1 });
    expect(lookup(found, lost.attachment)).toEqual(lost);
    const released = unassign(before, lost.attachment, NOW);
    if (released.kind !== 'released') throw new Error(released.kind);
    expect(actionsOf(released.ledger)).toMatchObject([{ kind: 'delete-interface', interfaceId: 'eni-1' }]);
  });

  it('has the pod once, whoever else says so', () => {
    const before = behind();
    expect(withLostAssignment(before, lost)).toBe(before);
    const another = { ...lost, attachment: { ...lost.attachment, containerId: 'c2' } };
    expect(withLostAssignment(before, another)).toBe(before);
  });
});
