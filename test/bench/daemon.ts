/** ipamd itself: memory, idle processor time, and how long a start takes. */
import { setTimeout as pause } from 'node:timers/promises';
import { logOf, podsOf } from '#test/support/cluster-facts.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { until } from '#test/support/until.ts';
import { add, bed, sandboxes, warm } from './bed.ts';
import { type Figure, figure } from './figures.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { childrenOf, memoryOfAll, processorMsOf } from './process-figures.ts';
import { atMost } from './reach.ts';

const PODS = 110;
/** As many as m5.24xlarge may run under EKS' own rule for large instances. */
const MANY_PODS = 250;
const IDLE_MS = 10_000;
const CHILDREN_DEADLINE_MS = 90_000;
const STARTS = 5;
const ENV = { MINIMUM_IP_TARGET: '260', WARM_IP_TARGET: '1', IP_COOLDOWN_PERIOD: '1' };

export const daemonPart: Part = {
  about: `ipamd's memory and idle processor time with 0 and with ${PODS} pods; its start, and its restart with ${MANY_PODS}`,
  run: runDaemon,
};

async function runDaemon(options: PartOptions): Promise<Measured> {
  const { say, signal } = options;
  await using place = await bed(options, { instanceType: 'm5.24xlarge', env: ENV, subnetPrefixLength: 20 });
  const { node } = place;
  const first: number[] = [];
  for (let start = 0; start < STARTS; start += 1) {
    signal.throwIfAborted();
    first.push(await startMs(node));
    await warm(node, 1);
    if (start < STARTS - 1) await forget(node);
  }
  await warm(node, MANY_PODS);
  say(`  idle with no pods, ${IDLE_MS / 1000} s`);
  const empty = await idle(node, '0-pods', signal);
  say(`  ${PODS} pods`);
  for (const pod of await sandboxes(node, PODS)) await add(node, pod);
  say(`  idle with ${PODS} pods, ${IDLE_MS / 1000} s`);
  const full = await idle(node, `${PODS}-pods`, signal);
  say(`  ${MANY_PODS} pods`);
  for (const pod of await sandboxes(node, MANY_PODS - PODS, 'more')) await add(node, pod);
  const again: number[] = [];
  for (let start = 0; start < STARTS; start += 1) {
    signal.throwIfAborted();
    await node.stopDaemon('SIGKILL');
    again.push(await startMs(node));
    const known = (await podsOf(node)).length;
    if (known !== MANY_PODS) throw new Error(`${known} of ${MANY_PODS} pods known after the restart`);
  }
  const starts = figures('ms', { 'daemon/first-start': first, [`daemon/restart-${MANY_PODS}-pods`]: again });
  const all = [...empty, ...full, ...starts];
  const of = (id: string) => all.find((one) => one.id === id);
  return {
    figures: all,
    reach: [
      atMost('daemon.rss-110', 80, of(`daemon/rss-${PODS}-pods`)),
      atMost('daemon.start', 1000, of('daemon/first-start')),
      atMost('daemon.restart-250', 500, of(`daemon/restart-${MANY_PODS}-pods`)),
    ],
  };
}

/** From the start of the process to its own word that it serves. */
async function startMs(node: ClusterNode): Promise<number> {
  const from = Date.now();
  await node.startDaemon();
  const serving = (await logOf(node)).filter(({ msg }) => msg === 'serving').at(-1);
  if (serving === undefined || !('time' in serving)) throw new Error('ipamd did not log that it serves');
  return Date.parse(String(serving.time)) - from;
}

/** The next start is the first one of this node again. */
async function forget(node: ClusterNode): Promise<void> {
  await node.stopDaemon('SIGTERM');
  await node.forgetState();
}

async function idle(node: ClusterNode, name: string, signal: AbortSignal): Promise<readonly Figure[]> {
  const pid = node.daemonPid;
  if (pid === undefined) throw new Error('ipamd does not run');
  const busy = await memoryOfAll(pid);
  // The process that asks EC2 ends when it has been idle.
  await until('ipamd has no child', CHILDREN_DEADLINE_MS, async () => (await childrenOf(pid)).length === 0);
  const before = await processorMsOf(pid);
  await pause(IDLE_MS, undefined, { signal });
  const spent = (await processorMsOf(pid)) - before;
  const { rssMb, pssMb } = await memoryOfAll(pid);
  return [
    ...figures('MB', {
      [`daemon/rss-${name}`]: [rssMb],
      [`daemon/pss-${name}`]: [pssMb],
      [`daemon/pss-with-children-before-${name}`]: [busy.pssMb],
    }),
    ...figures('ms', { [`daemon/cpu-in-${IDLE_MS / 1000}-s-${name}`]: [spent] }),
  ];
}

function figures(unit: Figure['unit'], samples: Readonly<Record<string, readonly number[]>>): readonly Figure[] {
  return Object.entries(samples).flatMap(([id, values]) => figure(id, unit, values) ?? []);
}
