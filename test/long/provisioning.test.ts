/** Who may change what: provisioning disabled, metadata alone, a node that takes no pods, interfaces of somebody else. */
import { afterEach, expect, it } from '@jest/globals';
import {
  addPod,
  converged,
  deletePods,
  ec2Calls,
  heldBy,
  interfacesOf,
  planOf,
  poolOf,
} from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { programWithFacts, say } from '#test/support/facts-file.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const WRITES = /^(Create|Attach|Modify|Detach|Delete|Assign|Unassign)/;

describeWith(['root', 'ip', 'nft'], 'a node whose daemon may not do everything', () => {
  let cluster: Cluster;
  let node: ClusterNode;

  afterEach(() => cluster?.[Symbol.asyncDispose]());

  async function prepare(): Promise<void> {
    cluster = await testCluster({ instanceTypes: ['t3.medium'], program: programWithFacts() });
    [node] = cluster.nodes as [ClusterNode];
  }
  const execute: Cluster['cloud']['region']['execute'] = (action, input) => cluster.cloud.region.execute(action, input);
  const primary = () => heldBy(cluster, node).find(({ attachment }) => attachment?.deviceIndex === 0);
  const secondary = () => heldBy(cluster, node).filter(({ attachment }) => attachment?.deviceIndex !== 0);
  const mark = () => cluster.cloud.calls().length;
  const reasons = async () => (await planOf(node)).refusals.map(({ why }) => why.reason);
  const add = async (name: string, deadlineMs: number) =>
    node.cni('ADD', await node.createSandbox(name), { deadlineMs });

  function give(count: number): void {
    execute('AssignPrivateIpAddresses', {
      NetworkInterfaceId: primary()?.id ?? '',
      SecondaryPrivateIpAddressCount: count,
    });
  }
  function attachByHand(index: number, more: object): string {
    const made = execute('CreateNetworkInterface', { SubnetId: primary()?.subnetId ?? '', ...more });
    const id = made.NetworkInterface?.NetworkInterfaceId ?? '';
    execute('AttachNetworkInterface', { NetworkInterfaceId: id, InstanceId: node.instanceId, DeviceIndex: index });
    return id;
  }

  it.each([
    ['DISABLE_NETWORK_RESOURCE_PROVISIONING', 2],
    ['ENABLE_IMDS_ONLY_MODE', 0],
  ])('%s: lives on what it is given, and never asks for more', async (setting, describesAtStart) => {
    await prepare();
    give(2);
    const from = mark();
    const imds = setting === 'ENABLE_IMDS_ONLY_MODE';
    const settings = {
      ...say(node, {}),
      [setting]: 'true',
      WELLSPRING_METADATA_INTERVAL: '1',
      WELLSPRING_LEAKED_ENI_INTERVAL: '1',
      // Without credentials, as a node in a VPC without a way to EC2 has none.
      ...(imds ? { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_EC2_METADATA_DISABLED: 'true' } : {}),
    };
    await node.startDaemon(settings);
    const pods = [await addPod(node, 'a'), await addPod(node, 'b')];
    expect(ec2Calls(cluster, from).length).toBe(describesAtStart);
    const refused = await add('c', 1500);
    expect(refused.document).toMatchObject({ code: 111 });
    expect(String(refused.document['msg'])).toContain(`${setting} is set`);
    expect(await reasons()).toContain('provisioning-disabled');

    // What appears is adopted: addresses at the next look at metadata, an interface when its link comes.
    const late = addPod(node, 'd');
    give(1);
    const third = await late;
    expect(primary()?.secondaryAddresses).toContain(third.address);
    const id = attachByHand(1, { SecondaryPrivateIpAddressCount: 2 });
    await until('it serves', 15_000, async () =>
      (await interfacesOf(node)).some((each) => each.id === id && each.phase === 'ready'),
    );
    const fourth = await addPod(node, 'e');
    expect(secondary()[0]?.secondaryAddresses).toContain(fourth.address);

    // What goes is noticed, and is given to nobody.
    const free = secondary()[0]?.secondaryAddresses.find((address) => address !== fourth.address);
    execute('UnassignPrivateIpAddresses', { NetworkInterfaceId: id, PrivateIpAddresses: [free ?? ''] });
    await until('it left the pool', 15_000, async () => (await poolOf(node)).total === 4);
    await deletePods(node, [...pods, third, fourth]);
    await until('all have rested', 10_000, async () => (await poolOf(node)).free === 4);

    // What is as it was costs no call, however often metadata is looked at.
    const quiet = mark();
    const asked = () =>
      cluster.cloud
        .calls()
        .slice(quiet)
        .filter(({ action }) => action.endsWith('/local-ipv4s')).length;
    await until('metadata was looked at twice', 10_000, () => asked() >= 4);
    expect(ec2Calls(cluster, quiet)).toEqual([]);

    // Far above every target, and nothing goes back; a restart changes nothing either.
    await node.stopDaemon('SIGKILL');
    await node.startDaemon({ ...settings, WARM_IP_TARGET: '1', CLUSTER_NAME: 'blue' });
    await addPod(node, 'f');
    const calls = ec2Calls(cluster, from).map(({ action }) => action);
    expect(calls.filter((action) => WRITES.test(action))).toEqual([]);
    if (imds) expect(calls).toEqual([]);
    expect((await poolOf(node)).total).toBe(4);
    expect(cluster.errors).toEqual([]);
  });

  it('an unschedulable node takes no more and keeps its interfaces, until that ends or the setting allows it', async () => {
    await prepare();
    const settings = { WARM_IP_TARGET: '1', MINIMUM_IP_TARGET: '8' };
    await node.startDaemon({ ...say(node, {}), ...settings });
    await converged(cluster, node);
    expect(secondary().length).toBe(1);
    say(node, { schedulable: false });
    const few = { WARM_IP_TARGET: '1' };
    await node.stopDaemon('SIGTERM');
    await node.startDaemon({ ...say(node, { schedulable: false }), ...few });
    await until('single addresses are given back', 15_000, () => primary()?.secondaryAddresses.length === 1);
    await until('the interface would go', 10_000, async () => (await reasons()).includes('node-unschedulable'));
    expect(secondary().length).toBe(1);
    const from = mark();
    const pods = await Promise.all(Array.from({ length: 9 }, (_, index) => add(`a${index}`, 6000)));
    const held = heldBy(cluster, node).flatMap(({ secondaryAddresses }) => secondaryAddresses);
    expect(pods.filter(({ ok }) => ok).length).toBe(held.length);
    const refused = pods.find(({ ok }) => !ok);
    expect(refused?.document).toMatchObject({ code: 111 });
    expect(String(refused?.document['msg'])).toContain('The node is unschedulable');
    expect(ec2Calls(cluster, from).filter(({ action }) => /^(Assign|Create)/.test(action))).toEqual([]);

    say(node, { schedulable: true });
    await addPod(node, 'c');
    await node.stopDaemon('SIGTERM');
    await node.startDaemon({ ...say(node, { schedulable: false }), ...few, AWS_MANAGE_ENIS_NON_SCHEDULABLE: 'true' });
    await Promise.all(Array.from({ length: 4 }, (_, index) => addPod(node, `d${index}`)));
    await converged(cluster, node);
  });

  it.each(['trunk', 'efa-only', 'unmanaged'] as const)(
    'an interface of somebody else (%s) takes a slot and is never filled, tagged or removed',
    async (kind) => {
      await prepare();
      const tags = [{ Key: 'node.k8s.amazonaws.com/no_manage', Value: 'true' }];
      const more = {
        trunk: { InterfaceType: 'trunk' },
        'efa-only': { InterfaceType: 'efa-only' },
        unmanaged: { TagSpecifications: [{ ResourceType: 'network-interface', Tags: tags }] },
      }[kind];
      const id = attachByHand(1, more);
      const before = heldBy(cluster, node).find((each) => each.id === id);
      await node.startDaemon(say(node, {}));
      // t3.medium: three interfaces of five addresses; the pods of two are all it can hold.
      const outcomes = await Promise.all(Array.from({ length: 10 }, (_, index) => add(`p${index}`, 90_000)));
      expect(outcomes.filter(({ ok }) => !ok)).toEqual([]);
      expect((await add('one-too-many', 2000)).document).toMatchObject({ code: 101 });
      expect(heldBy(cluster, node).length).toBe(3);
      const after = heldBy(cluster, node).find((each) => each.id === id);
      expect(after).toEqual(before);
      const shown = (await interfacesOf(node)) as readonly { readonly id: string; readonly managed?: boolean }[];
      expect(shown.find((each) => each.id === id)).toMatchObject({ managed: false });
    },
  );
});
