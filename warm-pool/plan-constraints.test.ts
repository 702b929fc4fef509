import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { explain } from './explain.ts';
import { emptyLedger, snapshot, withConstraints, withInterface, withSubnets } from './ledger.ts';
import type { NetworkInterface, WarmTargets } from './model.ts';
import { plan } from './plan.ts';
import type { PlanConstraint } from './plan-constraints.ts';

const NOW = 1_000_000;
const LIMITS = { maxInterfaces: 4, ipv4PerInterface: 6, maxPods: 50 };
const DISABLED: PlanConstraint = { kind: 'provisioning-disabled', setting: 'DISABLE_NETWORK_RESOURCE_PROVISIONING' };
const UNSCHEDULABLE: PlanConstraint = { kind: 'node-unschedulable' };
const UNKNOWN: PlanConstraint = { kind: 'eniconfig-unknown', waitsFor: 'the API server' };
const UNUSABLE: PlanConstraint = { kind: 'eniconfig-unusable', eniConfig: 'zone-a', problem: 'it is not there.' };

function eni(n: number, addresses: number, changes: Partial<NetworkInterface> = {}): NetworkInterface {
  return {
    id: `eni-${n}`,
    subnetId: 'subnet-1',
    mac: `02:00:00:00:00:0${n}`,
    primaryAddress: `10.0.${n}.1`,
    isPrimary: n === 0,
    deviceIndex: n,
    networkCardIndex: 0,
    attachmentId: `attach-${n}`,
    phase: 'ready',
    managed: true,
    since: 0,
    blocks: Array.from({ length: addresses }, (_, index) => ({ cidr: `10.0.${n}.${index + 10}/32`, kind: 'address' })),
    ...changes,
  };
}

function planWith(
  constraints: readonly PlanConstraint[],
  targets: Partial<WarmTargets>,
  interfaces: readonly NetworkInterface[],
  { subnets = 1, waiting = 0 } = {},
) {
  const empty = emptyLedger({ mode: 'address', limits: LIMITS, coolDownMs: 0 });
  const held = interfaces.reduce(withInterface, empty);
  const offered = Array.from({ length: subnets }, (_, index) => ({
    id: `subnet-${index + 1}`,
    cidr: '10.0.0.0/16',
    availableAddresses: 1000,
    backOffUntil: 0,
    prefixBackOffUntil: 0,
  }));
  const ledger = withConstraints(withSubnets(held, offered), constraints);
  const all: WarmTargets = {
    warmEniTarget: 0,
    warmIpTarget: undefined,
    minimumIpTarget: undefined,
    warmPrefixTarget: 0,
    ...targets,
  };
  return plan(snapshot(ledger, { waiting, now: NOW, cloudBackOffUntil: 0 }), all, NOW);
}

const reasonsOf = ({ refusals }: ReturnType<typeof plan>) => refusals.map(({ why }) => why.reason);

