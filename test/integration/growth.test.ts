/** A burst of pods on a node whose pool holds fewer addresses: one attach latency, no repeated asks, first come first served. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { addPod, addressIn, converged, deletePods, ec2Calls, heldBy, poolOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

/** Within it the tenth ADD, which asks for a further interface, must come after the first one: a third of a second on a slow machine. */
const LATENCY_MS = 1500;

describeWith(['root', 'ip', 'nft'], 'growth', () => {
  let cluster: Cluster;
  let large: ClusterNode;
  let nano: ClusterNode;

  beforeAll(async () => {
    cluster = await testCluster({
      instanceTypes: ['m5.large', 't3.nano'],
      env: { ADDITIONAL_ENI_TAGS: '{"team":"blue"}', CLUSTER_NAME: 'wells' },
    });
    [large, nano] = cluster.nodes as [ClusterNode, ClusterNode];
    await cluster.startDaemons();
    await Promise.all(cluster.nodes.map((node) => converged(cluster, node)));
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  it('serves 27 pods at once within about one attach latency', async () => {
    const pods = await Promise.all(Array.from({ length: 27 }, (_, index) => large.createSandbox(`g${index}`)));
    cluster.cloud.setLatency({ actions: { CreateNetworkInterface: LATENCY_MS, AttachNetworkInterface: LATENCY_MS } });
    const mark = cluster.cloud.calls().length;
    const outcomes = await Promise.all(pods.map((pod) => large.cni('ADD', pod)));
    cluster.cloud.setLatency({});
    expect(outcomes.filter(({ ok }) => !ok).map(({ document }) => document)).toEqual([]);
    expect(new Set(outcomes.map(({ document }) => addressIn(document))).size).toBe(27);

    const creates = ec2Calls(cluster, mark, 'CreateNetworkInterface');
    const attaches = ec2Calls(cluster, mark, 'AttachNetworkInterface');
    expect({ creates: creates.length, attaches: attaches.length }).toEqual({ creates: 2, attaches: 2 });
    const firstAttached = Math.min(...attaches.map(({ at, durationMs }) => at + durationMs));
    for (const { at } of [...creates, ...attaches]) expect(at).toBeLessThan(firstAttached);

    await converged(cluster, large);
    const counts = Object.groupBy(ec2Calls(cluster, mark), ({ action }) => action);
    expect(counts['ModifyNetworkInterfaceAttribute']).toHaveLength(2);
    expect(ec2Calls(cluster, mark).length).toBeLessThanOrEqual(8);
  });

  it('marks what it made: tags, description, deletion with the instance, one per device index', () => {
    const made = heldBy(cluster, large).filter(({ attachment }) => attachment?.deviceIndex !== 0);
    expect(made.map(({ attachment }) => attachment?.deviceIndex).toSorted((a, b) => Number(a) - Number(b))).toEqual([
      1, 2,
    ]);
    for (const each of made) {
      expect(each.attachment?.deleteOnTermination).toBe(true);
      expect(Object.fromEntries(Object.entries(each.tags))).toMatchObject({
        team: 'blue',
        'node.k8s.amazonaws.com/instance_id': large.instanceId,
        'cluster.k8s.amazonaws.com/name': 'wells',
      });
      expect(each.description).toContain(large.instanceId);
      expect(each.secondaryAddresses).toHaveLength(9);
    }
  });

  it('serves waiting ADDs in the order in which they came, as addresses cool down', async () => {
    const first = [await addPod(nano, 'n1'), await addPod(nano, 'n2')];
    const order: string[] = [];
    const waiting: Promise<unknown>[] = [];
    for (const [index, name] of ['n3', 'n4', 'n5'].entries()) {
      const pod = await nano.createSandbox(name);
      waiting.push(
        nano
          .cni('ADD', pod, { deadlineMs: 90_000 })
          .then(({ ok, document }) => order.push(ok ? name : JSON.stringify(document))),
      );
      await until(`${name} waits`, 5000, async () => (await poolOf(nano)).waiting === index + 1);
    }
    await deletePods(nano, first.slice(0, 1));
    await until('one is served', 5000, () => order.length > 0);
    expect(order).toEqual(['n3']);
    await deletePods(nano, first.slice(1));
    await until('another is served', 5000, () => order.length > 1);
    expect(order).toEqual(['n3', 'n4']);
    await nano.cni('DEL', nano.knownSandbox('n3'));
    await Promise.all(waiting);
    expect(order).toEqual(['n3', 'n4', 'n5']);
  });

  it('shrinks back to the warm target and leaks nothing', async () => {
    await Promise.all(Array.from({ length: 27 }, (_, index) => large.cni('DEL', large.knownSandbox(`g${index}`))));
    await until('one interface is left', 15_000, () => heldBy(cluster, large).length === 1);
    await converged(cluster, large);
    expect(cluster.errors).toEqual([]);
  });
});
