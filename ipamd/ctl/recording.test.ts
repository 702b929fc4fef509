import { expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { readTrace } from '#warm-pool/simulator/trace.ts';
import type { PodRow } from '../observe/explain-rows.ts';
import { lookedAt, type Recording, remaining } from './recording.ts';

const BEGAN = Date.parse('2026-11-21T12:00:00.000Z');

function row(containerId: string, sinceMs: number, more: Partial<PodRow> = {}): PodRow {
  const since = new Date(BEGAN + sinceMs).toISOString();
  const pod = { namespace: 'default', name: `pod-${containerId}`, containerId, ifName: 'eth0', since };
  return { ...pod, vlanId: null, parent: null, ...more } as PodRow;
}

/** Pods with whole seconds of life, looked at every second. */
const pods = fc.array(fc.record({ start: fc.nat(30), life: fc.integer({ min: 1, max: 30 }) }), { maxLength: 20 });

it('writes every pod once, with its start, its end at the next look, and its node', () => {
  fc.assert(
    fc.property(pods, (list) => {
      const lines: string[] = [];
      let recording: Recording = new Map();
      for (let at = 0; at <= 40; at += 1) {
        const rows = list.flatMap(({ start, life }, index) =>
          start <= at && at < start + life ? [row(`c${index}`, 1000 * start)] : [],
        );
        const look = lookedAt(recording, rows, at, BEGAN, 3);
        recording = look.recording;
        lines.push(...look.lines);
      }
      lines.push(...remaining(recording, 3));
      expect(lines.length).toBe(list.length);
      if (list.length === 0) return;
      const trace = readTrace(lines.join(''));
      if (trace.kind === 'wrong') throw new Error(trace.problem);
      const key = (start: number, stop: number) => `${start} ${stop}`;
      const expected = list.map(({ start, life }) =>
        key(1000 * start, start + life > 40 ? Infinity : 1000 * (start + life)),
      );
      const written = [...trace.pods.start].map((start, pod) => key(start, trace.pods.stop[pod] ?? 0));
      expect(written.toSorted()).toEqual(expected.toSorted());
      expect([...trace.pods.node].every((node) => node === 3)).toBe(true);
    }),
  );
});

it('begins at 0 for pods that were there before, and takes a name used anew for another pod', () => {
  const first = lookedAt(new Map(), [row('a', -60_000)], 0, BEGAN, 0);
  const second = lookedAt(first.recording, [row('b', 4200, { name: 'pod-a' })], 5, BEGAN, 0);
  expect(second.lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { start: 0, stop: 5, node: 0, pod: 'default/pod-a' },
  ]);
  expect(remaining(second.recording, 0).map((line) => JSON.parse(line) as unknown)).toEqual([
    { start: 4.2, node: 0, pod: 'default/pod-a' },
  ]);
});

it('leaves out what takes no address of the pool by itself', () => {
  const branch = row('a', 0, { vlanId: 7 });
  const further = row('b', 0, { parent: 'eth0', ifName: 'mNicIf1' });
  expect(lookedAt(new Map(), [branch, further], 1, BEGAN, 0).recording.size).toBe(0);
});

it('writes what the simulator can read even where the clocks of a pod and of the looks disagree', () => {
  const ahead = lookedAt(new Map(), [row('a', 9000)], 2, BEGAN, 0);
  const { lines } = lookedAt(ahead.recording, [], 2, BEGAN, 0);
  expect(readTrace(lines.join(''))).toMatchObject({ kind: 'schedule' });
});
