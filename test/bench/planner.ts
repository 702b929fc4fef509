/** What a plan costs on the largest nodes, and how many events of pods the simulator gets through in a second. */
import { POLICIES, type PolicyName } from '#ipamd/ctl/simulate/policies.ts';
import { resolve } from '#ipamd/ctl/simulate/resolve.ts';
import { plan } from '#warm-pool/plan.ts';
import { PRESETS } from '#warm-pool/simulator/presets.data.ts';
import { Simulation } from '#warm-pool/simulator/simulation.ts';
import { snapshotOf } from '#warm-pool/granting-cloud.ts';
import { Samples } from './figures.ts';
import type { Measured, Part, PartOptions } from './part.ts';
import { LARGE_NODES, type LargeNode } from './planner/large-nodes.ts';

const ROUNDS = 30;
const PLANS = 20;
/** Plans before the first sample counts: V8 has compiled by then what it will. */
const WARM_UP = 200;
const SEED = 7;
const SLICE = 5000;
/** Of the preset with 5,000 nodes only this much: they join during the first of them. */
const HOURS = 2;
const PRESET = '5000-nodes-24h';
const SIMULATIONS = 3;

export const plannerPart: Part = {
  about: `plan() at ${LARGE_NODES.map(({ name }) => name).join(' and ')}; pod events a second of the simulator`,
  run: runPlanner,
};

async function runPlanner({ say, signal }: PartOptions): Promise<Measured> {
  const plans = new Samples();
  for (let round = -1; round < ROUNDS; round += 1) {
    signal.throwIfAborted();
    const count = round < 0 ? WARM_UP : PLANS;
    for (const node of LARGE_NODES) timePlans(node, count, round < 0 ? new Samples() : plans);
  }
  const events = new Samples();
  for (let round = 1; round <= SIMULATIONS; round += 1) {
    for (const policy of ['wellspring', 'peer'] as const) {
      say(`  ${HOURS} hours of ${PRESET} under ${policy}, round ${round} of ${SIMULATIONS}`);
      events.add(`simulator/${policy}`, await eventsPerSecond(policy, signal));
    }
  }
  return { figures: [...plans.figures('us'), ...events.figures('per s')], reach: [] };
}

/** `settled` finds nothing to do; `growing` asks for an interface's worth of addresses. `snapshot` is what the daemon makes of its ledger before. */
function timePlans({ name, settled, growing, targets }: LargeNode, count: number, samples: Samples): void {
  for (const [state, world] of [
    ['settled', settled],
    ['growing', growing],
  ] as const) {
    const snapshot = snapshotOf(world);
    samples.add(
      `planner/${name}/${state}`,
      micros(count, () => checked(plan(snapshot, targets, world.now), state)),
    );
  }
  samples.add(
    `planner/${name}/snapshot`,
    micros(count, () => snapshotOf(settled)),
  );
}

/** A plan that decides something else than it was to would be another measurement. */
function checked({ actions }: ReturnType<typeof plan>, state: 'settled' | 'growing'): void {
  if (actions.length > 0 === (state === 'settled'))
    throw new Error(`${actions.length} actions of a node that is ${state}`);
}

function micros(count: number, work: () => unknown): number {
  const from = performance.now();
  for (let done = 0; done < count; done += 1) work();
  return (1000 * (performance.now() - from)) / count;
}

async function eventsPerSecond(name: PolicyName, signal: AbortSignal): Promise<number> {
  const preset = PRESETS[PRESET];
  if (preset === undefined) throw new Error(`no preset ${PRESET}`);
  const { cluster, pods } = resolve({ ...preset.cluster, durationHours: HOURS }, preset.workload, SEED, {});
  const simulation = new Simulation({ cluster, pods, policy: POLICIES[name], seed: SEED });
  const from = performance.now();
  while (!simulation.advance(SLICE)) {
    signal.throwIfAborted();
    // Ctrl-C is heard in between.
    await new Promise((turn) => setImmediate(turn));
  }
  return (1000 * simulation.result().podEvents) / (performance.now() - from);
}