describe('a constraint', () => {
  it.each([
    [DISABLED, /DISABLE_NETWORK_RESOURCE_PROVISIONING is set/],
    [UNSCHEDULABLE, /unschedulable.*AWS_MANAGE_ENIS_NON_SCHEDULABLE/],
    [UNKNOWN, /waits for the API server/],
    [UNUSABLE, /ENIConfig zone-a cannot be used: it is not there\./],
  ])('$kind holds growth back with its own sentence, whatever else there is to say', (constraint, sentence) => {
    for (const subnets of [0, 1]) {
      const made = planWith([constraint], { warmIpTarget: 5 }, [eni(0, 1)], { subnets, waiting: 3 });
      expect(made.actions).toEqual([]);
      expect(reasonsOf(made)).toEqual([constraint.kind]);
      expect(made.refusals.map(({ why }) => explain(why)).join()).toMatch(sentence);
    }
  });

  it('says nothing while nothing is missing', () => {
    for (const constraint of [DISABLED, UNSCHEDULABLE, UNKNOWN, UNUSABLE])
      expect(planWith([constraint], { warmIpTarget: 2 }, [eni(0, 2)])).toMatchObject({ actions: [], refusals: [] });
  });

  it('leaves a limit its say beside it: growth would not be possible without the constraint either', () => {
    const full = [0, 1, 2, 3].map((n) => eni(n, 5));
    expect(reasonsOf(planWith([UNKNOWN], { warmIpTarget: 30 }, full))).toEqual([
      'eniconfig-unknown',
      'interface-limit',
    ]);
  });

  it('on an unschedulable node keeps interfaces, and lets single addresses go', () => {
    const surplus = [eni(0, 5), eni(1, 5, { excludedFromPods: false })];
    const free = planWith([], { warmIpTarget: 1 }, surplus);
    expect(free.actions.map(({ kind }) => kind).sort()).toEqual(['delete-interface', 'release']);
    const held = planWith([UNSCHEDULABLE], { warmIpTarget: 1 }, surplus);
    expect(held.actions.map(({ kind }) => kind)).toEqual(['release']);
    expect(reasonsOf(held)).toContain('node-unschedulable');
  });

  it('on an unschedulable node carries on what was being removed, and with provisioning disabled does not', () => {
    const half = [eni(0, 5), eni(1, 5, { phase: 'draining', since: NOW })];
    const wanted = { warmIpTarget: 5 };
    expect(planWith([UNSCHEDULABLE], wanted, half).actions).toMatchObject([
      { kind: 'delete-interface', interfaceId: 'eni-1', why: { reason: 'interrupted-deletion' } },
    ]);
    const disabled = planWith([DISABLED], wanted, half);
    expect([disabled.actions, reasonsOf(disabled)]).toEqual([[], ['provisioning-disabled']]);
  });

  it('with provisioning disabled nothing at all goes back, of excluded interfaces neither', () => {
    const surplus = [eni(0, 5), eni(1, 5, { excludedFromPods: true }), eni(2, 5)];
    const held = planWith([DISABLED], { warmIpTarget: 1 }, surplus);
    expect(held.actions).toEqual([]);
    expect(reasonsOf(held)).toEqual(['provisioning-disabled']);
  });

  it('of custom networking stops no release and no deletion', () => {
    const surplus = [eni(0, 5), eni(1, 5)];
    for (const constraint of [UNKNOWN, UNUSABLE])
      expect(planWith([constraint], { warmIpTarget: 1 }, surplus).actions).toEqual(
        planWith([], { warmIpTarget: 1 }, surplus).actions,
      );
  });

  it('only ever takes actions away from a plan, and growth never passes one', () => {
    const some = fc.subarray([DISABLED, UNSCHEDULABLE, UNKNOWN, UNUSABLE], { minLength: 1 });
    const sizes = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(some, sizes, fc.integer({ min: 0, max: 20 }), fc.nat(4), (constraints, counts, warm, waiting) => {
        const held = counts.map((count, index) => eni(index, count));
        const without = planWith([], { warmIpTarget: warm }, held, { waiting });
        const made = planWith(constraints, { warmIpTarget: warm }, held, { waiting });
        const before = without.actions.map((action) => JSON.stringify(action));
        for (const action of made.actions) {
          expect(before).toContain(JSON.stringify(action));
          expect(['release', 'delete-interface']).toContain(action.kind);
        }
        const isHeldBack = made.actions.length < without.actions.length;
        if (isHeldBack) expect(constraints.some(({ kind }) => reasonsOf(made).includes(kind))).toBe(true);
      }),
    );
  });

  it('is replaced as a whole, and the ledger stays the same where nothing changes', () => {
    const ledger = withConstraints(emptyLedger({ mode: 'address', limits: LIMITS, coolDownMs: 0 }), [UNKNOWN]);
    expect(withConstraints(ledger, [{ ...UNKNOWN }])).toBe(ledger);
    expect(withConstraints(ledger, []).constraints).toEqual([]);
  });
});
