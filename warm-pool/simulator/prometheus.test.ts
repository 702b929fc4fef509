import { expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { isRangeAnswer, readRange } from './prometheus.ts';

const STEP = 30;
const answer = (...series: readonly (readonly (number | string)[])[]) => ({
  status: 'success',
  data: {
    resultType: 'matrix',
    result: series.map((values, n) => ({
      metric: { __name__: 'awscni_assigned_ip_addresses', instance: `10.0.0.${n}:61678` },
      values: values.map((value, index) => [1_700_000_000 + STEP * index, String(value)]),
    })),
  },
});

it('gives at each sample as many running pods as the sample says, on the node of the series', () => {
  const counts = fc.array(fc.nat(12), { minLength: 2, maxLength: 20 });
  fc.assert(
    fc.property(counts, counts, (one, other) => {
      fc.pre([...one, ...other].some((count) => count > 0));
      const read = readRange(answer(one, other));
      expect(read.kind).toBe('schedule');
      if (read.kind !== 'schedule') return;
      const { start, stop, node } = read.pods;
      for (const [place, series] of [one, other].entries())
        for (const [index, count] of series.entries()) {
          const at = 1000 * STEP * index;
          const running = start.filter((from, pod) => node[pod] === place && from <= at && (stop[pod] ?? 0) > at);
          expect(running.length).toBe(count);
        }
    }),
  );
});

it('spreads a rise over its step and ends those that have run longest', () => {
  const read = readRange(answer([1, 4, 2, 2]));
  expect(read).toMatchObject({ kind: 'schedule' });
  if (read.kind !== 'schedule') return;
  expect([...read.pods.start]).toEqual([0, 10_000, 20_000, 30_000]);
  expect([...read.pods.stop]).toEqual([60_000, 60_000, Infinity, Infinity]);
});

it('ends the pods of a node that is gone one step after its last sample', () => {
  const read = readRange(answer([2, 2], [1, 1, 1, 1]));
  if (read.kind !== 'schedule') throw new Error(read.problem);
  expect([...read.pods.stop].toSorted((a, b) => a - b)).toEqual([60_000, 60_000, Infinity]);
});

it.each<readonly [unknown, RegExp]>([
  [{ status: 'error', error: 'parse error: unexpected }' }, /^its status is "error", not "success": parse error/],
  [{ status: 'success' }, /^it has no data$/],
  [{ status: 'success', data: { resultType: 'vector', result: [] } }, /ask \/api\/v1\/query_range, not/],
  [answer(), /^the query gave no series$/],
  [answer([1]), /^no series has two samples/],
  [answer([0, 0]), /^no series ever counts a pod$/],
  [answer([1, 'NaN']), /^result\[0\]\.values\[1\] is "NaN": a count/],
  [answer([1, -1]), /^result\[0\]\.values\[1\] is "-1": a count/],
  [answer([1, '']), /^result\[0\]\.values\[1\] is "": a count/],
  [answer([1, 1e12]), /^it would be 1000000000000 pods; /],
  [{ status: 'success', data: { resultType: 'matrix', result: [{ values: [] }] } }, /^result\[0\] has no metric$/],
  [
    { status: 'success', data: { resultType: 'matrix', result: [{ metric: {}, histograms: [] }] } },
    /^result\[0\] has no values/,
  ],
  [
    { status: 'success', data: { resultType: 'matrix', result: [{ metric: {}, values: [[1, 2]] }] } },
    /must be \[seconds, "number"\], not \[1,2\]$/,
  ],
  [
    {
      status: 'success',
      data: {
        resultType: 'matrix',
        result: [
          {
            metric: {},
            values: [
              [2, '1'],
              [1, '1'],
            ],
          },
        ],
      },
    },
    /^result\[0\]\.values\[1\] is not later/,
  ],
])('refuses what counts no pods, and says what is wrong: %j', (value, problem) => {
  expect(isRangeAnswer(value)).toBe(true);
  expect(readRange(value)).toMatchObject({ kind: 'wrong', problem: expect.stringMatching(problem) });
});
