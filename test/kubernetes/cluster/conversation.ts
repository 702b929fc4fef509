/** Open connections between a pod on each of two nodes, in both directions, with a request every few milliseconds. */
import { PROBE_PORT, Probe } from '#test/support/probe.ts';
import type { KubernetesBed } from './bed.ts';
import { apply, deployment, namespaceFor, type Pod, running } from './objects.ts';

const RUNNING_MS = 360_000;
const EVERY_MS = 20;

export interface Heard {
  /** Requests of all connections. */
  readonly sent: number;
  /** Requests without their answer. */
  readonly lost: number;
}

export class Conversation implements AsyncDisposable {
  readonly namespace: string;
  readonly pods: readonly Pod[];
  readonly #probes: readonly Probe[];
  readonly #stack: AsyncDisposableStack;

  private constructor(namespace: string, pods: readonly Pod[], probes: readonly Probe[], stack: AsyncDisposableStack) {
    this.namespace = namespace;
    this.pods = pods;
    this.#probes = probes;
    this.#stack = stack;
  }

  /** Two pods, one a node, in a namespace that goes with them; the connections are open when it resolves. */
  static async begin(bed: KubernetesBed, namespace: string): Promise<Conversation> {
    await using stack = new AsyncDisposableStack();
    stack.use(await namespaceFor(bed.plane, namespace));
    const pods: Pod[] = [];
    for (const { name: nodeName } of bed.nodes.slice(0, 2)) {
      const name = `on-${nodeName}`;
      await apply(bed.plane, deployment({ namespace, name, replicas: 1, nodeName }));
      pods.push(...(await running(bed.plane, { namespace, name, replicas: 1 }, RUNNING_MS)));
    }
    const probes = await Promise.all(
      pods.map(async ({ metadata, spec }) => {
        const netns = await bed.node(spec.nodeName ?? '').netnsOf(metadata.name);
        return stack.use(await Probe.start(metadata.name, netns));
      }),
    );
    for (const [index, probe] of probes.entries()) {
      const to = pods[1 - index]?.status.podIP ?? '';
      const { error } = await probe.ask({ op: 'stream-start', to, port: PROBE_PORT, everyMs: EVERY_MS });
      if (error !== undefined) throw new Error(`${probe.name} has no connection to ${to}: ${error}`);
    }
    return new Conversation(namespace, pods, probes, stack.move());
  }

  /** Ends the connections and tells what came of them. */
  async end(): Promise<Heard> {
    const answers = await Promise.all(this.#probes.map((probe) => probe.ask({ op: 'stream-stop' })));
    const total = (counts: readonly (number | undefined)[]) =>
      counts.reduce<number>((sum, each) => sum + (each ?? 0), 0);
    const failed = answers.find(({ error }) => error !== undefined);
    if (failed !== undefined) throw new Error(failed.error);
    const sent = total(answers.map((answer) => answer.sent));
    return { sent, lost: sent - total(answers.map(({ answered }) => answered)) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
