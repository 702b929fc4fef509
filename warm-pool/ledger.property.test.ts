import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { cidr, contains, ipv4 } from './address.ts';
import { freshBlocks } from './granting-cloud.ts';
import {
  assign,
  assignments,
  emptyLedger,
  type Ledger,
  lookup,
  orphans,
  snapshot,
  summary,
  unassign,
  withAssignment,
  withBlocks,
  withCoolDown,
  withExclusions,
  withInFlight,
  withInterface,
  withoutBlocks,
  withoutInterface,
  withPhase,
  withSubnetBackOff,
} from './ledger.ts';
import type { AddressBlock, AllocationMode, Assignment, NetworkInterface } from './model.ts';

const COOL_DOWN_MS = 30_000;

function attachment(n: number) {
  return { networkName: 'aws-cni', containerId: `c${n}`, ifName: 'eth0' };
}

function pod(n: number) {
  return { namespace: 'default', name: `p${n}`, uid: `u${n}` };
}

function networkInterface(n: number, blocks: readonly AddressBlock[]): NetworkInterface {
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
    blocks,
  };
}

function node(mode: AllocationMode, counts: readonly number[], coolDownMs = COOL_DOWN_MS): Ledger {
  const limits = { maxInterfaces: 8, ipv4PerInterface: 50, maxPods: 110 };
  return counts.reduce(
    (ledger, count, n) => withInterface(ledger, networkInterface(n, freshBlocks(mode, count, n * 100))),
    emptyLedger({ mode, limits, coolDownMs }),
  );
}

/** What everybody may rely on after any step. */
function checkTruth(ledger: Ledger, now: number): void {
  checkSums(ledger);
  const held = assignments(ledger);
  expect(new Set(held.map(({ address }) => address)).size).toBe(held.length);
  const lost = new Set(orphans(ledger).map(({ address }) => address));
  const { interfaces } = snapshot(ledger, { waiting: 0, now, cloudBackOffUntil: 0 });
  for (const one of held.filter(({ address }) => !lost.has(address))) {
    const use = interfaces.find((each) => each.networkInterface.id === one.interfaceId);
    expect(use?.blocks.map(({ block }) => block.cidr)).toContain(one.cidr);
    expect(contains(cidr(one.cidr), ipv4(one.address))).toBe(true);
  }
  const totals = summary(ledger, now);
  expect(totals.assigned + totals.orphans).toBe(held.length);
  expect(totals.free + totals.assigned + totals.cooling).toBe(totals.total);
  const size = interfaces
    .flatMap(({ blocks }) => blocks)
    .reduce((sum, { block }) => sum + (block.kind === 'prefix' ? 16 : 1), 0);
  expect(totals.total).toBe(size);
  for (const { blocks, networkInterface: described } of interfaces) {
    expect(described.blocks).toEqual(blocks.map(({ block }) => block));
    for (const { free, assigned, cooling } of blocks)
      expect(Math.min(free, assigned, cooling)).toBeGreaterThanOrEqual(0);
  }
}

/** What is kept beside the blocks, so that nobody need look at each of them, says the same as they do. */
function checkSums({ interfaces }: Ledger): void {
  for (const { blocks, columns, tally } of interfaces.values()) {
    const uses = blocks.map((block) => block.use);
    const soonest = uses.map(({ coolUntil }) => coolUntil ?? Infinity);
    const bases = blocks.map(({ base }) => base);
    expect(columns).toEqual({ bases, free: uses.map(({ free }) => free), coolUntil: soonest });
    expect(bases).toEqual(bases.toSorted((a, b) => a - b));
    expect(tally.assigned).toBe(uses.reduce((sum, { assigned }) => sum + assigned, 0));
    expect(tally.cooling).toBe(uses.reduce((sum, { cooling }) => sum + cooling, 0));
    expect(tally.freeSingle + tally.freeInPrefixes).toBe(uses.reduce((sum, { free }) => sum + free, 0));
    expect(tally.coolUntil).toBeLessThanOrEqual(Math.min(Infinity, ...soonest));
  }
}

const event = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), pod: fc.nat(30) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), pod: fc.nat(30) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(1, 10_000, 29_999, 30_000) }),
  },
  fc.record({ kind: fc.constant('take' as const), eni: fc.nat(2), block: fc.nat(4) }),
  fc.record({ kind: fc.constant('give' as const), eni: fc.nat(2), block: fc.nat(4) }),
  fc.record({ kind: fc.constant('lose' as const), eni: fc.nat(2) }),
  fc.record({ kind: fc.constant('describe' as const), eni: fc.nat(2), count: fc.nat(4) }),
);

