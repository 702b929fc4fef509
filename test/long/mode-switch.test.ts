/** ENABLE_PREFIX_DELEGATION switched across restarts while pods live: they stay whole, the old mode's blocks drain. */
import { afterEach, expect, it } from '@jest/globals';
import { addPod, type AddedPod, converged, deletePods, heldBy, podsOf, poolOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

type Mode = 'address' | 'prefix';

const settings = (mode: Mode) => ({
  ENABLE_PREFIX_DELEGATION: String(mode === 'prefix'),
  WARM_ENI_TARGET: '0',
  WARM_IP_TARGET: '2',
  MINIMUM_IP_TARGET: '4',
});

describeWith(['root', 'ip', 'nft', 'ping'], 'a switch of the allocation mode', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let far: ClusterNode;
  let farPod: AddedPod;

  /** Two nodes; the second one's pod is the other end of the traffic. */
  async function start(mode: Mode): Promise<void> {
    cluster = await testCluster({ instanceTypes: ['m5.large', 'm5.large'] });
    [node, far] = cluster.nodes as [ClusterNode, ClusterNode];
    await Promise.all([node.startDaemon(settings(mode)), far.startDaemon()]);
    farPod = await addPod(far, 'far');
  }
  afterEach(() => cluster?.[Symbol.asyncDispose]());

  const restart = async (mode: Mode, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM') => {
    await node.stopDaemon(signal);
    await node.startDaemon(settings(mode));
  };
  /** What EC2 has given to the node, by kind. */
  const held = () => {
    const all = heldBy(cluster, node);
    return {
      address: all.flatMap((each) => each.secondaryAddresses),
      prefix: all.flatMap((each) => each.ipv4Prefixes),
    };
  };
  const kindOf = ({ address }: AddedPod): Mode => (held().address.includes(address) ? 'address' : 'prefix');

  async function expectWhole(pods: readonly AddedPod[]): Promise<void> {
    const shown = await podsOf(node);
    for (const { pod, result, address } of pods) {
      expect(shown.find(({ name }) => name === pod.name)?.address).toBe(address);
      expect(await node.cni('CHECK', pod, { prevResult: result })).toMatchObject({ ok: true });
      await node.inside(pod, 'ping', '-c', '1', '-W', '10', farPod.address);
      await far.inside(farPod.pod, 'ping', '-c', '1', '-W', '10', address);
    }
  }

  it.each([
    ['address', 'prefix'],
    ['prefix', 'address'],
  ] as const)(
    'from %s to %s: pods keep address and traffic, new ones use the new mode, the old blocks go',
    async (from, to) => {
      await start(from);
      const old = await Promise.all(['o1', 'o2', 'o3'].map((name) => addPod(node, name)));
      expect(old.map(kindOf)).toEqual([from, from, from]);
      await converged(cluster, node);

      await restart(to);
      await expectWhole(old);
      const fresh = await Promise.all(['n1', 'n2', 'n3'].map((name) => addPod(node, name)));
      expect(fresh.map(kindOf)).toEqual([to, to, to]);
      await expectWhole([...old, ...fresh]);

      // Only what old pods live in is left of the old mode.
      const oldBlocks = from === 'address' ? 3 : 1;
      await until('idle blocks of the old mode are released', 10_000, () => held()[from].length === oldBlocks);
      await converged(cluster, node);
      await expectWhole(old);

      await deletePods(node, old.slice(1));
      await until('the block of one pod is left', 10_000, () => held()[from].length === 1);
      await expectWhole([...old.slice(0, 1), ...fresh]);
      await deletePods(node, old.slice(0, 1));
      await until('nothing of the old mode is left', 10_000, () => held()[from].length === 0);
      await converged(cluster, node);
      await expectWhole(fresh);
      expect(cluster.errors).toEqual([]);
    },
  );

  it('a node that is full in address mode makes room for prefixes', async () => {
    await start('address');
    const old = await Promise.all(Array.from({ length: 24 }, (_, index) => addPod(node, `f${index}`)));
    await converged(cluster, node);
    await restart('prefix');
    const fresh = await Promise.all(Array.from({ length: 18 }, (_, index) => addPod(node, `g${index}`)));
    expect(new Set(fresh.map(kindOf))).toEqual(new Set(['prefix']));
    await converged(cluster, node);
    await expectWhole([...old.slice(0, 2), ...old.slice(-2), ...fresh.slice(0, 2), ...fresh.slice(-2)]);
    await deletePods(node, old);
    await until('nothing of the old mode is left', 15_000, () => held().address.length === 0);
    await converged(cluster, node);
  });

  it('survives kill -9 while the old blocks are released and the new ones come', async () => {
    await start('address');
    const old = await Promise.all(['k1', 'k2'].map((name) => addPod(node, name)));
    await converged(cluster, node);
    await node.stopDaemon('SIGKILL');
    cluster.cloud.setLatency({ actions: { AssignPrivateIpAddresses: 1000, UnassignPrivateIpAddresses: 1000 } });
    const mark = cluster.cloud.calls().length;
    await node.startDaemon(settings('prefix'));
    await until('calls of the switch are under way', 10_000, async () => {
      const { inFlight } = await node.introspect<{ readonly inFlight?: readonly unknown[] }>('/v1/plan');
      return (
        (inFlight?.length ?? 0) > 0 ||
        cluster.cloud
          .calls()
          .slice(mark)
          .some(({ action }) => /ssignPrivate/.test(action))
      );
    });
    await node.stopDaemon('SIGKILL');
    cluster.cloud.setLatency({});
    await restart('prefix');
    const fresh = await addPod(node, 'k3');
    expect(kindOf(fresh)).toBe('prefix');
    await converged(cluster, node);
    await expectWhole([...old, fresh]);
    // And back, at once, with a crash as the way of stopping.
    await restart('address', 'SIGKILL');
    const back = await addPod(node, 'k4');
    expect(kindOf(back)).toBe('address');
    await converged(cluster, node);
    await expectWhole([...old, fresh, back]);
    await deletePods(node, [fresh]);
    await until('the prefix is gone', 10_000, () => held().prefix.length === 0);
    await converged(cluster, node);
    expect((await poolOf(node)).assigned).toBe(3);
    expect(cluster.errors).toEqual([]);
  });
});
