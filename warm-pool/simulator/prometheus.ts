/**
 * Workloads out of Prometheus: the answer of /api/v1/query_range (Prometheus HTTP API, "Range queries") to a query that gives
 * for each node how many pods have an address there. Pure: parsed JSON in, schedule or sentence out.
 */

import type { TraceResult } from './trace.ts';
import { inOrder } from './workload.ts';

/** More pods than this in one file are taken for a mistake in the query. */
const MOST_PODS = 50_000_000;

interface Sample {
  /** Seconds since 1970. */
  readonly at: number;
  readonly count: number;
}

type Series = readonly Sample[];

class Wrong extends Error {}

/** Whether a JSON file is meant to be such an answer, right or wrong. */
export function isRangeAnswer(value: unknown): boolean {
  return isRecord(value) && ('status' in value || 'resultType' in value || 'data' in value);
}

/**
 * A series is a node, in the order of their labels. A rise is so many starts, spread evenly over the step before the sample; a fall
 * ends those that have run longest. What comes and goes within a step is not in the data. Time begins with the first sample;
 * pods of a series that ends early end one step after its last sample, those of the last sample outlive the run.
 */
export function readRange(value: unknown): TraceResult {
  try {
    const series = seriesIn(value);
    const times = series.flatMap((one) => one.map(({ at }) => at));
    const begin = times.reduce((least, at) => Math.min(least, at), Infinity);
    const end = times.reduce((most, at) => Math.max(most, at), -Infinity);
    const step = stepOf(series);
    const pods = series.flatMap((one, node) => podsOf(one, { begin, end, step }).map((pod) => ({ ...pod, node })));
    if (pods.length === 0) throw new Wrong('no series ever counts a pod');
    return { kind: 'schedule', pods: inOrder(pods) };
  } catch (error) {
    if (error instanceof Wrong) return { kind: 'wrong', problem: error.message };
    throw error;
  }
}

function podsOf(series: Series, { begin, end, step }: { begin: number; end: number; step: number }) {
  const pods: { start: number; stop: number }[] = [];
  // Places in `pods` of those that run, the oldest first from `oldest` on.
  const running: number[] = [];
  let oldest = 0;
  let before: Sample = { at: begin, count: 0 };
  const stopAll = (upTo: number, at: number): void => {
    for (; oldest < running.length - upTo; oldest += 1) {
      const pod = pods[running[oldest] ?? -1];
      if (pod !== undefined) pod.stop = at;
    }
  };
  for (const [index, sample] of series.entries()) {
    const rise = sample.count - before.count;
    const since = index === 0 ? sample.at : Math.max(before.at, sample.at - step);
    for (let n = 0; n < rise; n += 1) {
      running.push(pods.length);
      pods.push({ start: 1000 * (since - begin + ((n + 1) / rise) * (sample.at - since)), stop: Infinity });
    }
    stopAll(sample.count, 1000 * (sample.at - begin));
    before = sample;
  }
  if (before.at < end) stopAll(0, 1000 * (before.at + step - begin));
  return pods;
}

function seriesIn(value: unknown): readonly Series[] {
  if (!isRecord(value)) throw new Wrong('it must be an object with status and data');
  if (value['status'] !== 'success') {
    const said = typeof value['error'] === 'string' ? `: ${value['error']}` : '';
    throw new Wrong(`its status is ${JSON.stringify(value['status'])}, not "success"${said}`);
  }
  const data = value['data'];
  if (!isRecord(data)) throw new Wrong('it has no data');
  if (data['resultType'] !== 'matrix')
    throw new Wrong(
      `its resultType is ${JSON.stringify(data['resultType'])}, not "matrix": ask /api/v1/query_range, not /api/v1/query`,
    );
  const result = data['result'];
  if (!Array.isArray(result) || result.length === 0) throw new Wrong('the query gave no series');
  const labelled = result.map((one: unknown, index) => {
    if (!isRecord(one) || !isRecord(one['metric'])) throw new Wrong(`result[${index}] has no metric`);
    if (!Array.isArray(one['values']) || one['values'].length === 0)
      throw new Wrong(`result[${index}] has no values; native histograms count no pods`);
    return { label: labelOf(one['metric']), samples: samplesIn(one['values'], index) };
  });
  const total = labelled.reduce((sum, { samples }) => sum + risesOf(samples), 0);
  if (total > MOST_PODS) throw new Wrong(`it would be ${total} pods; the query must count pods, one series a node`);
  return labelled.toSorted((a, b) => (a.label < b.label ? -1 : 1)).map(({ samples }) => samples);
}

function samplesIn(values: readonly unknown[], series: number): Series {
  let before = -Infinity;
  return values.map((pair, index) => {
    const place = `result[${series}].values[${index}]`;
    const [at, text]: readonly unknown[] = Array.isArray(pair) ? pair : [];
    if (typeof at !== 'number' || !Number.isFinite(at) || typeof text !== 'string')
      throw new Wrong(`${place} must be [seconds, "number"], not ${JSON.stringify(pair)}`);
    const count = Number(text);
    if (text.trim() === '' || !Number.isFinite(count) || count < 0)
      throw new Wrong(`${place} is ${JSON.stringify(text)}: a count of pods is a number from 0`);
    if (at <= before) throw new Wrong(`${place} is not later than the sample before it`);
    before = at;
    return { at, count: Math.round(count) };
  });
}

/** The least distance of two samples; a lone sample says nothing. */
function stepOf(series: readonly Series[]): number {
  const gaps = series.flatMap((one) => one.slice(1).map(({ at }, index) => at - (one[index]?.at ?? at)));
  if (gaps.length === 0) throw new Wrong('no series has two samples, so that nothing comes or goes');
  return gaps.reduce((least, gap) => Math.min(least, gap), Infinity);
}

function risesOf(series: Series): number {
  return series.reduce((sum, { count }, index) => sum + Math.max(0, count - (series[index - 1]?.count ?? 0)), 0);
}

function labelOf(metric: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(Object.entries(metric).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
