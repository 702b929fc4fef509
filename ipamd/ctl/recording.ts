/** What a recording knows of a node's pods between two looks, and the lines of the trace that follow. Pure. */
import type { PodRow } from '../observe/explain-rows.ts';

interface Running {
  /** Seconds since the recording began. */
  readonly start: number;
  readonly pod: string;
}

/** By container and interface: a pod that is made anew under its old name is another one. */
export type Recording = ReadonlyMap<string, Running>;

export interface Look {
  readonly recording: Recording;
  /** One line of the trace for each pod that is gone, ended. */
  readonly lines: readonly string[];
}

/**
 * The recording after a look at `at` seconds, `beganAt` (ms since 1970) being its beginning. Pods that were there before it start at 0;
 * others when the daemon says they got their address. Whoever is missing stopped now.
 */
export function lookedAt(before: Recording, rows: readonly PodRow[], at: number, beganAt: number, node: number): Look {
  const now = new Map<string, PodRow>(rows.filter(isOfPool).map((row) => [`${row.containerId} ${row.ifName}`, row]));
  const lines = [...before].flatMap(([key, running]) => (now.has(key) ? [] : [lineOf(running, node, at)]));
  const recording = [...now].map(([key, row]): readonly [string, Running] => {
    const since = seconds((Date.parse(row.since) - beganAt) / 1000);
    const known = before.get(key);
    return [key, known ?? { start: Math.min(Math.max(0, since), at), pod: `${row.namespace}/${row.name}` }];
  });
  return { recording: new Map(recording), lines };
}

/** Lines for the pods that still run: without a stop, they outlive the simulation. */
export function remaining(recording: Recording, node: number): readonly string[] {
  return [...recording.values()].map((running) => lineOf(running, node));
}

/** Pods with ENIs of their own take no address of the pool; further interfaces of a pod come with its first. */
function isOfPool({ vlanId, parent }: PodRow): boolean {
  return vlanId === null && parent === null;
}

function lineOf({ start, pod }: Running, node: number, at?: number): string {
  // The simulator wants a pod to live for a millisecond at least.
  const stop = at === undefined ? {} : { stop: Math.max(at, seconds(start + 0.001)) };
  return `${JSON.stringify({ start, ...stop, node, pod })}\n`;
}

/** To the millisecond. */
export function seconds(value: number): number {
  return Math.round(value * 1000) / 1000;
}
