/** A hundred pods over two nodes: where their addresses come from, and that they reach each other. */
import { expect, it } from '@jest/globals';
import { heldBy } from '#test/support/cluster-facts.ts';
import type { KubernetesBed } from './bed.ts';
import { deployment, dial, apply, HTTP_PORT, namespaceFor, type Pod, running } from './objects.ts';

const PODS = 100;
/** 45 s on two idle processors. */
const RUNNING_MS = 360_000;

export function manyPods(bed: () => KubernetesBed): void {
  it('runs a hundred pods over two nodes with addresses of the VPC, and all of them reach others', async () => {
    const { plane, cluster, nodes } = bed();
    const namespace = 'many';
    await using _namespace = await namespaceFor(plane, namespace);
    await apply(plane, deployment({ namespace, name: 'many', replicas: PODS }));
    const pods = await running(plane, { namespace, name: 'many', replicas: PODS }, RUNNING_MS);

    const addresses = pods.map(({ status }) => status.podIP ?? '');
    expect(new Set(addresses).size).toBe(PODS);
    for (const node of nodes) {
      const held = new Set(heldBy(cluster, node.facts).flatMap(({ secondaryAddresses }) => secondaryAddresses));
      const foreign = pods
        .filter(({ spec, status }) => spec.nodeName === node.name && !held.has(status.podIP ?? ''))
        .map(({ metadata }) => metadata.name);
      expect(foreign).toEqual([]);
    }
    expect(await strangers(bed(), namespace, pods)).toEqual([]);
  }, 1_200_000);
}

/** Each pod asks another one of the list for its name, on its own node or the other; who got another answer. */
async function strangers(bed: KubernetesBed, namespace: string, pods: readonly Pod[]): Promise<readonly string[]> {
  const wrong: string[] = [];
  const work = pods.map((pod, index) => ({ pod, other: pods[(index + 37) % pods.length] ?? pod }));
  const one = async (): Promise<void> => {
    for (let next = work.pop(); next !== undefined; next = work.pop()) {
      const { pod, other } = next;
      const answers = await dial(bed.plane, { namespace, pod }, { host: other.status.podIP ?? '', port: HTTP_PORT });
      if (answers.join() !== other.metadata.name)
        wrong.push(`${pod.metadata.name} asked ${other.metadata.name}: ${answers.join()}`);
    }
  };
  await Promise.all([one(), one(), one(), one()]);
  return wrong;
}
