/** One run: a seed, so many steps, then a long calm in which everything must come right. */
import { act } from './actions.ts';
import { Checks } from './checks.ts';
import { CALM } from './cloud.ts';
import { roomForOneMore } from './room.ts';
import { settle } from './scheduler.ts';
import { type Mutation, type Violation, World } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  readonly steps: number;
  readonly trace?: ((sentence: string) => void) | undefined;
  readonly mutation?: Mutation | undefined;
}

export interface RunOutcome {
  readonly seed: number;
  /** Steps that were taken: the violation showed after the last of them. */
  readonly steps: number;
  readonly events: number;
  readonly served: number;
  readonly refused: number;
  readonly violation: Violation | undefined;
}

/** Virtual time after the last step: interfaces are leaked after 5 minutes, back-offs end after one, looks are a minute apart. */
const CALM_MS = 15 * 60_000;
/** More events than this, or more than one in so many milliseconds, are a loop without progress. */
const MOST_EVENTS_A_STEP = 3000;
const LEAST_MS_AN_EVENT = 20;

class Run {
  readonly #world: World;
  readonly #checks: Checks;
  events = 0;

  constructor(world: World) {
    this.#world = world;
    this.#checks = new Checks(world);
  }

  /** Lets virtual time pass, event by event. */
  async pass(ms: number): Promise<void> {
    const world = this.#world;
    const { scheduler } = world;
    const until = scheduler.now + ms;
    // What was just begun comes before the next event.
    await settle();
    let events = 0;
    while (world.violation === undefined && (await scheduler.step(until))) {
      events += 1;
      if (events > MOST_EVENTS_A_STEP + ms / LEAST_MS_AN_EVENT)
        world.violate('progress', `${events} events in ${ms} ms`);
      if (world.crashIn > 0 && (world.crashIn -= 1) === 0) world.daemon?.crash('crash');
      this.#checks.afterStep();
    }
    this.events += events;
    scheduler.jump(until);
  }

  async all(steps: number): Promise<number> {
    const world = this.#world;
    world.startDaemon();
    if (world.dice.chance(0.8)) await this.pass(2000);
    for (let step = 1; step <= steps; step += 1) {
      act(world);
      const said = world.cluster?.change();
      if (said !== undefined) world.say(() => `the API server says ${said}`);
      await this.pass(world.pauseMs ?? world.dice.scale(1, 2000));
      world.pauseMs = undefined;
      this.#checks.atRest();
      if (world.violation !== undefined) return step;
    }
    await this.#calm();
    return steps;
  }

  async #calm(): Promise<void> {
    const world = this.#world;
    world.say(() => '--- calm');
    world.crashIn = 0;
    world.cloud.weather = CALM;
    world.disk.room = Infinity;
    world.kernel.refusal = 0;
    world.cluster?.mend();
    await this.pass(70_000);
    // Only a start, or the cloud's word on something else, tells of what others did behind the daemon's back.
    // What a start reads may be as old as Describes ever are.
    if (world.disturbedAt + 5000 > (world.daemon?.startedAt ?? Infinity)) world.daemon?.crash('to see what others did');
    await this.pass(CALM_MS);
    // A subnet that refuses prefixes is asked again every few minutes; what is under way just then may end.
    for (let tries = 0; tries < 60 && this.#isBusy(); tries += 1) await this.pass(1000);
    if (world.violation === undefined) this.#checks.atTheEnd();
    await this.#oneMore();
    world.daemon?.crash('the end');
    world.isHalted = true;
  }

  #isBusy(): boolean {
    const { violation, daemon } = this.#world;
    return violation === undefined && (daemon?.core?.pool.ledger.inFlight.size ?? 0) > 0;
  }

  /** Where the node has room for a pod, one more gets its address. */
  async #oneMore(): Promise<void> {
    const world = this.#world;
    const room = roomForOneMore(world);
    if (world.violation !== undefined || room === undefined) return;
    const pod = world.runtime.add(60_000, false);
    await this.pass(61_000);
    if (pod.phase !== 'running') world.violate('serves', `${pod.id} got no address, although ${room}`);
  }
}

export async function run({ seed, steps, trace, mutation }: RunOptions): Promise<RunOutcome> {
  const world = new World({ seed, trace, mutation });
  const unexpected = (error: unknown) =>
    world.violate('no-unhandled-rejection', String((error as Error).stack ?? error));
  process.on('unhandledRejection', unexpected);
  try {
    const one = new Run(world);
    const taken = await one.all(steps);
    const { served, refused } = world.runtime;
    return { seed, steps: taken, events: one.events, served, refused, violation: world.violation };
  } finally {
    process.off('unhandledRejection', unexpected);
  }
}
