import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { cidr } from '../address.ts';
import { CLOUD_CALLS, type Cluster } from './cluster.ts';
import type { Exchange } from './exchange.ts';
import { type Changes, CountOverTime, overTime } from './measures.ts';
import { partsOf } from './parts.ts';
import { type Ticket, Throttle } from './throttle.ts';

const range = cidr('10.0.0.0/24');

function clusterWith(subnets: number, ofNodes: readonly (readonly number[])[]): Pick<Cluster, 'nodes' | 'subnets'> {
  const kind = {} as Cluster['nodes'][number]['kind'];
  return {
    subnets: Array.from({ length: subnets }, (_, n) => ({ id: `subnet-${n}`, range })),
    nodes: ofNodes.map((places) => ({ kind, subnets: places, from: 0, until: Infinity })),
  };
}

describe('the parts of a run', () => {
  const nodes = fc.array(fc.uniqueArray(fc.nat(9), { minLength: 1, maxLength: 3 }), { maxLength: 40 });

  it('never divide the nodes of a subnet, and are no more than asked for', () => {
    fc.assert(
      fc.property(nodes, fc.integer({ min: 1, max: 5 }), (ofNodes, most) => {
        const parts = partsOf(clusterWith(10, ofNodes), most);
        expect(parts.count).toBeLessThanOrEqual(most);
        for (const [node, subnets] of ofNodes.entries()) {
          expect(parts.ofNode[node]).toBeLessThan(parts.count);
          for (const subnet of subnets) expect(parts.ofSubnet[subnet]).toBe(parts.ofNode[node]);
        }
      }),
    );
  });

  it('have as many nodes each where subnets are not shared', () => {
    const { count, ofNode } = partsOf(
      clusterWith(
        6,
        Array.from({ length: 60 }, (_, n) => [n % 6]),
      ),
      4,
    );
    expect(count).toBe(4);
    const sizes = [0, 1, 2, 3].map((part) => ofNode.filter((each) => each === part).length);
    expect(sizes).toEqual([20, 20, 10, 10]);
  });

  it('are one where every node shares a subnet with another, and where there is no node', () => {
    expect(partsOf(clusterWith(3, [[0, 1], [1, 2], [2]]), 4).count).toBe(1);
    expect(partsOf(clusterWith(3, []), 4).count).toBe(1);
    expect(partsOf(clusterWith(0, []), 4).count).toBe(1);
  });
});

describe('counts over time', () => {
  const steps = fc.array(fc.record({ at: fc.nat(50), by: fc.integer({ min: -3, max: 3 }) }), { maxLength: 30 });

  it('of parts have the mean, quantiles and maximum of their sum, as millisecond by millisecond', () => {
    fc.assert(
      fc.property(fc.array(steps, { minLength: 1, maxLength: 3 }), (parts) => {
        const ordered = parts.map((part) => part.toSorted((a, b) => a.at - b.at));
        // A pod's address never leaves a count below zero.
        const values = Array.from({ length: 60 }, (_, now) =>
          ordered.flat().reduce((sum, { at, by }) => sum + (at <= now ? by : 0), 0),
        );
        fc.pre(values.every((value) => value >= 0));
        const counts = ordered.map(changesOf);
        const sorted = values.toSorted((a, b) => a - b);
        const { mean, p50, p99, max } = overTime(counts, 60);
        expect(mean).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / 60);
        expect([p50, p99, max]).toEqual([sorted[29], sorted[59], sorted[59]]);
      }),
    );
  });

  it('are the value where no time has gone by', () => {
    expect(overTime([changesOf([{ at: 0, by: 4 }])], 0)).toEqual({ mean: 4, p50: 4, p99: 4, max: 4 });
    expect(overTime([], 10)).toEqual({ mean: 0, p50: 0, p99: 0, max: 0 });
  });
});

function changesOf(steps: readonly { readonly at: number; readonly by: number }[]): Changes {
  const count = new CountOverTime();
  for (const { at, by } of steps) count.change(by, at);
  return count.changes;
}

describe('the account’s limits', () => {
  const account = Object.fromEntries(CLOUD_CALLS.map((call) => [call, { burst: 2, perSecond: 100 }]));
  const rates = account as Record<(typeof CLOUD_CALLS)[number], { burst: number; perSecond: number }>;
  const calls = fc.array(fc.record({ at: fc.nat(100), node: fc.nat(5), what: fc.nat(1) }), { maxLength: 60 });

  it('admit the same calls, whatever part each comes from, and in whatever order those of one time are told', () => {
    fc.assert(
      fc.property(calls, fc.nat(2 ** 6 - 1), fc.func(fc.integer()), (sent, divided, chance) => {
        const inOrder = sent.toSorted((a, b) => a.at - b.at || a.node - b.node);
        const partOf = (node: number): number => (divided >> node) & 1;
        const whole = judged(inOrder, () => true);
        for (const part of [0, 1]) {
          // Within one time nodes come in any order, the calls of one node in theirs.
          const mixed = inOrder.toSorted((a, b) => a.at - b.at || chance(a.node) - chance(b.node) || a.node - b.node);
          const mine = judged(mixed, (node) => partOf(node) === part);
          for (const [key, verdicts] of mine) expect(verdicts).toEqual(whole.get(key));
        }
      }),
    );
  });

  /** The verdicts on the calls of the own nodes, by time and node. */
  function judged(sent: readonly Sent[], isOwn: (node: number) => boolean): ReadonlyMap<string, readonly boolean[]> {
    const exchange: Exchange = { parts: 2, reached() {}, tell() {}, waitFor() {}, end() {} };
    const throttle = new Throttle(rates, exchange, 0);
    const tickets: Ticket[] = [];
    for (const { at, node, what } of sent) {
      const call = CLOUD_CALLS[what];
      if (isOwn(node) && call !== undefined) tickets.push(throttle.send(at, node, call));
      else throttle.hear(1, at, node, what);
    }
    const verdicts = new Map<string, boolean[]>();
    for (const ticket of tickets) {
      const key = `${ticket.at} ${ticket.node}`;
      verdicts.set(key, [...(verdicts.get(key) ?? []), throttle.isAdmitted(ticket)]);
    }
    return verdicts;
  }
});

interface Sent {
  readonly at: number;
  readonly node: number;
  readonly what: number;
}
