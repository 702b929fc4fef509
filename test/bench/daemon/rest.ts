/** What a daemon takes while nothing happens. */
import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { until } from '#test/support/until.ts';
import { childrenOf, type Memory, memoryOf, processorMsOf } from '../process-figures.ts';

const REST_DEADLINE_MS = 180_000;
/** Longer than ipamd waits before it gives memory back (5 to 10 s), on a slow machine too. */
const SETTLE_MS = 20_000;
const MINUTE_MS = 60_000;
const SAMPLES = 12;

/** A whole minute of it. */
export interface Idle {
  /** Every five seconds: pages of the node executable come and go with what a timer does now and then. */
  readonly memory: readonly Memory[];
  readonly cpuMsPerMinute: number;
}

/** A minute that begins when ipamd has come to rest: it has no child, and has given back what it does not need. */
export async function idleMinute(node: ClusterNode, signal: AbortSignal): Promise<Idle> {
  const pid = pidOf(node);
  await until('ipamd rests', REST_DEADLINE_MS, async () => {
    // The process that asks EC2 ends when it has been idle, and may be started again for a tag or a look at the cloud.
    if ((await childrenOf(pid)).length > 0) return false;
    await pause(SETTLE_MS, undefined, { signal });
    return (await childrenOf(pid)).length === 0;
  });
  const before = await processorMsOf(pid);
  const memory: Memory[] = [];
  while (memory.length < SAMPLES) {
    await pause(MINUTE_MS / SAMPLES, undefined, { signal });
    memory.push(await memoryOf(pid));
  }
  return { memory, cpuMsPerMinute: (await processorMsOf(pid)) - before };
}

export function pidOf({ daemonPid }: ClusterNode): number {
  if (daemonPid === undefined) throw new Error('ipamd does not run');
  return daemonPid;
}