describe('the ledger, whatever happens', () => {
  it('never gives an address twice nor while it cools, and loses no assignment', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<AllocationMode>('address', 'prefix'),
        fc.array(event, { maxLength: 80, size: 'max' }),
        (mode, events) => {
          let ledger = node(mode, [3, 2, 1]);
          let now = 1_000_000;
          const resting = new Map<string, number>();
          const running = new Map<number, string>();
          const block = (one: { eni: number; block: number }) => freshBlocks(mode, 1, one.eni * 100 + one.block);
          for (const one of events) {
            if (one.kind === 'add') {
              const result = assign(ledger, { attachment: attachment(one.pod), pod: pod(one.pod) }, now);
              if (result.kind === 'already-assigned') expect(result.assignment.address).toBe(running.get(one.pod));
              if (result.kind === 'refused') expect(summary(ledger, now).assignable).toBe(0);
              if (result.kind === 'assigned') {
                const { address } = result.assignment;
                expect([...running.values()]).not.toContain(address);
                expect(resting.get(address) ?? 0).toBeLessThanOrEqual(now);
                running.set(one.pod, address);
                ledger = result.ledger;
              }
            }
            if (one.kind === 'delete') {
              const result = unassign(ledger, attachment(one.pod), now);
              expect(result.kind === 'released').toBe(running.has(one.pod));
              if (result.kind === 'released') {
                resting.set(result.assignment.address, now + COOL_DOWN_MS);
                expect(result.coolDown).toEqual({ address: running.get(one.pod), until: now + COOL_DOWN_MS });
                running.delete(one.pod);
                ledger = result.ledger;
              }
            }
            if (one.kind === 'wait') now += one.ms;
            if (one.kind === 'take')
              ledger = withoutBlocks(
                ledger,
                `eni-${one.eni}`,
                block(one).map(({ cidr: text }) => text),
              );
            // A block may come back on another interface than before.
            if (one.kind === 'give') ledger = withBlocks(ledger, `eni-${(one.eni + one.block) % 3}`, block(one));
            if (one.kind === 'lose') ledger = withoutInterface(ledger, `eni-${one.eni}`);
            if (one.kind === 'describe') {
              ledger = withInterface(ledger, networkInterface(one.eni, freshBlocks(mode, one.count, one.eni * 100)));
            }
            checkTruth(ledger, now);
            for (const [n, address] of running) expect(lookup(ledger, attachment(n))?.address).toBe(address);
            expect(assignments(ledger)).toHaveLength(running.size);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('is the same in any order of what a journal tells', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(40), { maxLength: 20, size: 'max' }),
        fc.infiniteStream(fc.nat()),
        (positions, order) => {
          const ledger = node('prefix', [2, 2]);
          const told = positions.map((position, n): Assignment => {
            const block = freshBlocks('prefix', 1, Math.floor(position / 16) % 2)[0]?.cidr ?? '';
            const [a, b, c, d] = block.split('/')[0]?.split('.').map(Number) ?? [];
            const address = `${a}.${b}.${c}.${(d ?? 0) + (position % 16)}`;
            return {
              attachment: attachment(n),
              pod: pod(n),
              address,
              interfaceId: 'eni-0',
              cidr: block,
              assignedAt: n,
            };
          });
          const unique = told.filter((one, n) => told.findIndex(({ address }) => address === one.address) === n);
          const shuffled = unique
            .map((one) => ({ one, key: order.next().value ?? 0 }))
            .toSorted((x, y) => x.key - y.key)
            .map(({ one }) => one);
          expect(views(replay(ledger, shuffled))).toEqual(views(replay(ledger, unique)));
          const rested = unique.map(({ address }, n) => ({ address, until: 1000 + n }));
          const forwards = rested.reduce(withCoolDown, ledger);
          expect(views(rested.toReversed().reduce(withCoolDown, ledger))).toEqual(views(forwards));
          const described = [...ledger.interfaces.values()].map((state) => state.networkInterface);
          const empty = emptyLedger(ledger.config);
          expect(views(rested.reduce(withCoolDown, described.toReversed().reduce(withInterface, empty)))).toEqual(
            views(described.reduce(withInterface, rested.reduce(withCoolDown, empty))),
          );
        },
      ),
    );
  });
});

function replay(ledger: Ledger, told: readonly Assignment[]): Ledger {
  return told.reduce((next, one) => {
    const result = withAssignment(next, one);
    if (result.kind === 'refused') throw new Error(`${one.address}: ${result.reason}`);
    return result.ledger;
  }, ledger);
}

