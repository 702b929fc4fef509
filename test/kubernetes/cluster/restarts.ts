/** What must go on while the node's own programs, or the API server, are away for a while. */
import { expect, it } from '@jest/globals';
import { until } from '#test/support/until.ts';
import type { KubernetesBed } from './bed.ts';
import { Conversation } from './conversation.ts';
import { apply, deployment, podsOf, readySince, running, scale } from './objects.ts';

const RUNNING_MS = 360_000;
const PODS = 6;

export function restarts(bed: () => KubernetesBed): void {
  /** Does the work while connections are open; the nodes stay Ready, and pods come and go afterwards. */
  const undisturbed = (what: string, namespace: string, work: (talk: Conversation) => Promise<void>) =>
    it(
      what,
      async () => {
        const { plane, nodes } = bed();
        await using talk = await Conversation.begin(bed(), namespace);
        const before = await Promise.all(nodes.map(({ name }) => readySince(plane, name)));
        await work(talk);
        const after = { namespace, name: 'afterwards', replicas: PODS };
        await apply(plane, deployment(after));
        await running(plane, after, RUNNING_MS);
        const { sent, lost } = await talk.end();
        expect(sent).toBeGreaterThan(20);
        expect(lost).toBe(0);
        expect(await Promise.all(nodes.map(({ name }) => readySince(plane, name)))).toEqual(before);
      },
      1_200_000,
    );

  undisturbed(
    'restarts ipamd on every node, killed or told to end, while pods are made',
    'restart-ipamd',
    async (talk) => {
      const { plane, nodes } = bed();
      const meanwhile = { namespace: talk.namespace, name: 'meanwhile', replicas: PODS };
      for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
        for (const node of nodes) {
          await node.ipamd.stop(signal);
          await apply(plane, deployment(meanwhile));
          await node.startIpamd();
        }
        await running(plane, meanwhile, RUNNING_MS);
        await scale(plane, talk.namespace, meanwhile.name, 0);
      }
    },
  );

  undisturbed('restarts kubelet: the pods stay what they are', 'restart-kubelet', async (talk) => {
    await keepsPods(bed(), talk, async () => {
      for (const { kubelet } of bed().nodes) {
        await kubelet.stop('SIGKILL');
        kubelet.start();
      }
    });
  });

  undisturbed('restarts containerd: the pods stay what they are', 'restart-containerd', async (talk) => {
    await keepsPods(bed(), talk, async () => {
      for (const node of bed().nodes) {
        await node.containerd.stop('SIGKILL');
        node.containerd.start();
        await node.runtimeIsReady();
      }
    });
  });

  undisturbed('is without the API server: pods are made anew and ipamd starts', 'api-away', async (talk) => {
    const { plane, nodes } = bed();
    const [node] = nodes;
    const victims = { namespace: talk.namespace, name: 'victim', replicas: 1 };
    await apply(plane, deployment({ ...victims, nodeName: node?.name ?? '' }));
    const [victim] = await running(plane, victims, RUNNING_MS);
    if (node === undefined || victim === undefined) throw new Error('there is no pod to be made anew');
    const first = await node.netnsOf(victim.metadata.name);
    await plane.stopApiServer();
    for (const each of nodes) {
      await each.ipamd.stop('SIGKILL');
      await each.startIpamd();
    }
    // As if the sandbox had died of itself: kubelet makes another, with no leave of the API server.
    await node.stopSandboxOf(victim.metadata.name);
    await until('the pod has another sandbox', RUNNING_MS, async () => {
      const now = await node.netnsOf(victim.metadata.name).catch(() => first);
      return now !== first;
    });
    await plane.startApiServer();
    await until('the API server knows the new address', RUNNING_MS, async () => {
      const [now] = await podsOf(plane, talk.namespace, victims.name);
      return now !== undefined && now.status.podIP !== victim.status.podIP;
    });
    await running(plane, victims, RUNNING_MS);
  });
}

/** Same pods, addresses and sandboxes after the work as before it. */
async function keepsPods(bed: KubernetesBed, talk: Conversation, work: () => Promise<void>): Promise<void> {
  const state = async () => {
    const pods = await podsOf(bed.plane, talk.namespace);
    return Promise.all(
      pods.map(async ({ metadata, spec, status }) => [
        metadata.uid,
        status.podIP,
        await bed.node(spec.nodeName ?? '').netnsOf(metadata.name),
      ]),
    );
  };
  const before = await state();
  await work();
  const later = { namespace: talk.namespace, name: 'later', replicas: 2 };
  await apply(bed.plane, deployment(later));
  await running(bed.plane, later, RUNNING_MS);
  expect(await state()).toEqual(expect.arrayContaining(before));
}
