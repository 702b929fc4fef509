/**
 * ADD and DEL as a container runtime has them: programs executed one after the other, and several at a time, against the
 * reference plugins and against the least that a program must do. Everybody in turn, pod by pod.
 */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { addAll, type Added, type Contestant, floor, ours, theirs } from './add/contestants.ts';
import { phases } from './add/phases.ts';
import { bed, warm } from './bed.ts';
import { type Figure, figure, ratios, Samples } from './figures.ts';
import { compileBare } from './kernel-work/bare-c.ts';
import { KernelWorkBed } from './kernel-work/bed.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { ptp } from './ptp.ts';
import { atLeast, atMost } from './reach.ts';
import { Runtime } from './runtime/runtime.ts';

/** Pods that each of the nodes has beside those that come and go. */
const STANDING = [1, 100, 250] as const;
const PODS = 30;
const ROUNDS = 3;
const AT_A_TIME = [8, 32] as const;
const CROWD = 64;
const FEW = `wellspring-${STANDING[0]}`;
const ENV = { MINIMUM_IP_TARGET: '392', WARM_IP_TARGET: '1', IP_COOLDOWN_PERIOD: '1' };

export const addPart: Part = {
  about: `ADD and DEL with ${STANDING.join(', ')} pods on the node, ${ROUNDS * PODS} of each, and ${AT_A_TIME.join(' and ')} at a time; ptp + host-local, a C program, /bin/true`,
  run: runAdd,
};

async function runAdd(options: PartOptions): Promise<Measured> {
  await using runtime = await Runtime.start(join(options.workDirectory, 'runtime'));
  if (runtime === undefined) {
    options.say('  no C compiler in PATH: nothing here would execute programs as a container runtime does');
    return measured(new Samples());
  }
  await using place = await bed(options, {
    instanceType: 'm5.24xlarge',
    env: ENV,
    nodes: STANDING.length,
    subnetPrefixLength: 20,
  });
  const { nodes } = place.cluster;
  await Promise.all(nodes.map((node) => node.startDaemon()));
  await Promise.all(nodes.map((node) => warm(node, Number(ENV.MINIMUM_IP_TARGET))));
  for (const [index, node] of nodes.entries()) await stand(runtime, node, STANDING[index] ?? 0);
  await using least = await leastBed(options);
  const contestants = [
    ...nodes.map((node, index) => ours(`wellspring-${STANDING[index]}`, node)),
    ...(await references(options, place.node)),
    ...least.contestants,
  ];
  const samples = new Samples();
  const daemonPhases = await phases(place.node, async () => {
    for (let round = 1; round <= ROUNDS; round += 1) {
      options.signal.throwIfAborted();
      options.say(`  round ${round} of ${ROUNDS}`);
      await oneAfterTheOther(runtime, contestants, samples);
    }
  });
  for (const atATime of AT_A_TIME) {
    options.say(`  ${atATime} at a time`);
    for (let round = 1; round <= ROUNDS; round += 1) {
      options.signal.throwIfAborted();
      for (const contestant of contestants)
        if ([FEW, 'ptp'].includes(contestant.name)) await crowd(runtime, contestant, atATime, samples);
    }
  }
  const { figures, reach } = measured(samples);
  return { figures: [...figures, ...daemonPhases], reach };
}

/** Pods that stay. */
async function stand(runtime: Runtime, node: ClusterNode, count: number): Promise<void> {
  const contestant = ours('standing', node);
  const pods = [];
  for (let index = 0; index < count; index += 1) pods.push(await contestant.sandbox(`${index}`));
  await addAll(runtime, contestant, pods, 8);
}

async function references(options: PartOptions, node: ClusterNode): Promise<readonly Contestant[]> {
  const call = ptp(await mkdtemp(join(options.workDirectory, 'host-local-')));
  if (call !== undefined) return [theirs('ptp', node, call)];
  options.say('  ptp and host-local are not in /usr/lib/cni (containernetworking-plugins): without them');
  return [];
}

