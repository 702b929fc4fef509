import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { type Candidate, keyOf, type PoolRule, settingsOf, withoutPoolKeys } from './candidate.ts';
import { sentencesFor } from './explain.ts';
import { gridOf, type NodeBounds } from './grid.ts';
import { bestFor, OBJECTIVES } from './objective.ts';
import { dominates, frontierOf, type Score } from './score.ts';
import { type Point, searchFor, type SearchSpace } from './search.ts';
import { judge, MEASURES, ratios, toleranceOf } from './yardstick.ts';

const score = fc.record<Score>({
  idle: fc.nat(300),
  delayed: fc.nat(40),
  unserved: fc.nat(2),
  p99Ms: fc.nat(20_000),
  calls: fc.nat(3000),
});
const scores = fc.array(
  score.map((one) => ({ score: one })),
  { minLength: 1, maxLength: 40 },
);
const tolerance = toleranceOf({ nodes: 20, hours: 2, pods: 2000 });
const M5_LARGE: NodeBounds = {
  instanceType: 'm5.large',
  maxInterfaces: 3,
  perInterface: 9,
  podCapacity: { address: 27, prefix: 108 },
};
const current: Candidate = { instanceType: 'm5.large', rule: { kind: 'eni', mode: 'address', warm: 1 } };

describe('the frontier', () => {
  it('has no two of which one is better, and for all others one that is at least as good', () => {
    fc.assert(
      fc.property(scores, (points) => {
        const frontier = frontierOf(points);
        for (const one of frontier) expect(frontier.some((other) => dominates(other.score, one.score))).toBe(false);
        const same = (a: Score, b: Score) => JSON.stringify(a) === JSON.stringify(b);
        for (const point of points)
          expect(frontier.some((one) => dominates(one.score, point.score) || same(one.score, point.score))).toBe(true);
      }),
    );
  });
});

describe('the yardstick', () => {
  it('calls nothing both better and worse, and less never worse than more', () => {
    fc.assert(
      fc.property(score, score, score, (own, other, less) => {
        const verdicts = judge(own, other, tolerance);
        const back = judge(other, own, tolerance);
        for (const measure of ['idle', 'calls'] as const)
          expect([verdicts[measure], back[measure]].filter((each) => each === 'better').length).toBeLessThan(2);
        const smaller = { ...own, idle: Math.min(own.idle, less.idle), calls: Math.min(own.calls, less.calls) };
        for (const measure of MEASURES)
          if (verdicts[measure] === 'better') expect(judge(smaller, other, tolerance)[measure]).toBe('better');
        const parts = ratios(smaller, own, tolerance);
        for (const measure of MEASURES) expect(parts[measure]).toBeLessThanOrEqual(1);
      }),
    );
  });

  const base: Score = { idle: 100, delayed: 0, unserved: 0, p99Ms: 0, calls: 1000 };
  it.each<readonly [string, Partial<Score>, Partial<Record<'idle' | 'delay' | 'calls', string>>]>([
    ['a tie at zero', {}, { idle: 'same', delay: 'same', calls: 'same' }],
    ['a tenth more', { idle: 110, calls: 1100 }, { idle: 'same', calls: 'same' }],
    ['more than a tenth', { idle: 111, calls: 1101 }, { idle: 'worse', calls: 'worse' }],
    ['four pods for a moment', { delayed: 4, p99Ms: 900 }, { delay: 'same' }],
    ['four pods for long', { delayed: 4, p99Ms: 1100 }, { delay: 'worse' }],
    ['many pods for a moment', { delayed: 5, p99Ms: 10 }, { delay: 'worse' }],
    ['less of all', { idle: 99, calls: 999 }, { idle: 'better', calls: 'better' }],
  ])('%s', (_, change, verdicts) => {
    expect(judge({ ...base, ...change }, base, tolerance)).toMatchObject(verdicts);
  });

  it('takes fewer delays for better only where they are not longer', () => {
    const late = { ...base, delayed: 50, p99Ms: 10_000 };
    expect(judge({ ...late, delayed: 30 }, late, tolerance).delay).toBe('better');
    expect(judge({ ...late, delayed: 52, p99Ms: 5000 }, late, tolerance).delay).toBe('better');
    expect(judge({ ...late, delayed: 30, p99Ms: 12_000 }, late, tolerance).delay).toBe('worse');
  });
});

