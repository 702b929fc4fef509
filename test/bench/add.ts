/** ADD and DEL through the CNI binary, one after the other, with addresses at hand. */
import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { ClusterNode, TestPod } from '#test/support/cluster-node.ts';
import { run } from '#test/support/command.ts';
import { add, bed, del, sandboxes, warm } from './bed.ts';
import { type Figure, ratios, Samples } from './figures.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { type Ptp, ptp } from './ptp.ts';
import { atMost } from './reach.ts';

const PODS = 45;
const ROUNDS = 3;
const ENV = { MINIMUM_IP_TARGET: '196', WARM_IP_TARGET: '1', IP_COOLDOWN_PERIOD: '1' };

export const addPart: Part = {
  about: `ADD and DEL of ${PODS} pods, one after the other, ${ROUNDS} rounds; beside them ptp + host-local and /bin/true`,
  run: runAdd,
};

async function runAdd(options: PartOptions): Promise<Measured> {
  await using place = await bed(options, { instanceType: 'm5.24xlarge', env: ENV });
  const { node } = place;
  const reference = ptp(await mkdtemp(join(options.workDirectory, 'host-local-')));
  if (reference === undefined)
    options.say('  ptp and host-local are not in /usr/lib/cni (containernetworking-plugins): without them');
  await node.startDaemon();
  const samples = new Samples();
  for (let round = 1; round <= ROUNDS; round += 1) {
    options.signal.throwIfAborted();
    options.say(`  round ${round} of ${ROUNDS}`);
    // Nothing grows while it is measured: the pool holds more than a round takes.
    await warm(node, 3 * PODS);
    await oneRound(node, reference, samples);
  }
  const compared = comparisons(samples);
  const versus = (id: string) => compared.find((one) => one.id === id);
  return {
    figures: [...samples.figures('ms'), ...compared],
    reach: [
      atMost('add.vs-ptp', 0.28, versus('add/wellspring:ptp')),
      atMost('del.vs-ptp', 0.15, versus('del/wellspring:ptp')),
    ],
  };
}

async function oneRound(node: ClusterNode, reference: Ptp | undefined, samples: Samples): Promise<void> {
  const ours = await sandboxes(node, PODS, 'ours');
  const theirs = reference === undefined ? [] : await sandboxes(node, PODS, 'ptp');
  const added: (readonly [TestPod, object, TestPod | undefined, object | undefined])[] = [];
  for (const [index, pod] of ours.entries()) {
    await floor('add/bin-true', samples);
    const { result, ms } = await add(node, pod);
    samples.add('add/wellspring', ms);
    const other = theirs[index];
    const answer = other === undefined ? undefined : await reference?.call('ADD', other);
    if (answer !== undefined) samples.add('add/ptp', answer.ms);
    added.push([pod, result, other, answer?.result]);
  }
  for (const [pod, result, other, otherResult] of added) {
    await floor('del/bin-true', samples);
    samples.add('del/wellspring', await del(node, pod, result));
    const answer = other === undefined ? undefined : await reference?.call('DEL', other, otherResult);
    if (answer !== undefined) samples.add('del/ptp', answer.ms);
  }
  for (const pod of [...ours, ...theirs]) await node.removeSandbox(pod);
}

/** What starting any process costs from here. */
async function floor(id: string, samples: Samples): Promise<void> {
  const from = performance.now();
  await run('/bin/true', []);
  samples.add(id, performance.now() - from);
}

function comparisons(samples: Samples): readonly Figure[] {
  return ['add', 'del'].flatMap((op) => {
    const ours = samples.of(`${op}/wellspring`);
    return ['ptp', 'bin-true'].flatMap(
      (other) => ratios(`${op}/wellspring:${other}`, ours, samples.of(`${op}/${other}`)) ?? [],
    );
  });
}
