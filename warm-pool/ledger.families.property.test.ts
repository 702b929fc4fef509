import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { freshBlocks } from './granting-cloud.ts';
import { coolingIn, ipv6AddressAt } from './ledger-ipv6.ts';
import { formatIpv6, formatIpv6Prefix, IPV6_PREFIX_SIZE, parseIpv6 } from './ipv6.ts';
import {
  addressesOf,
  assign,
  assignments,
  emptyLedger,
  type Ledger,
  lookup,
  snapshot,
  summary,
  unassign,
  withAssignment,
  withCoolDown,
  withInterface,
  withIpv6Prefixes,
  withoutInterface,
  withPhase,
} from './ledger.ts';
import type { Assignment, Family, NetworkInterface } from './model.ts';

const COOL_DOWN_MS = 30_000;
const families: readonly Family[] = ['ipv4', 'ipv6', 'dual'];
const prefixOf = (n: number) => `2001:db8:0:0:${n + 1}::/80`;
const attachment = (n: number) => ({ networkName: 'aws-cni', containerId: `c${n}`, ifName: 'eth0' });
const pod = (n: number) => ({ namespace: 'default', name: `p${n}`, uid: `u${n}` });

function networkInterface(n: number, ipv6Prefixes: readonly string[]): NetworkInterface {
  return {
    id: `eni-${n}`,
    subnetId: 'subnet-0',
    mac: `02:00:00:00:00:0${n}`,
    primaryAddress: `10.0.0.${n + 4}`,
    isPrimary: n === 0,
    deviceIndex: n,
    networkCardIndex: 0,
    attachmentId: `attach-${n}`,
    phase: 'ready',
    managed: true,
    since: 0,
    blocks: freshBlocks('address', 4, n * 100),
    ipv6Prefixes,
  };
}

/** Three interfaces with the /80 prefixes of these numbers. */
function node(family: Family, prefixes: readonly (readonly number[])[], coolDownMs = COOL_DOWN_MS): Ledger {
  const limits = { maxInterfaces: 8, ipv4PerInterface: 50, maxPods: 110 };
  return prefixes.reduce(
    (ledger, numbers, n) => withInterface(ledger, networkInterface(n, numbers.map(prefixOf))),
    emptyLedger({ mode: 'address', family, limits, coolDownMs }),
  );
}

const inFamily = (ledger: Ledger, family: Family): Ledger => ({ ...ledger, config: { ...ledger.config, family } });

/** What everybody may rely on after any step, in any family and after any change of it. */
function checkTruth(ledger: Ledger, now: number): void {
  const held = assignments(ledger);
  const addresses = held.flatMap(addressesOf);
  expect(new Set(addresses).size).toBe(addresses.length);
  const { interfaces } = snapshot(ledger, { waiting: 0, now, cloudBackOffUntil: 0 });
  const prefixes = interfaces.flatMap((use) => use.networkInterface.ipv6Prefixes ?? []);
  expect(new Set(prefixes).size).toBe(prefixes.length);
  const of6 = held.flatMap((one) => addressesOf(one).filter((text) => text.includes(':')));
  const counted = interfaces.flatMap((use) => use.ipv6 ?? []).reduce((sum, use) => sum + use.assigned, 0);
  const lost = [...ledger.orphans.keys(), ...ledger.ipv6Orphans.keys()].filter((text) => text.includes(':'));
  expect(counted + lost.length).toBe(of6.length);
  for (const address of of6) {
    const cidr = formatIpv6Prefix({ network: parseIpv6(address)?.network ?? '' });
    expect(prefixes.includes(cidr)).toBe(!lost.includes(address));
  }
  const totals = summary(ledger, now);
  expect(totals.free + totals.assigned + totals.cooling).toBe(totals.total);
  expect(totals.assigned + totals.orphans).toBe(held.length);
}

