/** One life of the daemon's core, on ports that die with it. */
import { createEc2Provider } from '#cloud/aws/ec2-provider.ts';
import { decorateForDaemon } from '#cloud/decorate/stack.ts';
import type { RequestEnvelope } from '#cni/protocol/messages.ts';
import { type Core, type CoreOptions, type CorePorts, startCore } from '#ipamd/core.ts';
import { DatapathError } from '#ipamd/datapath/datapath.ts';
import { createMetrics, NO_FIGURES } from '#ipamd/observe/metrics.ts';
import { JournalError } from '#ipamd/store/journal.ts';
import { logTo } from './log.ts';
import type { Life } from './scheduler.ts';
import { configOf } from './settings.ts';
import type { World } from './world.ts';

/** Making some forty metrics costs more than a start; nobody reads them here. */
const METRICS = createMetrics(() => NO_FIGURES, 'fault');

/** As start/spool.ts. */
const SPOOL_DEADLINE_MS = 10_000;

export class DaemonProcess {
  readonly life: Life = { isOver: false };
  readonly #world: World;
  readonly #ended = new Set<() => void>();
  readonly startedAt: number;
  core: Core | undefined;
  isServing = false;
  isStopping = false;

  constructor(world: World) {
    this.#world = world;
    this.startedAt = world.scheduler.now;
  }

  /** Until it serves, or cannot. */
  async run(): Promise<void> {
    const world = this.#world;
    world.say(() => `daemon starts, boot ${world.boot}, ${JSON.stringify(world.targets)}`);
    world.disk.hasFailed = false;
    const { mutation } = world;
    const ports = this.#ports();
    const options: CoreOptions = {
      config: configOf(world.settings, world.targets),
      bootId: `boot-${world.boot}`,
      signal: new AbortController().signal,
    };
    try {
      const core = await startCore(mutation.ports?.(ports) ?? ports, mutation.options?.(options) ?? options);
      this.core = core;
      mutation.core?.(core);
      await this.#replaySpool(core);
      core.begin();
      this.isServing = true;
      world.say(() => `daemon serves, ${core.attachments.size} pods`);
    } catch (error) {
      // The node agent starts it again; what stands in its way may be over by then.
      const refused = error instanceof DatapathError && world.kernel.refusal > 0;
      if (!(error instanceof JournalError) && !refused)
        world.violate('start', `the daemon cannot start: ${String(error)}`);
      this.crash(`cannot start: ${String(error)}`);
    }
  }

  /** The process is gone at once: nothing of it happens any more, but what it has sent to the cloud may. */
  crash(why: string): void {
    if (this.life.isOver) return;
    this.#world.say(() => `daemon ends: ${why}`);
    this.life.isOver = true;
    this.isServing = false;
    for (const end of this.#ended) end();
    this.#world.daemonEnded();
  }

  /** SIGTERM: requests that run are finished, then the core is disposed of. */
  async stop(): Promise<void> {
    if (this.isStopping || !this.isServing) return;
    this.isStopping = true;
    this.#world.say(() => 'daemon stops');
    await this.#world.runtime.drained();
    await this.core?.[Symbol.asyncDispose]();
    this.crash('stopped');
  }

  /** Calls `end` should the process end before the returned function is called. */
  onEnd(end: () => void): () => void {
    this.#ended.add(end);
    return () => this.#ended.delete(end);
  }

  async #replaySpool(core: Core): Promise<void> {
    const world = this.#world;
    const { runtime, scheduler } = world;
    const clock = scheduler.clockOf(this.life);
    for (const [id, request] of runtime.spool) {
      try {
        await core.handle(request, requestContext(world, clock.deadline(SPOOL_DEADLINE_MS), request));
        if (this.life.isOver) return;
        runtime.spool.delete(id);
        world.say(() => `spooled DEL of ${id} done`);
        runtime.deleted(id);
      } catch (error) {
        world.say(() => `spooled DEL of ${id} failed: ${String(error)}`);
      }
    }
  }

  #ports(): CorePorts {
    const { disk, kernel, cloud, cluster, dice, scheduler, identity } = this.#world;
    const { life } = this;
    const clock = scheduler.clockOf(life);
    const { provider } = decorateForDaemon(createEc2Provider(cloud.sendOf(life)), {
      observer: { observe: () => undefined },
      clock,
      random: () => dice.next(),
      wallClock: () => clock.wallTime(),
    });
    return {
      journal: disk.storageOf(life),
      datapath: kernel.datapathOf(life),
      conntrack: kernel.conntrackOf(life),
      metadata: cloud.metadataOf(life, () => identity),
      network: cloud.networkOf(life, identity),
      ...(cluster === undefined ? {} : { cluster: cluster.viewOf(life) }),
      provider: () => provider,
      clock,
      random: () => dice.next(),
      newId: () => this.#world.newId(),
      metrics: METRICS,
      log: logTo(this.#world, life),
    };
  }
}

export function requestContext(world: World, signal: AbortSignal, request: RequestEnvelope) {
  return { signal, deadline: world.scheduler.wallTime + request.deadlineMs, log: logTo(world, { isOver: false }) };
}
