import { describe, expect, it } from '@jest/globals';
import {
  emptyLedger,
  snapshot,
  withInFlight,
  withInterface,
  withSubnetBackOff,
  withSubnets,
} from '#warm-pool/ledger.ts';
import type { AddressBlock, NetworkInterface, WarmTargets } from '#warm-pool/model.ts';
import { callsOf, counted, explainAction } from './explain-action.ts';
import { outlookOf } from './explain-interface.ts';
import { subnetSentences, subnetsOf } from './explain-subnet.ts';

const NOW = 1_000_000;
const CONFIG = {
  mode: 'address',
  limits: { maxInterfaces: 3, ipv4PerInterface: 10, maxPods: 27 },
  coolDownMs: 30_000,
} as const;
const TARGETS: WarmTargets = {
  warmEniTarget: 1,
  warmIpTarget: undefined,
  minimumIpTarget: undefined,
  warmPrefixTarget: 1,
};
const singles = (from: number): readonly AddressBlock[] =>
  Array.from({ length: 9 }, (_, index) => ({ cidr: `10.0.${from}.${index + 10}/32`, kind: 'address' }));

function networkInterface(deviceIndex: number, more: Partial<NetworkInterface> = {}): NetworkInterface {
  return {
    id: `eni-${deviceIndex}`,
    subnetId: 'subnet-a',
    mac: '02:00:00:00:00:00',
    primaryAddress: `10.0.${deviceIndex}.4`,
    isPrimary: deviceIndex === 0,
    deviceIndex,
    networkCardIndex: 0,
    attachmentId: `attach-${deviceIndex}`,
    phase: 'ready',
    managed: true,
    since: 0,
    blocks: singles(deviceIndex),
    ...more,
  };
}

const described = {
  id: 'subnet-a',
  cidr: '10.0.0.0/16',
  availableAddresses: 900,
  backOffUntil: 0,
  prefixBackOffUntil: 0,
};

function ledgerOf(...interfaces: readonly NetworkInterface[]) {
  return interfaces.reduce(withInterface, withSubnets(emptyLedger(CONFIG), [described]));
}

function outlook(subject: NetworkInterface, ledger = ledgerOf(networkInterface(0), subject), targets = TARGETS) {
  const seen = snapshot(ledger, { waiting: 0, now: NOW, cloudBackOffUntil: 0 });
  const use = seen.interfaces.find((each) => each.networkInterface.id === subject.id);
  if (use === undefined) throw new Error('the interface is in the ledger');
  const { outlook: kind, sentences } = outlookOf(use, seen, targets, NOW);
  return `${kind}: ${sentences.join(' ')}`;
}

describe('outlookOf', () => {
  it('tells what the planner does with an interface, and why', () => {
    expect(outlook(networkInterface(1))).toMatch(
      /^to-be-removed: It is to be removed now\. .*WARM_ENI_TARGET=1 is still met/,
    );
    expect(outlook(networkInterface(1, { since: NOW - 1000 }))).toMatch(
      /^removed-later: eni-1 is not needed, but is removed only once it is 60 s old \(it is 1 s\)\. \(interface-too-young\) The planner looks again at \d{4}-/,
    );
    expect(outlook(networkInterface(1, { managed: false }))).toMatch(/^unmanaged: /);
    expect(outlook(networkInterface(1, { phase: 'draining' }))).toMatch(/^leaving: .*its removal is carried on/);
    expect(outlook(networkInterface(1, { phase: 'attaching' }))).toMatch(/^attaching: /);
    expect(outlook(networkInterface(0), ledgerOf(networkInterface(0)))).toMatch(/^kept: .*primary ENI/);
  });

  it('says what would be missing without it, and what is under way for it', () => {
    const targets = { ...TARGETS, warmEniTarget: 2 };
    const kept = /^kept: It is kept\. Without it: The pool has 9 free addresses, fewer than WARM_ENI_TARGET=2 keeps/;
    expect(outlook(networkInterface(1), undefined, targets)).toMatch(kept);
    const subject = networkInterface(1, { blocks: singles(1).slice(3) });
    const ledger = ledgerOf(networkInterface(0), subject);
    expect(outlook(subject, ledger, targets)).toMatch(
      /^changing: .*To be done now: ask for 3 addresses for eni-1\. The pool/,
    );
    const why = { reason: 'below-warm-eni-target', inputs: { free: 15 } } as const;
    const asked = withInFlight(ledger, 'x', { kind: 'assign', interfaceId: 'eni-1', mode: 'address', count: 3, why });
    expect(outlook(subject, asked, targets)).toMatch(/^changing: .*Under way: ask for 3 addresses for eni-1\./);
  });
});

describe('actions', () => {
  it('are counted in calls: two where addresses and prefixes go at once', () => {
    const why = { reason: 'wrong-mode', inputs: { blocks: 2, mode: 'prefix' } } as const;
    const release = { kind: 'release', interfaceId: 'eni-1', cidrs: ['10.0.0.9/32', '10.0.0.16/28'], why } as const;
    expect(callsOf(release)).toEqual(['UnassignPrivateIpAddresses', 'UnassignPrivateIpAddresses']);
    expect(explainAction(release).does).toBe('give back 1 address and 1 /28 prefix of eni-1');
    expect([counted(2, 'address'), counted(2, '/28 prefix'), counted(0, 'pod')]).toEqual([
      '2 addresses',
      '2 /28 prefixes',
      '0 pods',
    ]);
  });
});

describe('subnets', () => {
  it('say since when and why they are left alone', () => {
    const backed = ['all', 'prefix'] as const;
    const ledger = backed.reduce(
      (so, what) => withSubnetBackOff(so, 'subnet-a', what, NOW + 5000),
      ledgerOf(networkInterface(0, { subnetId: 'subnet-b' })),
    );
    const pool = { snapshot: () => snapshot(ledger, { waiting: 0, now: NOW, cloudBackOffUntil: 0 }) };
    const [a, b] = subnetsOf(pool, NOW);
    expect(a).toMatchObject({ id: 'subnet-a', availableAddresses: 900, interfaces: [], held: 0 });
    expect(b).toMatchObject({ id: 'subnet-b', availableAddresses: null, interfaces: ['eni-0'], held: 9 });
    const text = subnetSentences(a ?? ({} as never), new Error('There are not enough free addresses')).join(' ');
    expect(text).toMatch(
      /Nothing is asked of it until 1970-.* No prefix is asked of it until .* last refusal: There are not enough/,
    );
    expect(subnetsOf(pool, NOW + 5000)[0]).toMatchObject({ backOffUntil: null, prefixBackOffUntil: null });
  });
});
