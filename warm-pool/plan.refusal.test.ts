import { describe, expect, it } from '@jest/globals';
import { explain } from './explain.ts';
import type {
  Action,
  BlockUse,
  InstanceLimits,
  InterfaceUse,
  ReasonCode,
  Snapshot,
  Subnet,
  WarmTargets,
} from './model.ts';
import { plan } from './plan.ts';

const NOW = 1_000_000;
const TARGETS: WarmTargets = { warmEniTarget: 0, warmIpTarget: 2, minimumIpTarget: undefined, warmPrefixTarget: 0 };

function singles(count: number, assigned: number): readonly BlockUse[] {
  return Array.from({ length: count }, (_, n) => ({
    block: { cidr: `10.0.1.${n}/32`, kind: 'address' },
    assigned: n < assigned ? 1 : 0,
    cooling: 0,
    free: n < assigned ? 0 : 1,
  }));
}

function primary(blocks: readonly BlockUse[]): InterfaceUse {
  return {
    networkInterface: {
      id: 'eni-0',
      subnetId: 'subnet-a',
      mac: '02:00:00:00:00:00',
      primaryAddress: '10.0.0.4',
      isPrimary: true,
      deviceIndex: 0,
      networkCardIndex: 0,
      attachmentId: 'attach-0',
      phase: 'ready',
      managed: true,
      since: 0,
      blocks: blocks.map(({ block }) => block),
    },
    blocks,
  };
}

function subnet(id: string, changes: Partial<Subnet> = {}): Subnet {
  return { id, cidr: '10.0.0.0/20', availableAddresses: 1000, backOffUntil: 0, prefixBackOffUntil: 0, ...changes };
}

function snapshot(changes: Partial<Snapshot> & { limits?: InstanceLimits }): Snapshot {
  return {
    mode: 'address',
    limits: { maxInterfaces: 2, ipv4PerInterface: 5, maxPods: 50 },
    interfaces: [primary(singles(4, 4))],
    subnets: [subnet('subnet-a')],
    inFlight: [],
    waiting: 0,
    cloudBackOffUntil: 0,
    ...changes,
  };
}

const why = { reason: 'pods-waiting', inputs: {} } as const;
const unmanaged: InterfaceUse = {
  ...primary([]),
  networkInterface: { ...primary([]).networkInterface, id: 'eni-9', isPrimary: false, managed: false, deviceIndex: 1 },
};

describe('a refusal says why', () => {
  it.each<[string, ReasonCode, Snapshot, number | undefined]>([
    [
      'no slot and no room',
      'interface-limit',
      snapshot({ interfaces: [primary(singles(4, 4)), unmanaged] }),
      undefined,
    ],
    [
      'a type with no secondary address',
      'address-limit',
      snapshot({ limits: { maxInterfaces: 2, ipv4PerInterface: 1, maxPods: 9 }, interfaces: [primary([])] }),
      undefined,
    ],
    [
      'a subnet that refused',
      'subnet-exhausted',
      snapshot({ subnets: [subnet('subnet-a', { backOffUntil: NOW + 5000 })] }),
      NOW + 5000,
    ],
    [
      'a subnet with no address',
      'subnet-exhausted',
      snapshot({ subnets: [subnet('subnet-a', { availableAddresses: 1 })] }),
      undefined,
    ],
    ['the cloud asked to be left alone', 'cloud-back-off', snapshot({ cloudBackOffUntil: NOW + 7000 }), NOW + 7000],
    [
      'more pods than the node may run',
      'max-pods-reached',
      snapshot({ waiting: 3, limits: { maxInterfaces: 2, ipv4PerInterface: 5, maxPods: 4 } }),
      undefined,
    ],
  ])('%s: %s', (_, reason, seen, retryAt) => {
    const { actions, refusals, wakeAt } = plan(seen, TARGETS, NOW);
    expect(actions).toEqual([]);
    const refusal = refusals.find((one) => one.why.reason === reason);
    expect(refusal).toMatchObject({ retryAt });
    expect(wakeAt).toBe(retryAt);
    for (const one of refusals) expect(explain(one.why)).toMatch(/^[^_]\S* .*\.$/);
    for (const one of refusals) expect(explain(one.why)).not.toMatch(/undefined|unknown|NaN/);
  });

  it('passes over a subnet that refused, and takes the one with most addresses of the others', () => {
    const subnets = [
      subnet('subnet-a', { backOffUntil: NOW + 1, availableAddresses: 5000 }),
      subnet('subnet-b', { availableAddresses: 50 }),
      subnet('subnet-c', { availableAddresses: 60 }),
    ];
    const { actions } = plan(snapshot({ subnets }), TARGETS, NOW);
    expect(actions).toMatchObject([{ kind: 'create-interface', subnetId: 'subnet-c', count: 2, deviceIndex: 1 }]);
  });

  it('takes the lowest device index that is neither in use nor in flight', () => {
    const limits = { maxInterfaces: 5, ipv4PerInterface: 5, maxPods: 50 };
    const place = { deviceIndex: 2, networkCardIndex: 0, subnetId: 'subnet-a' };
    const coming: Action = { kind: 'create-interface', ...place, mode: 'address', count: 4, why };
    const seen = snapshot({ limits, interfaces: [primary(singles(4, 4)), unmanaged], inFlight: [coming], waiting: 5 });
    expect(plan(seen, TARGETS, NOW).actions).toMatchObject([{ kind: 'create-interface', deviceIndex: 3, count: 3 }]);
  });

  it('waits for an interface that is on its way where that has the room', () => {
    const place = { deviceIndex: 1, networkCardIndex: 0, subnetId: 'subnet-a' };
    const coming: Action = { kind: 'create-interface', ...place, mode: 'address', count: 2, why };
    const limits = { maxInterfaces: 5, ipv4PerInterface: 5, maxPods: 50 };
    expect(plan(snapshot({ limits, inFlight: [coming], waiting: 1 }), TARGETS, NOW)).toMatchObject({
      actions: [],
      refusals: [],
    });
  });

  it('counts the interface of a create once, when it has arrived before its call is over', () => {
    const place = { deviceIndex: 1, networkCardIndex: 0, subnetId: 'subnet-a' };
    const coming: Action = { kind: 'create-interface', ...place, mode: 'address', count: 2, why };
    const { networkInterface } = primary([]);
    const arrived: InterfaceUse = {
      networkInterface: { ...networkInterface, id: 'eni-1', isPrimary: false, deviceIndex: 1, phase: 'attaching' },
      blocks: [{ block: { cidr: '10.0.2.1/32', kind: 'address' }, assigned: 0, cooling: 0, free: 1 }],
    };
    const seen = snapshot({ interfaces: [primary(singles(4, 4)), arrived], inFlight: [coming] });
    expect(plan(seen, TARGETS, NOW).actions).toMatchObject([{ kind: 'assign', interfaceId: 'eni-1', count: 1 }]);
  });
});
