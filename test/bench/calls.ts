/** EC2 calls and metadata reads: of a first start, of a new ENI, and of a node that has nothing to do. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Cluster } from '#test/support/cluster.ts';
import { addPod, converged, ec2Calls, interfacesOf } from '#test/support/cluster-facts.ts';
import { until } from '#test/support/until.ts';
import { bed } from './bed.ts';
import { type Figure, Samples } from './figures.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { atMost } from './reach.ts';

const ROUNDS = 3;
const IDLE_MS = 15_000;
const GROWTH = new Set([
  'CreateNetworkInterface',
  'AttachNetworkInterface',
  'ModifyNetworkInterfaceAttribute',
  'AssignPrivateIpAddresses',
]);

export const callsPart: Part = {
  about: `EC2 calls of a first start, of a new ENI, and of ${IDLE_MS / 1000} s without a pod that comes or goes`,
  run: runCalls,
};

async function runCalls(options: PartOptions): Promise<Measured> {
  const samples = new Samples();
  for (let round = 1; round <= ROUNDS; round += 1) {
    options.signal.throwIfAborted();
    options.say(`  round ${round} of ${ROUNDS}`);
    await oneRound(options, samples);
  }
  const figures = samples.figures('count');
  const of = (id: string): Figure | undefined => figures.find((one) => one.id === id);
  return {
    figures,
    reach: [
      atMost('calls.start', 2, of('calls/start')),
      atMost('calls.start-metadata', 10, of('calls/start-metadata-reads')),
      atMost('calls.new-eni', 3, of('calls/new-eni')),
      atMost('calls.idle', 0, of(`calls/idle-${IDLE_MS / 1000}-s`)),
    ],
  };
}

async function oneRound(options: PartOptions, samples: Samples): Promise<void> {
  await using place = await bed(options, { instanceType: 'm5.large', env: {} });
  const { node, cluster } = place;
  const beforeStart = cluster.cloud.calls().length;
  await node.startDaemon();
  await converged(cluster, node);
  // The pool was filled as well; that is not the start's share.
  const made = ec2Calls(cluster, beforeStart).filter(({ action }) => !GROWTH.has(action));
  samples.add('calls/start', made.length);
  samples.add('calls/start-metadata-reads', metadataReads(cluster));
  const beforeEni = cluster.cloud.calls().length;
  await addPod(node, 'one-more');
  await until('there are two ENIs, and nothing is under way', 15_000, async () => {
    const ready = (await interfacesOf(node)).filter(({ phase }) => phase === 'ready');
    const { cloud } = await node.introspect<{ readonly cloud: { readonly inFlight: number } }>('/v1/status');
    return ready.length === 2 && cloud.inFlight === 0;
  });
  samples.add('calls/new-eni', ec2Calls(cluster, beforeEni).length);
  const beforeIdle = cluster.cloud.calls().length;
  await pause(IDLE_MS, undefined, { signal: options.signal });
  samples.add(`calls/idle-${IDLE_MS / 1000}-s`, cluster.cloud.calls().length - beforeIdle);
}

function metadataReads(cluster: Cluster): number {
  return cluster.cloud.calls().filter(({ kind }) => kind !== 'ec2').length;
}
