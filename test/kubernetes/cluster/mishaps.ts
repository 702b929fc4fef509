/** A node that loses its power, and subnets that run full. */
import { expect, it } from '@jest/globals';
import { converged, podsOf as attachmentsOf, poolOf } from '#test/support/cluster-facts.ts';
import { until } from '#test/support/until.ts';
import type { KubernetesBed } from './bed.ts';
import {
  apply,
  conditionsOf,
  deployment,
  dial,
  eventsAbout,
  HTTP_PORT,
  namespaceFor,
  type Pod,
  podsOf,
  readySince,
  running,
} from './objects.ts';
import { addSubnet, fillSubnets, zonesOf } from './subnets.ts';

const RUNNING_MS = 360_000;
const EVENT_MS = 240_000;
const PODS = 10;
/** Of an m5.xlarge: so far from its limit that it would grow. */
const HALF_OF_A_NODE = 30;

export function mishaps(bed: () => KubernetesBed): void {
  it('switches a node off and on: its pods are made anew and are reached, the other node stays Ready', async () => {
    const { plane, nodes } = bed();
    const namespace = 'reboot';
    await using _namespace = await namespaceFor(plane, namespace);
    const all = { namespace, name: 'web', replicas: PODS };
    await apply(plane, deployment(all));
    const before = await running(plane, all, RUNNING_MS);
    const [node, other] = nodes;
    if (node === undefined || other === undefined) throw new Error('there are fewer than two nodes');
    const [asker] = before.filter(({ spec }) => spec.nodeName === other.name);
    if (asker === undefined) throw new Error(`no pod is on ${other.name}`);
    const ready = await readySince(plane, other.name);
    await node.reboot();
    await until('every pod of the node has a network again', RUNNING_MS, async () => {
      const pods = await podsOf(plane, namespace);
      const attached = new Map((await attachmentsOf(node.facts)).map(({ name, address }) => [name, address]));
      const its = pods.filter(({ spec }) => spec.nodeName === node.name);
      // Between the old sandbox and the new one a pod has no address, neither here nor there.
      return its.every(
        ({ metadata, status: { podIP } }) => podIP !== undefined && attached.get(metadata.name) === podIP,
      );
    });
    const after = await running(plane, all, RUNNING_MS);
    for (const pod of after) {
      const to = { host: pod.status.podIP ?? '', port: HTTP_PORT };
      expect(await dial(plane, { namespace, pod: asker }, to)).toEqual([pod.metadata.name]);
    }
    expect(uidsOf(after)).toEqual(uidsOf(before));
    expect(await readySince(plane, other.name)).toBe(ready);
  }, 1_200_000);

  it('says on the pod that the subnets are full, keeps the nodes Ready, and goes on when subnets are added', async () => {
    const { plane, nodes, cluster } = bed();
    const namespace = 'full';
    await using _namespace = await namespaceFor(plane, namespace);
    await until('what earlier tests needed is given back', RUNNING_MS, async () => {
      return (await Promise.all(nodes.map(({ facts }) => poolOf(facts)))).every(({ total }) => total <= HALF_OF_A_NODE);
    });
    // An interface that is still on its way would bring addresses that are counted nowhere.
    for (const { facts } of nodes) await converged(cluster, facts, RUNNING_MS);
    using _full = fillSubnets(cluster);
    const ready = () => Promise.all(nodes.map(({ name }) => readySince(plane, name)));
    const before = await ready();
    const pools = await Promise.all(nodes.map(({ facts }) => poolOf(facts)));
    const there = pools.reduce((sum, { total, assigned }) => sum + total - assigned, 0);
    const all = { namespace, name: 'web', replicas: there + 10 };
    await apply(plane, deployment(all));
    await until('a pod says that the subnet is full', EVENT_MS, () => saysThatItIsFull(bed(), namespace));
    await until('a node says so too', EVENT_MS, async () => {
      const conditions = (await Promise.all(nodes.map(({ name }) => conditionsOf(plane, name)))).flat();
      return conditions.some(({ type, status, reason }) => {
        return type === 'AddressShortage' && status === 'True' && reason === 'SubnetExhausted';
      });
    });
    expect(await ready()).toEqual(before);
    for (const zone of zonesOf(cluster)) addSubnet(cluster, zone, true);
    await running(plane, all, RUNNING_MS);
    expect(await ready()).toEqual(before);
    expect(cluster.errors).toEqual([]);
  }, 1_200_000);
}

async function saysThatItIsFull({ plane }: KubernetesBed, namespace: string): Promise<boolean> {
  for (const pod of await podsOf(plane, namespace)) {
    if (pod.status.podIP !== undefined) continue;
    const events = await eventsAbout(plane, namespace, pod.metadata.name);
    if (events.some(({ reason }) => reason === 'SubnetExhausted')) return true;
  }
  return false;
}

function uidsOf(pods: readonly Pod[]): readonly string[] {
  return pods.map(({ metadata }) => metadata.uid).sort();
}
