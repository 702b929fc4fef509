import { expect, it } from '@jest/globals';
import { emptyLedger, type Ledger, withInterface, withoutInterface } from '#warm-pool/ledger.ts';
import type { Action, NetworkInterface } from '#warm-pool/model.ts';
import { findings } from './pool-findings.ts';

const EMPTY = emptyLedger({
  mode: 'address',
  limits: { maxInterfaces: 3, ipv4PerInterface: 10, maxPods: 29 },
  coolDownMs: 0,
});
const eni = (id: string, deviceIndex: number, cidrs: readonly string[]): NetworkInterface => ({
  id,
  subnetId: 'subnet-1',
  mac: `02:00:00:00:00:0${deviceIndex}`,
  primaryAddress: `10.0.0.${deviceIndex + 1}`,
  isPrimary: deviceIndex === 0,
  deviceIndex,
  networkCardIndex: 0,
  attachmentId: `eni-attach-${id}`,
  phase: 'ready',
  managed: true,
  since: 0,
  blocks: cidrs.map((cidr) => ({ cidr, kind: 'address' })),
});
const doing = (ledger: Ledger, action: Partial<Action>): Ledger => ({
  ...ledger,
  inFlight: new Map([['a', { ...action } as Action]]),
});
const TWO = withInterface(withInterface(EMPTY, eni('eni-0', 0, ['10.0.1.1/32'])), eni('eni-1', 1, ['10.0.1.2/32']));

it('finds nothing where nothing changed', () => {
  expect(findings(TWO, TWO)).toMatchObject({ forcedInterfaces: 0, forcedAddresses: 0 });
  expect(Object.values(findings(TWO, TWO).counts)).toEqual([0, 0, 0, 0]);
});

it.each([
  ['an interface that came by itself', TWO, withInterface(TWO, eni('eni-2', 2, [])), { eniReconcileAdd: 1 }],
  [
    'one that was asked for',
    doing(TWO, { kind: 'create-interface', deviceIndex: 2, networkCardIndex: 0 }),
    withInterface(TWO, eni('eni-2', 2, [])),
    { eniReconcileAdd: 0 },
  ],
  ['an interface that went', TWO, withoutInterface(TWO, 'eni-1'), { eniReconcileDel: 1 }],
  [
    'one that was given back',
    doing(TWO, { kind: 'delete-interface', interfaceId: 'eni-1' }),
    withoutInterface(TWO, 'eni-1'),
    { eniReconcileDel: 0 },
  ],
  [
    'an address more',
    TWO,
    withInterface(TWO, eni('eni-1', 1, ['10.0.1.2/32', '10.0.1.3/32'])),
    { eniDataStorePoolReconcileAdd: 1, eniIPPoolReconcileDel: 0 },
  ],
  [
    'another address in the place of one',
    TWO,
    withInterface(TWO, eni('eni-1', 1, ['10.0.1.3/32'])),
    { eniDataStorePoolReconcileAdd: 1, eniIPPoolReconcileDel: 1 },
  ],
  [
    'an address more that was asked for',
    doing(TWO, { kind: 'assign', interfaceId: 'eni-1' }),
    withInterface(TWO, eni('eni-1', 1, ['10.0.1.2/32', '10.0.1.3/32'])),
    { eniDataStorePoolReconcileAdd: 0 },
  ],
  [
    'an address less that was given back',
    doing(TWO, { kind: 'release', interfaceId: 'eni-1' }),
    withInterface(TWO, eni('eni-1', 1, [])),
    { eniIPPoolReconcileDel: 0 },
  ],
])('tells %s', (_what, before, after, counts) => {
  expect(findings(before, after).counts).toMatchObject(counts);
});
