/** A burst of pods on an empty m5.large (3 ENIs of 10 addresses) with a cloud that takes its time. */
import { ec2Calls } from '#test/support/cluster-facts.ts';
import { add, bed, sandboxes, warm } from './bed.ts';
import { type Figure, ratios, Samples } from './figures.ts';
import type { Part, PartOptions } from './part.ts';

const PODS = 27;
const RUNS = 3;
const CLOUD = { latencyMs: 300, attachLinkDelayMs: 3000 };
/** A creation's answer, then the link; the attachment takes effect before its answer. No program can be faster. */
const LEAST_SECONDS = (CLOUD.latencyMs + CLOUD.attachLinkDelayMs) / 1000;
const SETTINGS = {
  default: { env: {}, free: 9 },
  'warm-ip-target-1': { env: { WARM_IP_TARGET: '1' }, free: 1 },
} as const;

export const growthPart: Part = {
  about: `${PODS} ADDs at once on an empty m5.large: ${CLOUD.latencyMs} ms an EC2 call, ${CLOUD.attachLinkDelayMs} ms from attachment to link`,
  run: runGrowth,
};

async function runGrowth(options: PartOptions): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const [name, { env, free }] of Object.entries(SETTINGS)) {
    const samples = { s: new Samples(), count: new Samples() };
    for (let run = 1; run <= RUNS; run += 1) {
      options.signal.throwIfAborted();
      options.say(`  ${name}, run ${run} of ${RUNS}`);
      const { podSeconds, calls } = await burst(options, env, free);
      for (const seconds of podSeconds) samples.s.add(`growth/${name}/one-pod`, seconds);
      samples.s.add(`growth/${name}/all-${PODS}-pods`, Math.max(...podSeconds));
      samples.count.add(`growth/${name}/ec2-calls`, calls);
    }
    const all = samples.s.of(`growth/${name}/all-${PODS}-pods`);
    const least = ratios(
      `growth/${name}/all-${PODS}-pods:least`,
      all,
      all.map(() => LEAST_SECONDS),
    );
    figures.push(...samples.s.figures('s'), ...(least === undefined ? [] : [least]), ...samples.count.figures('count'));
  }
  return figures;
}

/** Every ADD must succeed at its first try; `add` throws otherwise. */
async function burst(
  options: PartOptions,
  env: Readonly<Record<string, string>>,
  free: number,
): Promise<{ readonly podSeconds: readonly number[]; readonly calls: number }> {
  await using place = await bed(options, { instanceType: 'm5.large', env, ...CLOUD });
  const { node, cluster } = place;
  const pods = await sandboxes(node, PODS);
  await node.startDaemon();
  await warm(node, free);
  const before = cluster.cloud.calls().length;
  const added = await Promise.all(pods.map((pod) => add(node, pod)));
  return { podSeconds: added.map(({ ms }) => ms / 1000), calls: ec2Calls(cluster, before).length };
}