describe('the best for an objective', () => {
  it('loses nothing that it keeps where some point loses nothing, and is on the frontier or as good', () => {
    fc.assert(
      fc.property(scores, score, fc.constantFrom(...OBJECTIVES), (points, other, objective) => {
        const served = points.map((point) => ({ score: { ...point.score, unserved: 0 } }));
        const reference = { score: { ...other, unserved: 0 }, tolerance };
        const best = bestFor(served, objective, reference);
        const isLost = (one: Score, which: readonly (typeof MEASURES)[number][]) =>
          which.some((measure) => judge(one, reference.score, tolerance)[measure] === 'worse');
        const kept = objective === 'balanced' ? MEASURES : (['delay'] as const);
        if (best !== undefined && served.some((point) => !isLost(point.score, kept)))
          expect(isLost(best.score, kept)).toBe(false);
        const better = served.filter((point) => best !== undefined && dominates(point.score, best.score));
        expect(better).toEqual([]);
      }),
    );
  });

  it('is the one with the fewest pods left without an address, whatever the rest', () => {
    const left: Score = { idle: 1, delayed: 100, unserved: 90, p99Ms: 0, calls: 1 };
    const served: Score = { idle: 900, delayed: 100, unserved: 0, p99Ms: 90_000, calls: 9000 };
    const reference = { score: { ...served, idle: 100, calls: 100, p99Ms: 0 }, tolerance };
    for (const objective of OBJECTIVES)
      expect(bestFor([{ score: left }, { score: served }], objective, reference)?.score).toBe(served);
  });
});

describe('the search', () => {
  const space = (most: number): SearchSpace => ({
    current,
    types: [M5_LARGE],
    objective: 'balanced',
    reference: { score: { idle: 300, delayed: 5, unserved: 0, p99Ms: 2000, calls: 900 }, tolerance },
    most,
  });
  /** A model with its best at a place that no grid has. */
  const modelled = ({ rule }: Candidate): Score => {
    const [warm, minimum] = rule.kind === 'ip' ? [rule.warm, rule.minimum] : [40, 40];
    const away = Math.abs(minimum - 11) + Math.abs(warm - 3) + (rule.mode === 'prefix' ? 50 : 0);
    return { idle: 100 + 5 * away, delayed: away, unserved: 0, p99Ms: 0, calls: 200 + 10 * away };
  };
  const searched = (most: number) => {
    const asked: Candidate[] = [];
    const asking = searchFor(space(most));
    let step = asking.next();
    while (step.done !== true) {
      asked.push(...step.value);
      step = asking.next(step.value.map((candidate): Point => ({ candidate, score: modelled(candidate) })));
    }
    return { asked, points: step.value };
  };

  it('tries the current settings first, none twice, and no more than it may', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 120 }), (most) => {
        const { asked, points } = searched(most);
        expect(asked[0]).toEqual(current);
        expect(new Set(asked.map(keyOf)).size).toBe(asked.length);
        expect(asked.length).toBeLessThanOrEqual(most);
        expect(points.map(({ candidate }) => candidate)).toEqual(asked);
        expect(searched(most).asked).toEqual(asked);
      }),
      { numRuns: 30 },
    );
  });

  it('walks from the grid to what no grid has', () => {
    const { points } = searched(200);
    const best = bestFor(points, 'balanced', space(1).reference);
    expect(best?.candidate.rule).toEqual({ kind: 'ip', mode: 'address', warm: 3, minimum: 11 });
  });

  it('tries no prefixes where the type has none', () => {
    const { address = 0 } = M5_LARGE.podCapacity;
    const grid = gridOf({ ...M5_LARGE, podCapacity: { address } });
    expect(grid.every(({ rule }) => rule.mode === 'address')).toBe(true);
    expect(gridOf(M5_LARGE).some(({ rule }) => rule.mode === 'prefix')).toBe(true);
  });

  it('explains with the figures of the runs', () => {
    const { points } = searched(200);
    const { reference } = space(1);
    const [first] = points as readonly [Point];
    const chosen = bestFor(points, 'balanced', reference) ?? first;
    const found = { group: 'workers', objective: 'balanced' as const, current: first, chosen, reference };
    const sentences = sentencesFor({ ...found, frontier: frontierOf(points), tried: points.length });
    const text = sentences.join('\n');
    expect(text).toContain(`${points.length} settings were tried for workers`);
    expect(text).toContain('WARM_IP_TARGET=3 MINIMUM_IP_TARGET=11 on m5.large serves it best: 100 idle addresses');
    expect(text).toContain('calls 860 → 200 (-77 %)');
    expect(text).toContain('the choice is better in idle addresses and delays and calls');
    expect(sentencesFor({ ...found, chosen: first, frontier: [first], tried: 1 }).join('\n')).toContain(
      'The current settings, WARM_ENI_TARGET=1 on m5.large, serve it best',
    );
  });
});

describe('settings', () => {
  it('are those of the rule and no other of the pool', () => {
    const rules: readonly PoolRule[] = gridOf(M5_LARGE).map(({ rule }) => rule);
    for (const rule of rules) {
      const settings = settingsOf(rule);
      expect(withoutPoolKeys({ ...settings, MAX_ENI: '2' })).toEqual({ MAX_ENI: '2' });
      expect(settings['ENABLE_PREFIX_DELEGATION']).toBe(String(rule.mode === 'prefix'));
    }
    expect(settingsOf({ kind: 'ip', mode: 'address', warm: 0, minimum: 18 })).toEqual({
      ENABLE_PREFIX_DELEGATION: 'false',
      WARM_IP_TARGET: '0',
      MINIMUM_IP_TARGET: '18',
    });
  });
});
