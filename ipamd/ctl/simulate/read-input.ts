/** The cluster and the workload that `simulate` is asked about: a preset, files, or a preset's cluster with another workload. */
import { readFile } from 'node:fs/promises';
import type { PodSchedule } from '#warm-pool/simulator/cluster.ts';
import type { ClusterDescription } from '#warm-pool/simulator/description.ts';
import { PRESETS } from '#warm-pool/simulator/presets.data.ts';
import { isRangeAnswer, readRange } from '#warm-pool/simulator/prometheus.ts';
import { readTrace, type TraceResult } from '#warm-pool/simulator/trace.ts';
import type { Generator } from '#warm-pool/simulator/workload.ts';
import { Failure, usage } from '../failure.ts';
import { clusterIn, generatorsIn } from './validate.ts';

export interface Input {
  readonly name: string;
  readonly cluster: ClusterDescription;
  readonly workload: readonly Generator[] | PodSchedule;
}

/** Throws Failure: 1 for a file that cannot be read, 2 for one that says nothing sensible. */
export async function readInput(from: {
  readonly preset: string;
  readonly cluster: string;
  readonly workload: string;
}): Promise<Input> {
  const preset = Object.hasOwn(PRESETS, from.preset) ? PRESETS[from.preset] : undefined;
  if (from.preset !== '' && preset === undefined)
    throw usage(
      `there is no preset ${JSON.stringify(from.preset)}`,
      `there are ${Object.keys(PRESETS).join(', ')}.`,
      'See `wellspringctl simulate --list-presets`.',
    );
  const cluster = from.cluster === '' ? preset?.cluster : clusterIn(json(from.cluster, await textOf(from.cluster)));
  const workload = from.workload === '' ? preset?.workload : await workloadIn(from.workload);
  if (cluster === undefined || workload === undefined)
    throw usage(
      'it is not said what to simulate',
      'a cluster and a workload are needed.',
      'Give --preset NAME, or --cluster FILE and --workload FILE.',
    );
  return { name: from.workload === '' ? from.preset : from.workload, cluster, workload };
}

async function workloadIn(path: string): Promise<readonly Generator[] | PodSchedule> {
  const text = await textOf(path);
  if (path.endsWith('.json')) {
    const value = json(path, text);
    return isRangeAnswer(value)
      ? scheduleIn(readRange(value), `${path} is not an answer of Prometheus to a range query`)
      : generatorsIn(value);
  }
  return scheduleIn(readTrace(text), `${path} is not a trace`);
}

function scheduleIn(read: TraceResult, what: string): PodSchedule {
  if (read.kind === 'wrong') throw usage(what, `${read.problem}.`, 'See docs/simulator.md.');
  return read.pods;
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new Failure(1, {
      what: `${path} cannot be read`,
      why: `${(error as Error).message}.`,
      fix: 'Give the path of a file.',
    });
  }
}

function json(path: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw usage(`${path} is not JSON`, `${(error as Error).message}.`, 'See docs/simulator.md for the form.');
  }
}
