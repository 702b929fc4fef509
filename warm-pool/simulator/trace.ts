/** Recorded workloads: CSV or JSON Lines with one pod a line. Pure text in, schedule or sentence out. */

import type { PodSchedule } from './cluster.ts';
import { inOrder } from './workload.ts';

export type TraceResult =
  | { readonly kind: 'schedule'; readonly pods: PodSchedule }
  /** A sentence that names the line. */
  | { readonly kind: 'wrong'; readonly problem: string };

interface Fields {
  readonly start: unknown;
  readonly stop: unknown;
  readonly node: unknown;
}

/**
 * CSV has a heading with `start`, and optionally `stop` and `node`, in any order; JSON Lines has objects with these keys.
 * `start` and `stop` are seconds from the beginning, `node` counts from 0. An absent stop is "outlives the run", an
 * absent node "the scheduler chooses".
 */
export function readTrace(text: string): TraceResult {
  const lines = text.split(/\r?\n/).flatMap((line, index) => (line.trim() === '' ? [] : [{ line, number: index + 1 }]));
  const isJson = lines[0]?.line.trimStart().startsWith('{') === true;
  const heading = isJson
    ? undefined
    : lines
        .shift()
        ?.line.split(',')
        .map((name) => name.trim());
  if (heading !== undefined && !heading.includes('start'))
    return { kind: 'wrong', problem: 'line 1 must be a heading with the column start (and stop, node)' };
  const pods = [];
  for (const { line, number } of lines) {
    const fields = heading === undefined ? fromJson(line) : fromCsv(line, heading);
    const pod = fields === undefined ? undefined : podOf(fields);
    if (pod === undefined) return { kind: 'wrong', problem: `line ${number} is not a pod: ${line.slice(0, 80)}` };
    pods.push(pod);
  }
  if (pods.length === 0) return { kind: 'wrong', problem: 'there is no pod in it' };
  return { kind: 'schedule', pods: inOrder(pods) };
}

function fromCsv(line: string, heading: readonly string[]): Fields {
  const cells = line.split(',').map((cell) => cell.trim());
  const cell = (name: string): unknown => {
    const text = cells[heading.indexOf(name)] ?? '';
    return text === '' ? undefined : Number(text);
  };
  return { start: cell('start'), stop: cell('stop'), node: cell('node') };
}

function fromJson(line: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null) return undefined;
    const record = value as Readonly<Record<string, unknown>>;
    return { start: record['start'], stop: record['stop'], node: record['node'] };
  } catch {
    return undefined;
  }
}

function podOf({ start, stop, node }: Fields) {
  const isTime = (value: unknown): value is number => typeof value === 'number' && value >= 0 && value < Infinity;
  if (!isTime(start) || (stop !== undefined && stop !== null && !(isTime(stop) && stop > start))) return undefined;
  const place = node ?? -1;
  if (typeof place !== 'number' || !Number.isInteger(place) || place < -1) return undefined;
  return { start: start * 1000, stop: isTime(stop) ? stop * 1000 : Infinity, node: place };
}