const event = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('add' as const), pod: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('delete' as const), pod: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 29_999, 30_000) }) },
  fc.record({ kind: fc.constant('give' as const), eni: fc.nat(2), prefix: fc.nat(3) }),
  fc.record({
    kind: fc.constant('describe' as const),
    eni: fc.nat(2),
    prefixes: fc.uniqueArray(fc.nat(3), { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant('lose' as const), eni: fc.nat(2) }),
  fc.record({ kind: fc.constant('switch' as const), family: fc.constantFrom(...families) }),
);

describe('the ledger of any family, whatever happens', () => {
  it('gives no address twice nor while it cools, loses none, and keeps both addresses of a pod through all', () => {
    fc.assert(
      fc.property(fc.constantFrom(...families), fc.array(event, { maxLength: 80, size: 'max' }), (family, events) => {
        let ledger = node(family, [[0], [1], []]);
        let now = 1_000_000;
        const resting = new Map<string, number>();
        const running = new Map<number, readonly string[]>();
        for (const one of events) {
          if (one.kind === 'add') {
            const result = assign(ledger, { attachment: attachment(one.pod), pod: pod(one.pod) }, now);
            if (result.kind === 'refused') expect(summary(ledger, now).assignable).toBe(0);
            if (result.kind === 'assigned') {
              const given = addressesOf(result.assignment);
              for (const address of given) {
                expect([...running.values()].flat()).not.toContain(address);
                expect(resting.get(address) ?? 0).toBeLessThanOrEqual(now);
              }
              const wanted = { ipv4: ['4'], ipv6: ['6'], dual: ['4', '6'] }[ledger.config.family ?? 'ipv4'];
              expect(given.map((text) => (text.includes(':') ? '6' : '4'))).toEqual(wanted);
              running.set(one.pod, given);
              ledger = result.ledger;
            }
          }
          if (one.kind === 'delete') {
            const result = unassign(ledger, attachment(one.pod), now);
            expect(result.kind === 'released').toBe(running.has(one.pod));
            if (result.kind === 'released') {
              const told = [result.coolDown, ...(result.ipv6CoolDown === undefined ? [] : [result.ipv6CoolDown])];
              const until = now + COOL_DOWN_MS;
              expect(told).toEqual(running.get(one.pod)?.map((address) => ({ address, until })));
              for (const { address } of told) resting.set(address, until);
              running.delete(one.pod);
              ledger = result.ledger;
            }
          }
          if (one.kind === 'wait') now += one.ms;
          // A prefix may come back on another interface than before.
          if (one.kind === 'give') ledger = withIpv6Prefixes(ledger, `eni-${one.eni}`, [prefixOf(one.prefix)]);
          if (one.kind === 'describe')
            ledger = withInterface(ledger, networkInterface(one.eni, one.prefixes.map(prefixOf)));
          if (one.kind === 'lose') ledger = withoutInterface(ledger, `eni-${one.eni}`);
          if (one.kind === 'switch') ledger = inFamily(ledger, one.family);
          checkTruth(ledger, now);
          for (const [n, addresses] of running) {
            const found = lookup(ledger, attachment(n));
            expect(found && addressesOf(found)).toEqual(addresses);
          }
          expect(assignments(ledger)).toHaveLength(running.size);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('is the same when put back from what it tells, in any family', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...families),
        fc.constantFrom(...families),
        fc.array(fc.nat(11), { maxLength: 24 }),
        (family, later, pods) => {
          let ledger = node(family, [[0], [1], [2]]);
          for (const [step, n] of pods.entries()) {
            const added = assign(ledger, { attachment: attachment(n), pod: pod(n) }, step);
            const removed = added.kind === 'assigned' ? undefined : unassign(ledger, attachment(n), step);
            if (added.kind === 'assigned') ledger = added.ledger;
            if (removed?.kind === 'released') ledger = removed.ledger;
          }
          const empty = node(later, [[0], [1], [2]]);
          const restored = assignments(ledger).reduceRight((next, told) => {
            const outcome = withAssignment(next, told);
            if (outcome.kind === 'refused') throw new Error(outcome.reason);
            expect(outcome.assignment).toEqual(told);
            return outcome.ledger;
          }, empty);
          const views = (one: Ledger) => snapshot(one, { waiting: 0, now: 0, cloudBackOffUntil: 0 }).interfaces;
          const cooled = coolDowns(ledger).reduce(withCoolDown, restored);
          expect(views(cooled)).toEqual(views(ledger));
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** Every rest that a ledger of one /80 an interface shows, by trying its low addresses. */
function coolDowns(ledger: Ledger) {
  return [...ledger.interfaces.values()].flatMap(({ blocks, ipv6 }) => [
    ...blocks.flatMap(({ use, cooling }) =>
      [...cooling.values()].map((until) => ({ address: use.block.cidr.split('/')[0] ?? '', until })),
    ),
    ...ipv6.flatMap((block) =>
      coolingIn(block).map(({ position, until }) => ({ address: ipv6AddressAt(block, position), until })),
    ),
  ]);
}

function assigned(ledger: Ledger, n: number, now = 0): { ledger: Ledger; assignment: Assignment } {
  const result = assign(ledger, { attachment: attachment(n), pod: pod(n) }, now);
  if (result.kind !== 'assigned') throw new Error(result.kind);
  return result;
}

describe('the choice of an IPv6 address', () => {
  it('is the lowest that is neither held nor cooling, never the prefix itself, and comes back after its rest', () => {
    let ledger = node('ipv6', [[0]]);
    for (const n of [1, 2, 3]) ledger = assigned(ledger, n).ledger;
    expect(assignments(ledger).map(({ address }) => address)).toEqual(
      ['1', '2', '3'].map((last) => `2001:db8::1:0:0:${last}`),
    );
    const released = unassign(ledger, attachment(2), 1000);
    if (released.kind !== 'released') throw new Error(released.kind);
    const soon = assigned(released.ledger, 4, 30_999);
    expect(soon.assignment).toMatchObject({ address: '2001:db8::1:0:0:4', cidr: '2001:db8:0:0:1::/80' });
    expect(assigned(released.ledger, 4, 31_000).assignment.address).toBe('2001:db8::1:0:0:2');
  });

  it('is on the interface of the IPv4 address on a dual-stack node, and nowhere without a /80', () => {
    const { assignment, ledger } = assigned(node('dual', [[], [1], [2, 3]]), 1);
    expect(assignment).toMatchObject({ interfaceId: 'eni-1', ipv6Address: '2001:db8::2:0:0:1' });
    expect(assignment.cidr).toBe(`${assignment.address}/32`);
    expect(summary(ledger, 0).byInterface.map(({ assignable }) => assignable)).toEqual([0, 3, 4]);
    const closed = withPhase(withPhase(ledger, 'eni-1', 'draining'), 'eni-2', 'attaching');
    expect(assign(closed, { attachment: attachment(2), pod: pod(2) }, 0).kind).toBe('refused');
  });

  it('costs no more when many pods are there, wherever in the /80 they are', () => {
    const far = formatIpv6({ network: '2001:db8:0:0:1', position: IPV6_PREFIX_SIZE - 1 });
    const told = { ...assigned(node('ipv6', [[0]]), 0).assignment, address: far };
    const restored = withAssignment(node('ipv6', [[0]]), told);
    if (restored.kind !== 'restored') throw new Error(restored.reason);
    let { ledger } = restored;
    for (let n = 1; n <= 2000; n += 1) ledger = assigned(ledger, n).ledger;
    expect(new Set(assignments(ledger).map(({ address }) => address)).size).toBe(2001);
    expect(assigned(ledger, 2001).assignment.address).toBe('2001:db8::1:0:0:7d1');
    expect(summary(ledger, 0)).toMatchObject({ assigned: 2001, free: 4 + IPV6_PREFIX_SIZE - 1 - 2001 });
  });
});
