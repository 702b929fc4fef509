/** ipamd itself, as it is released and with an API server that it watches: memory, idle processor time, growth, starts. */
import { join } from 'node:path';
import { logOf, podsOf } from '#test/support/cluster-facts.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { add, bed, sandboxes, warm } from './bed.ts';
import { apiServerName, type WatchedApiServer, watchedApiServer, watches } from './daemon/api-server.ts';
import { Pairs } from './daemon/pairs.ts';
import { idleMinute, pidOf } from './daemon/rest.ts';
import { type Figure, figure, Samples } from './figures.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { type Memory, memoryOfAll } from './process-figures.ts';
import { atMost } from './reach.ts';
import { Runtime } from './runtime/runtime.ts';

const PODS = 110;
/** As many as m5.24xlarge may run under EKS' own rule for large instances. */
const MANY_PODS = 250;
const STARTS = 5;
const PAIRS = 10_000;
/** Growth counts from here: the first pods of a process bring the code that they need. */
const FIRST_PAIRS = 500;
const [FIRST, LAST] = [`after-${FIRST_PAIRS}-pairs`, `after-${PAIRS}-pairs`];
const SHOW_EVERY = 2000;
const ENV = { MINIMUM_IP_TARGET: '400', WARM_IP_TARGET: '1', IP_COOLDOWN_PERIOD: '1' };

export const daemonPart: Part = {
  about: `ipamd with an API server: memory and processor time of an idle minute with 0 and ${PODS} pods, growth in ${PAIRS} ADD/DEL pairs, first start, restart with ${MANY_PODS} pods`,
  run: runDaemon,
};

async function runDaemon(options: PartOptions): Promise<Measured> {
  const { say } = options;
  await using place = await bed(options, { instanceType: 'm5.24xlarge', env: ENV, subnetPrefixLength: 20 });
  say(`  API server: ${apiServerName()}`);
  await using server = await watchedApiServer(place.node, options.workDirectory);
  const { node } = place;
  const samples = new Samples();
  for (let start = 0; start < STARTS; start += 1) {
    options.signal.throwIfAborted();
    if (start > 0) await forget(node);
    samples.add('daemon/first-start', await startMs(node, server));
    await warm(node, 1);
  }
  await warm(node, MANY_PODS);
  await watches(node);
  say('  a minute without pods');
  await idle(node, 'no-pods', options, samples);
  for (const pod of await sandboxes(node, PODS)) await add(node, pod);
  say(`  a minute with ${PODS} pods`);
  await idle(node, `${PODS}-pods`, options, samples);
  await growth(node, options, samples);
  for (const pod of await sandboxes(node, MANY_PODS - PODS, 'more')) await add(node, pod);
  await restarts(node, server, options, samples);
  const figures = samples.figures(unitOf);
  const of = (id: string): Figure | undefined => figures.find((one) => one.id === `daemon/${id}`);
  return {
    figures,
    reach: [
      atMost('daemon.rss-110', 80, of(`rss-${PODS}-pods`)),
      atMost('daemon.growth', 5, of('rss-growth')),
      atMost('daemon.start', 1000, of('first-start')),
      atMost('daemon.restart-250', 500, of(`restart-${MANY_PODS}-pods`)),
    ],
  };
}

function unitOf(id: string): Figure['unit'] {
  return id.includes('start') ? 'ms' : id.includes('cpu') ? 'ms/min' : 'MB';
}

async function idle(node: ClusterNode, name: string, { signal }: PartOptions, samples: Samples): Promise<void> {
  const { cpuMsPerMinute, memory } = await idleMinute(node, signal);
  for (const one of memory) show(one, name, samples);
  samples.add(`daemon/cpu-${name}`, cpuMsPerMinute);
}

function show({ rssMb, pssMb, anonymousMb }: Memory, name: string, samples: Samples): void {
  samples.add(`daemon/rss-${name}`, rssMb);
  samples.add(`daemon/pss-${name}`, pssMb);
  samples.add(`daemon/anonymous-${name}`, anonymousMb);
}

/** Beside the pods that are there, others come and go. */
async function growth(node: ClusterNode, options: PartOptions, samples: Samples): Promise<void> {
  const { say, signal, workDirectory } = options;
  await using runtime = await Runtime.start(join(workDirectory, 'runtime-of-pairs'));
  if (runtime === undefined) return say('  no C compiler in PATH: nothing would make pods quickly');
  const onProgress = (done: number): void => {
    if (done % SHOW_EVERY === 0) say(`  ${done} of ${PAIRS} ADD/DEL pairs`);
  };
  await using pairs = await Pairs.create({ runtime, node, signal });
  await pairs.make(FIRST_PAIRS);
  await idle(node, FIRST, options, samples);
  await pairs.make(PAIRS, onProgress);
  show(await memoryOfAll(pidOf(node)), `at-the-end-of-${PAIRS}-pairs`, samples);
  await idle(node, LAST, options, samples);
  for (const kind of ['rss', 'pss', 'anonymous'] as const)
    samples.add(`daemon/${kind}-growth`, median(samples, kind, LAST) - median(samples, kind, FIRST));
}

function median(samples: Samples, kind: string, state: string): number {
  return figure('', 'MB', samples.of(`daemon/${kind}-${state}`))?.p50 ?? Number.NaN;
}

/** As after a crash: the journal and the kernel have everything, and nobody said goodbye. */
async function restarts(node: ClusterNode, server: WatchedApiServer, { signal }: PartOptions, samples: Samples) {
  for (let start = 0; start < STARTS; start += 1) {
    signal.throwIfAborted();
    await node.stopDaemon('SIGKILL');
    samples.add(`daemon/restart-${MANY_PODS}-pods`, await startMs(node, server));
    const known = (await podsOf(node)).length;
    if (known !== MANY_PODS) throw new Error(`${known} of ${MANY_PODS} pods known after the restart`);
  }
}

/** From the start of the process to its own word that it serves. */
async function startMs(node: ClusterNode, { env }: WatchedApiServer): Promise<number> {
  const from = Date.now();
  await node.startDaemon(env);
  const serving = (await logOf(node)).filter(({ msg }) => msg === 'serving').at(-1);
  if (serving === undefined || !('time' in serving)) throw new Error('ipamd did not log that it serves');
  return Date.parse(String(serving.time)) - from;
}

/** The next start is the first one of this node again. */
async function forget(node: ClusterNode): Promise<void> {
  await node.stopDaemon('SIGTERM');
  await node.forgetState();
}