function views(ledger: Ledger) {
  const now = 0;
  return {
    seen: snapshot(ledger, { waiting: 0, now, cloudBackOffUntil: 0 }),
    held: assignments(ledger),
    sums: summary(ledger, now),
  };
}

function assigned(ledger: Ledger, n: number, now: number): { ledger: Ledger; address: string; interfaceId: string } {
  const result = assign(ledger, { attachment: attachment(n), pod: pod(n) }, now);
  if (result.kind !== 'assigned') throw new Error(result.kind);
  return { ledger: result.ledger, ...result.assignment };
}

describe('the choice of an address', () => {
  it('fills the primary, then the interface and the prefix with most pods, lowest address first', () => {
    let ledger = node('prefix', [1, 1, 2]);
    const chosen: string[] = [];
    for (let n = 0; n < 34; n += 1) {
      const next = assigned(ledger, n, 0);
      ledger = next.ledger;
      chosen.push(`${next.interfaceId} ${next.address}`);
    }
    expect(chosen[0]).toBe('eni-0 10.128.0.0');
    expect(chosen[15]).toBe('eni-0 10.128.0.15');
    expect(chosen[16]).toBe('eni-1 10.128.6.64');
    expect(chosen[32]).toBe('eni-2 10.128.12.128');
    const second = freshBlocks('prefix', 2, 200)[1];
    if (second === undefined) throw new Error('no second prefix');
    const held = withAssignment(node('prefix', [0, 0, 2]), {
      attachment: attachment(1),
      pod: pod(1),
      address: '10.128.12.150',
      interfaceId: '',
      cidr: '',
      assignedAt: 0,
    });
    if (held.kind !== 'restored') throw new Error(held.reason);
    expect(assigned(held.ledger, 2, 0).address).toBe('10.128.12.144');
    expect(held.assignment).toMatchObject({ interfaceId: 'eni-2', cidr: second.cidr });
  });

  it('prefers the interface with most pods to one that comes before it, and the primary to both', () => {
    const told = {
      pod: pod(1),
      attachment: attachment(1),
      address: '10.128.12.130',
      interfaceId: '',
      cidr: '',
      assignedAt: 0,
    };
    const withPrimary = withAssignment(node('prefix', [1, 1, 1]), told);
    const without = withAssignment(node('prefix', [0, 1, 1]), told);
    if (withPrimary.kind !== 'restored' || without.kind !== 'restored') throw new Error('not restored');
    expect(assigned(withPrimary.ledger, 2, 0).interfaceId).toBe('eni-0');
    expect(assigned(without.ledger, 2, 0).interfaceId).toBe('eni-2');
  });

  it('passes over a prefix whose release is in flight, though another on the interface is free', () => {
    const why = { reason: 'above-warm-prefix-target', inputs: {} } as const;
    const release = { kind: 'release', interfaceId: 'eni-0', cidrs: ['10.128.0.0/28'], why } as const;
    const ledger = withInFlight(node('prefix', [2]), 'a', release);
    expect(assigned(ledger, 1, 0).address).toBe('10.128.0.16');
    expect(summary(ledger, 0)).toMatchObject({ free: 32, assignable: 16 });
  });

  it('takes a block from the interface that held it when the cloud moves it', () => {
    const before = assigned(node('address', [1, 1]), 1, 0);
    const moved = withBlocks(before.ledger, 'eni-1', freshBlocks('address', 1, 0));
    expect(summary(moved, 0)).toMatchObject({ total: 2, assigned: 1, orphans: 0 });
    expect(lookup(moved, attachment(1))).toMatchObject({ address: before.address, interfaceId: 'eni-1' });
  });

  it('passes over interfaces that are attaching, draining, unmanaged or about to go', () => {
    const request = { attachment: attachment(1), pod: pod(1) };
    const base = node('address', [1]);
    const why = { reason: 'above-warm-ip-target', inputs: {} } as const;
    const refusing = [
      withPhase(base, 'eni-0', 'attaching'),
      withPhase(base, 'eni-0', 'draining'),
      withInterface(base, { ...networkInterface(0, freshBlocks('address', 1, 0)), managed: false }),
      withInFlight(base, 'a', { kind: 'delete-interface', interfaceId: 'eni-0', why }),
      withInFlight(base, 'a', { kind: 'release', interfaceId: 'eni-0', cidrs: ['10.0.0.0/32'], why }),
    ];
    for (const ledger of refusing) {
      expect(assign(ledger, request, 0)).toEqual({ kind: 'refused', reason: 'no-free-address' });
      expect(summary(ledger, 0)).toMatchObject({ assignable: 0, free: 1 });
    }
    expect(assign(base, request, 0).kind).toBe('assigned');
  });

  it('uses single addresses in prefix mode only while the subnet refuses prefixes', () => {
    const limits = { maxInterfaces: 1, ipv4PerInterface: 10, maxPods: 10 };
    const blocks = freshBlocks('address', 1, 0);
    const base = withInterface(emptyLedger({ mode: 'prefix', limits, coolDownMs: 0 }), networkInterface(0, blocks));
    const request = { attachment: attachment(1), pod: pod(1) };
    expect(assign(base, request, 0).kind).toBe('refused');
    const refused = withSubnetBackOff(base, 'subnet-0', 'prefix', 100);
    expect(assign(refused, request, 99).kind).toBe('assigned');
    expect(assign(refused, request, 100).kind).toBe('refused');
  });

  it('gives an address again as soon as its cool-down is over, and at once where there is none', () => {
    const first = assigned(node('address', [1]), 1, 0);
    const released = unassign(first.ledger, attachment(1), 1000);
    if (released.kind !== 'released') throw new Error(released.kind);
    const again = { attachment: attachment(2), pod: pod(2) };
    expect(assign(released.ledger, again, 30_999).kind).toBe('refused');
    expect(assign(released.ledger, again, 31_000).kind).toBe('assigned');
    const quick = unassign(assigned(node('address', [1], 0), 1, 0).ledger, attachment(1), 1000);
    if (quick.kind !== 'released') throw new Error(quick.kind);
    expect(assign(quick.ledger, again, 1000).kind).toBe('assigned');
    expect(unassign(quick.ledger, attachment(1), 1000)).toEqual({ kind: 'unknown' });
  });

  it('refuses what a journal cannot be right about', () => {
    const { ledger } = assigned(node('address', [2]), 1, 0);
    const told = { pod: pod(2), interfaceId: 'eni-0', cidr: '', assignedAt: 0 };
    const taken = withAssignment(ledger, { ...told, attachment: attachment(2), address: '10.0.0.0' });
    expect(taken).toEqual({ kind: 'refused', reason: 'address-taken' });
    const unknown = withAssignment(ledger, { ...told, attachment: attachment(2), address: '192.0.2.1' });
    expect(unknown).toEqual({ kind: 'refused', reason: 'address-unknown' });
    const another = withAssignment(ledger, { ...told, attachment: attachment(1), address: '10.0.0.1' });
    expect(another).toEqual({ kind: 'refused', reason: 'attachment-has-another' });
    expect(withAssignment(ledger, { ...told, attachment: attachment(1), address: '10.0.0.0' }).kind).toBe('restored');
  });

  it('keeps an exclusion until it is lifted, over new descriptions and phases, and hosts nobody meanwhile', () => {
    const pods = fc.integer({ min: 1, max: 12 });
    fc.assert(
      fc.property(pods, fc.nat(2), fc.nat(5), fc.boolean(), (count, which, described, silent) => {
        const before = Array.from({ length: count }, (_, n) => n).reduce(step, node('address', [3, 3, 3]));
        const held = assignments(before);
        const excluded = withExclusions(before, ({ id }) =>
          silent && id !== `eni-${which}` ? undefined : id === `eni-${which}`,
        );
        const fresh = freshBlocks('address', described, which * 100 + 50);
        const blocks = [...freshBlocks('address', 3, which * 100), ...fresh];
        const again = withPhase(withInterface(excluded, networkInterface(which, blocks)), `eni-${which}`, 'ready');
        const after = Array.from({ length: 20 }, (_, n) => 100 + n).reduce(step, again);
        checkTruth(after, 1);
        expect(assignments(after).filter((one) => one.interfaceId === `eni-${which}`)).toEqual(
          held.filter((one) => one.interfaceId === `eni-${which}`),
        );
        expect(summary(after, 1).assignable).toBe(0);
        const lifted = withExclusions(after, () => false);
        expect(summary(lifted, 1).assignable).toBe(summary(lifted, 1).free);
      }),
    );
  });
});

/** One more pod, where there is an address for it. */
function step(ledger: Ledger, n: number): Ledger {
  const result = assign(ledger, { attachment: attachment(n), pod: pod(n) }, 1);
  return result.kind === 'assigned' ? result.ledger : ledger;
}
