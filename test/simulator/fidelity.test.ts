/** One cold burst on one node: the simulator beside the daemon's own core with the embedded cloud, both on virtual time. */
import { describe, expect, it } from '@jest/globals';
import { createEc2Provider } from '#cloud/aws/ec2-provider.ts';
import type { Ec2CallName, Ec2Input, Ec2Output } from '#cloud/aws/ec2-send.ts';
import { decorateForDaemon } from '#cloud/decorate/stack.ts';
import { resolve } from '#ipamd/ctl/simulate/resolve.ts';
import { urgencyOf } from '#ipamd/call-urgency.ts';
import type { CorePorts } from '#ipamd/core.ts';
import { inOrder } from '#warm-pool/simulator/workload.ts';
import { Simulation } from '#warm-pool/simulator/simulation.ts';
import type { Policy } from '#warm-pool/simulator/agent.ts';
import { wellspring } from '#warm-pool/simulator/wellspring-node.ts';
import { World } from '#test/fault/world.ts';
import { configOf } from '#test/fault/settings.ts';

const LATENCY_MS = 200;
const PODS = 20;
const BURST_AT_MS = 30_000;
/** Disk and kernel of the daemon's model take up to some ms each; calls of one plan are a few such steps apart. */
const RESOLUTION_MS = 60;
/** A link appears up to so long after the attachment. */
const LINK_MS = 2000;

interface Sent {
  readonly at: number;
  readonly call: string;
}

/** A world whose dice gave it a plain node, so that both sides are the same machine. */
function plainWorld(ports: (world: () => World, given: CorePorts) => CorePorts): World {
  for (let seed = 1; seed < 5000; seed += 1) {
    const { settings } = new World({ seed });
    const { instanceType, subnets, env } = settings;
    if (instanceType !== 'm5.large' || subnets.join() !== '24' || env['MAX_ENI'] !== undefined) continue;
    const plain = { ...settings, env: { IP_COOLDOWN_PERIOD: '30' } };
    const world: World = new World({
      seed,
      mutation: {
        ports: (given) => ports(() => world, given),
        options: (options) => ({ ...options, config: configOf(plain, {}) }),
      },
    });
    return world;
  }
  throw new Error('no seed gives a plain m5.large');
}

/** The daemon's core: each call is noted when it is sent, and answered after the latency. */
async function burstOnCore(): Promise<{
  readonly sent: readonly Sent[];
  readonly served: number;
  readonly lastAt: number;
}> {
  const sent: Sent[] = [];
  const providerOf = (world: World, given: CorePorts): CorePorts => {
    const send = <A extends Ec2CallName>(action: A, input: Ec2Input<A>) =>
      new Promise<Ec2Output<A>>((answer, refuse) => {
        sent.push({ at: world.scheduler.now, call: action });
        world.scheduler.after(LATENCY_MS, () => {
          try {
            answer(world.cloud.region.execute(action, input));
          } catch (error) {
            refuse(error);
          }
        });
      });
    const { provider } = decorateForDaemon(createEc2Provider(send), {
      observer: { observe: () => undefined },
      clock: given.clock,
      random: () => 0.5,
      wallClock: () => given.clock.wallTime(),
    });
    return { ...given, provider: () => provider };
  };
  const world = plainWorld((get, given) => providerOf(get(), given));
  world.startDaemon();
  while (await world.scheduler.step(BURST_AT_MS)) expect(world.violation).toBeUndefined();
  world.scheduler.jump(BURST_AT_MS);
  const from = world.scheduler.now;
  for (let pod = 0; pod < PODS; pod += 1) world.runtime.add(30_000);
  // What the first ADD makes ready takes turns of the real event loop; virtual time must not run away from it.
  for (let turn = 0; turn < 3000; turn += 1) await new Promise((resume) => setImmediate(resume));
  let lastAt = 0;
  while ((await world.scheduler.step(from + 20_000)) && world.runtime.served < PODS)
    lastAt = world.scheduler.now - from;
  const burst = sent.filter(({ at }) => at >= from).map(({ at, call }) => ({ at: at - from, call }));
  return { sent: burst, served: world.runtime.served, lastAt };
}

function burstInSimulator() {
  const description = {
    durationHours: 0.02,
    settings: { IP_COOLDOWN_PERIOD: '30' },
    subnets: [{ id: 'subnet-a', cidr: '10.0.0.0/24' }],
    groups: [{ name: 'one', instanceType: 'm5.large', count: 1 }],
    pace: { latency: { least: LATENCY_MS, most: LATENCY_MS }, link: { least: 0, most: 0 } },
  };
  const pods = inOrder(Array.from({ length: PODS }, () => ({ start: BURST_AT_MS, stop: Infinity, node: 0 })));
  const { cluster } = resolve(description, pods, 1, {});
  const sent: Sent[] = [];
  const watched: Policy = (node, site, name) => {
    const { measures, timeline } = site;
    const called = measures.called.bind(measures);
    measures.called = (call, now) => {
      sent.push({ at: timeline.now - BURST_AT_MS, call });
      called(call, now);
    };
    return wellspring(urgencyOf)(node, site, name);
  };
  const simulation = new Simulation({ cluster, pods, policy: watched, seed: 1 });
  while (!simulation.advance(100));
  return { sent: sent.filter(({ at }) => at >= 0), result: simulation.result() };
}

describe('a cold burst', () => {
  it('makes the same calls at the same times in the simulator as in the daemon, and serves its pods when it does', async () => {
    const core = await burstOnCore();
    const { sent, result } = burstInSimulator();
    expect(core.served).toBe(PODS);
    expect(result.podsServed).toBe(PODS);
    expect(sent.length).toBeGreaterThanOrEqual(6);
    expect(core.sent.map(({ call }) => call)).toEqual(sent.map(({ call }) => call));
    for (const [index, { at }] of sent.entries()) {
      const difference = Math.abs((core.sent[index]?.at ?? Infinity) - at);
      expect({ index, isSame: difference <= RESOLUTION_MS }).toEqual({ index, isSame: true });
    }
    expect(core.lastAt).toBeGreaterThanOrEqual(result.delayMs.max - RESOLUTION_MS);
    expect(core.lastAt).toBeLessThanOrEqual(result.delayMs.max + LINK_MS + RESOLUTION_MS * 2);
  });
});
