/** A burst of pods on a cold m5.large (3 ENIs of 10 addresses) with a cloud that takes its time. */
import { addressIn, ec2Calls } from '#test/support/cluster-facts.ts';
import { bed, sandboxes, warm } from './bed.ts';
import { type Cold, simulateCold } from './burst/simulated.ts';
import { type Figure, figure, ratios, Samples } from './figures.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { atMost, type Reach } from './reach.ts';

const PODS = 27;
const ROUNDS = 3;
const CLOUD = { latencyMs: 300, attachLinkDelayMs: 2000 };
/** A creation's answer, then the link; the attachment takes effect before its answer. No program can be faster. */
const LEAST_SECONDS = (CLOUD.latencyMs + CLOUD.attachLinkDelayMs) / 1000;
const WANTED_RATIO = 1.3;
/** kubelet's pauses, the phase of the peer's loop and the subnet's addresses differ from seed to seed. */
const SEEDS = Array.from({ length: 20 }, (_, index) => index + 1);
/** How much the pool holds before the burst: what the default keeps, and next to nothing. */
const SETTINGS = {
  default: { env: {}, free: 9 },
  'warm-ip-target-1': { env: { WARM_IP_TARGET: '1' }, free: 1 },
} as const;

type Setting = keyof typeof SETTINGS;

export const burstPart: Part = {
  about: `${PODS} ADDs at once on a cold m5.large: ${CLOUD.latencyMs} ms an EC2 call, ${CLOUD.attachLinkDelayMs} ms from attachment to link; the peer's algorithm by the simulator`,
  run: runBurst,
};

async function runBurst(options: PartOptions): Promise<Measured> {
  const samples = { s: new Samples(), count: new Samples() };
  for (let round = 1; round <= ROUNDS; round += 1) {
    for (const name of Object.keys(SETTINGS) as Setting[]) {
      options.signal.throwIfAborted();
      options.say(`  ${name}, round ${round} of ${ROUNDS}`);
      const { podSeconds, calls, failed } = await burst(options, name);
      for (const seconds of podSeconds) samples.s.add(`burst/${name}/one-pod`, seconds);
      samples.s.add(idOfAll(name), Math.max(...podSeconds));
      samples.count.add(`burst/${name}/ec2-calls`, calls);
      samples.count.add(`burst/${name}/failed`, failed);
    }
  }
  const slowness = (Object.keys(SETTINGS) as Setting[]).flatMap((name) => {
    const all = samples.s.of(idOfAll(name));
    const least = all.map(() => LEAST_SECONDS);
    return ratios(`${idOfAll(name)}:least`, all, least) ?? [];
  });
  const failed = Object.keys(SETTINGS).flatMap((name) => samples.count.of(`burst/${name}/failed`));
  return {
    figures: [...samples.s.figures('s'), ...slowness, ...samples.count.figures('count'), ...simulated()],
    reach: [cold(Math.max(...slowness.map(({ p50 }) => p50)), Math.max(...failed))],
  };
}

/** The slower of the settings, and no pod may have failed: to the runtime a failure costs more than any wait. */
function cold(ratio: number, failed: number): Reach {
  const reach = atMost('burst.cold', WANTED_RATIO, ratio);
  return { ...reach, ok: reach.ok && failed === 0 };
}

function idOfAll(name: Setting): string {
  return `burst/${name}/all-${PODS}-pods`;
}

/** The same burst in virtual time under both policies: ours, to see how near the simulator comes to what was measured, and the peer's. */
function simulated(): readonly Figure[] {
  return (Object.keys(SETTINGS) as Setting[]).flatMap((name) =>
    (['wellspring', 'peer'] as const).flatMap((policy) => {
      const runs = SEEDS.map((seed) =>
        simulateCold({ policy, seed, pods: PODS, settings: SETTINGS[name].env, ...CLOUD }),
      );
      const id = `burst/${name}/simulated-${policy}`;
      const over = (key: keyof Cold): readonly number[] => runs.map((run) => run[key]);
      return [
        figure(`${id}/all-${PODS}-pods`, 's', over('seconds')),
        figure(`${id}/ec2-calls`, 'count', over('calls')),
        figure(`${id}/failed-adds`, 'count', over('failedAdds')),
      ].flatMap((one) => one ?? []);
    }),
  );
}

/** Times count for pods that were served; a pod that failed is not tried again. */
async function burst(options: PartOptions, name: Setting) {
  const { env, free } = SETTINGS[name];
  await using place = await bed(options, { instanceType: 'm5.large', env, ...CLOUD });
  const { node, cluster } = place;
  const pods = await sandboxes(node, PODS);
  await node.startDaemon();
  await warm(node, free);
  const before = cluster.cloud.calls().length;
  const outcomes = await Promise.all(pods.map((pod) => node.cni('ADD', pod)));
  const served = outcomes.filter(({ ok, document }) => ok && addressIn(document) !== undefined);
  return {
    podSeconds: served.map(({ tookMs }) => tookMs / 1000),
    calls: ec2Calls(cluster, before).length,
    failed: outcomes.length - served.length,
  };
}
