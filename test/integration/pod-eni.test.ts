/**
 * Pods with ENIs of their own, end to end but for the VPC resource controller, whose part the test plays. Where the kernel
 * has no VLAN links, the refusal and what it leaves behind are judged; in the virtual machine, the pod.
 */
import { afterEach, expect, it } from '@jest/globals';
import type { ClusterPod } from '#ipamd/kubernetes/cluster-view.ts';
import { addPod, deletePods, heldBy, logOf, podsOf, poolOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { programWithFacts, say } from '#test/support/facts-file.ts';
import { runCommand } from '#test/support/command.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';
import { hasVlan } from '#test/support/vlan.ts';

const ENV = { ENABLE_POD_ENI: 'true', MY_NODE_NAME: 'node-1', WARM_ENI_TARGET: '5' };
const ENI = {
  eniId: 'eni-0000000000000000b',
  ifAddress: '02:57:00:00:01:07',
  privateIp: '10.0.200.20',
  vlanID: 7,
  subnetCidr: '10.0.0.0/16',
};

function podFacts(name: string, more: Partial<ClusterPod> = {}): ClusterPod {
  return { uid: `uid-${name}`, annotations: {}, limits: [], ...more };
}

const asking = (name: string) => podFacts(name, { limits: ['vpc.amazonaws.com/pod-eni'] });
const granted = (name: string, text = JSON.stringify([ENI])) => ({
  ...asking(name),
  annotations: { 'vpc.amazonaws.com/pod-eni': text },
});

describeWith(['root', 'ip', 'nft'], 'a node with ENABLE_POD_ENI', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  const withVlan = hasVlan();

  afterEach(() => cluster?.[Symbol.asyncDispose]());

  async function start(pods: Readonly<Record<string, ClusterPod>>): Promise<void> {
    cluster = await testCluster({ instanceTypes: ['m5.large'], env: ENV, program: programWithFacts() });
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon(say(node, { pods }));
  }

  /** What the controller does on a node that asks for it; the fabric gives it a link. */
  function attachTrunk(): string {
    const { region } = cluster.cloud;
    const SubnetId = heldBy(cluster, node)[0]?.subnetId ?? '';
    const made = region.execute('CreateNetworkInterface', { SubnetId, InterfaceType: 'trunk' });
    const id = made.NetworkInterface?.NetworkInterfaceId ?? '';
    const place = { DeviceIndex: 2, NetworkCardIndex: 0 };
    region.execute('AttachNetworkInterface', { NetworkInterfaceId: id, InstanceId: node.instanceId, ...place });
    return id;
  }

  const held = () => heldBy(cluster, node);
  const seesTrunk = () =>
    until('the daemon sees the trunk', 20_000, async () =>
      (await logOf(node)).some(({ msg }) => msg === 'the trunk ENI is there'),
    );

  it('keeps a place for the trunk, which then serves nobody but branch pods', async () => {
    await start({ 'default/plain': podFacts('plain'), 'default/groups': granted('groups') });
    // m5.large has three places; the pool wants more than it may have.
    await until('the pool has all it may have', 20_000, () => held().length === 2);
    const id = attachTrunk();
    await seesTrunk();
    const plain = await addPod(node, 'plain');
    expect((await poolOf(node)).assigned).toBe(1);
    // The link of the trunk is up from the first of its pods on.
    const { mac } = held().find((each) => each.id === id) ?? { mac: '' };
    const links = await runCommand('ip', ['-n', node.netns, '-o', 'link']);
    const name = new RegExp(`^\\d+: (\\S+?)(@\\S+)?: .*${mac}`, 'm').exec(links)?.[1] ?? '';
    await runCommand('ip', ['-n', node.netns, 'link', 'set', name, 'mtu', '9001', 'up']);
    const before = await kernelState(node.netns);

    const pod = await node.createSandbox('groups');
    const { ok, document } = await node.cni('ADD', pod);
    if (withVlan) {
      expect(ok).toBe(true);
      expect(document).toMatchObject({ ips: [{ address: '10.0.200.20/32' }] });
      expect((await node.cni('CHECK', pod, { prevResult: document })).document).toEqual({});
      await node.stopDaemon('SIGKILL');
      await node.startDaemon(say(node, { pods: { 'default/groups': granted('groups') } }));
      expect((await node.cni('CHECK', pod, { prevResult: document })).document).toEqual({});
      await until(
        'the trunk is known again',
        20_000,
        async () => (await node.cni('ADD', pod).catch(() => ({ ok: false }))).ok,
      );
    } else {
      expect(document).toMatchObject({ code: 103, msg: expect.stringContaining('load the module 8021q') });
    }
    expect(await podsOf(node)).toMatchObject([{ name: 'plain' }]);
    for (const times of [1, 2]) expect([times, (await node.cni('DEL', pod)).ok]).toEqual([times, true]);
    await until('the kernel is as before', 15_000, async () => (await kernelState(node.netns)) === before);
    await deletePods(node, [plain]);
    const trunk = held().find((each) => each.id === id);
    expect(trunk).toMatchObject({ secondaryAddresses: [], ipv4Prefixes: [] });
    expect(cluster.errors).toEqual([]);
  });

  it('waits for the controller, and says what it waited for and what is wrong', async () => {
    await start({ 'default/groups': asking('groups') });
    const pod = await node.createSandbox('groups');
    const waiting = node.cni('ADD', pod);
    await until('nothing is decided', 5000, async () => (await poolOf(node)).assigned === 0);
    say(node, { pods: { 'default/groups': granted('groups', '[{"eniId": 7}]') } });
    expect((await waiting).document).toMatchObject({
      code: 7,
      msg: 'pod default/groups: the annotation vpc.amazonaws.com/pod-eni has eniId 7, which must be an ENI id',
    });
    expect(await podsOf(node)).toEqual([]);
    expect(await node.cni('DEL', pod)).toMatchObject({ ok: true });
  });
});