async function leastBed({ workDirectory }: PartOptions) {
  const program = await compileBare(join(workDirectory, 'bare'));
  const least = await KernelWorkBed.create();
  const contestants = program === undefined ? [] : [await floor(least, program, workDirectory)];
  return { contestants, [Symbol.asyncDispose]: () => least[Symbol.asyncDispose]() };
}

/** Everybody adds one pod, then the next; who begins changes. Then the same for the removals. */
async function oneAfterTheOther(runtime: Runtime, contestants: readonly Contestant[], samples: Samples): Promise<void> {
  for (let index = 0; index < PODS; index += 1) {
    const first = index % contestants.length;
    const inTurn = [...contestants.slice(first), ...contestants.slice(0, first)];
    const added: (readonly [Contestant, Added])[] = [];
    for (const contestant of inTurn) {
      const pod = await contestant.sandbox(`${index}`);
      const executed = await runtime.one(contestant.add(pod));
      samples.add(`add/${contestant.name}`, executed.ms);
      added.push([contestant, contestant.added(pod, executed)]);
    }
    samples.add('add/bin-true', (await runtime.one(NOTHING)).ms);
    for (const [contestant, one] of added) {
      const { ms, status, stdout } = await runtime.one(contestant.del(one));
      if (status !== 0) throw new Error(`DEL of ${one.pod.name} by ${contestant.name}: ${stdout}`);
      samples.add(`del/${contestant.name}`, ms);
      await contestant.remove(one.pod);
    }
  }
}

const NOTHING = { program: '/bin/true', env: {}, stdin: '' };

/** Pods that come many at a time; what counts is how many in a second. */
async function crowd(runtime: Runtime, contestant: Contestant, atATime: number, samples: Samples): Promise<void> {
  const pods = [];
  for (let index = 0; index < CROWD; index += 1) pods.push(await contestant.sandbox(`crowd-${index}`));
  const { ms, added } = await addAll(runtime, contestant, pods, atATime);
  samples.add(`add-${atATime}-at-a-time/${contestant.name}`, (1000 * CROWD) / ms);
  const gone = await runtime.batch(
    added.map((one) => contestant.del(one)),
    atATime,
  );
  samples.add(`del-${atATime}-at-a-time/${contestant.name}`, (1000 * CROWD) / gone.ms);
  for (const pod of pods) await contestant.remove(pod);
}

function measured(samples: Samples): Measured {
  const against = (id: string, one: string, other: string): Figure | undefined =>
    ratios(`${id}/${one}:${other}`, samples.of(`${id}/${one}`), samples.of(`${id}/${other}`));
  const compared = {
    addPtp: against('add', FEW, 'ptp'),
    delPtp: against('del', FEW, 'ptp'),
    addFloor: against('add', FEW, 'floor'),
    delFloor: against('del', FEW, 'floor'),
    add100: against('add', 'wellspring-100', FEW),
    add250: against('add', 'wellspring-250', FEW),
    eight: against('add-8-at-a-time', FEW, 'ptp'),
    many: against('add-32-at-a-time', FEW, 'ptp'),
  };
  const add = figure('', 'ms', samples.of(`add/${FEW}`));
  return {
    figures: [
      ...samples.figures((id) => (id.includes('-at-a-time') ? 'per s' : 'ms')),
      ...Object.values(compared),
    ].filter((each) => each !== undefined),
    reach: [
      atMost('add.vs-ptp', 0.28, compared.addPtp),
      atMost('del.vs-ptp', 0.15, compared.delPtp),
      atMost('add.vs-floor', 3, compared.addFloor),
      atMost('add.p99-vs-p50', 4, add === undefined ? undefined : add.p99 / add.p50),
      atMost('add.250-vs-1', 1.1, compared.add250),
      atLeast('add.8-at-a-time-vs-ptp', 4, compared.eight),
    ],
  };
}
