/** What changes of a node behind the daemon's back: security groups, tags, VPC CIDRs, interfaces and addresses. */
import { afterEach, expect, it } from '@jest/globals';
import {
  addPod,
  converged,
  deletePods,
  ec2Calls,
  heldBy,
  interfacesOf,
  logOf,
  podsOf,
} from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { runCommand } from '#test/support/command.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const FEW = { WARM_IP_TARGET: '1', MINIMUM_IP_TARGET: '1' };
/** Two interfaces from the start on: a t3.small has three addresses on each. */
const TWO_ENIS = { WARM_IP_TARGET: '1', MINIMUM_IP_TARGET: '5' };
/** What was found attached is tagged a second or two after the start, not five to ten minutes. */
const SOON = { WELLSPRING_LEAKED_ENI_INTERVAL: '12' };
const INSTANCE = 'node.k8s.amazonaws.com/instance_id';

describeWith(['root', 'ip', 'nft'], 'a change of the node', () => {
  let cluster: Cluster;
  let node: ClusterNode;

  afterEach(() => cluster?.[Symbol.asyncDispose]());

  async function start(env: Readonly<Record<string, string>>): Promise<void> {
    cluster = await testCluster({ instanceTypes: ['t3.small'] });
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon(env);
    await converged(cluster, node);
  }
  const execute: Cluster['cloud']['region']['execute'] = (action, input) => cluster.cloud.region.execute(action, input);
  const primary = () => heldBy(cluster, node).find(({ attachment }) => attachment?.deviceIndex === 0);
  const secondary = () => heldBy(cluster, node).filter(({ attachment }) => attachment?.deviceIndex !== 0);
  const mark = () => cluster.cloud.calls().length;
  const loud = async (text: string) => (await logOf(node)).filter((record) => JSON.stringify(record).includes(text));
  const counter = async (name: string) =>
    Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(await node.page('/metrics'))?.[1] ?? '0');

  function youngestWriteAgeMs(): number {
    const writes = cluster.cloud.calls().filter(({ action }) => /^(Unassign|Assign|Attach|Detach|Create)/.test(action));
    return Date.now() - Math.max(...writes.map(({ at }) => at));
  }
  function addGroup(name: string): string {
    const request = { GroupName: name, Description: name, VpcId: cluster.vpcId };
    return execute('CreateSecurityGroup', request).GroupId ?? '';
  }
  function setGroups(id: string | undefined, groups: readonly string[]): void {
    execute('ModifyNetworkInterfaceAttribute', { NetworkInterfaceId: id ?? '', Groups: [...groups] });
  }
  /** An interface that somebody made and attached by hand. */
  function attachByHand(index: number, secondaryAddresses: number): string {
    const made = execute('CreateNetworkInterface', {
      SubnetId: primary()?.subnetId ?? '',
      SecondaryPrivateIpAddressCount: secondaryAddresses,
    });
    const id = made.NetworkInterface?.NetworkInterfaceId ?? '';
    execute('AttachNetworkInterface', { NetworkInterfaceId: id, InstanceId: node.instanceId, DeviceIndex: index });
    return id;
  }

  it('security groups: the other interfaces follow the primary one, with one Modify for each that differs', async () => {
    await start({ ...TWO_ENIS, WELLSPRING_METADATA_INTERVAL: '1' });
    const [one, two] = [addGroup('one'), addGroup('two')];
    const from = mark();
    setGroups(primary()?.id, [one, two]);
    await until('they follow', 10_000, () =>
      secondary().every(({ securityGroupIds }) => [...securityGroupIds].sort().join() === [one, two].sort().join()),
    );
    expect(ec2Calls(cluster, from, 'ModifyNetworkInterfaceAttribute').length).toBe(secondary().length);
    expect(ec2Calls(cluster, from, 'DescribeNetworkInterfaces').length).toBe(1);
    // The next interface has them from its making; so has one after a restart that knows the node from its journal.
    const pods = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => addPod(node, name)));
    await converged(cluster, node);
    for (const { securityGroupIds } of secondary()) expect([...securityGroupIds].sort()).toEqual([one, two].sort());
    const settled = mark();
    await node.stopDaemon('SIGKILL');
    await node.startDaemon(FEW);
    await converged(cluster, node);
    expect(ec2Calls(cluster, settled, 'ModifyNetworkInterfaceAttribute')).toEqual([]);
    await deletePods(node, pods);
  });

  it('security groups that changed while the daemon was away follow at its start; a refusal is counted and tried again', async () => {
    await start(TWO_ENIS);
    await node.stopDaemon('SIGTERM');
    const group = addGroup('late');
    setGroups(primary()?.id, [group]);
    const fault = { kind: 'error', code: 'UnauthorizedOperation', status: 403, times: 2 } as const;
    cluster.cloud.failNext('ModifyNetworkInterfaceAttribute', fault);
    await node.startDaemon(TWO_ENIS);
    await until('they follow', 20_000, () =>
      secondary().every(({ securityGroupIds }) => securityGroupIds[0] === group),
    );
    expect(await counter('wellspring_interface_update_failures_total\\{what="security-groups"\\}')).toBeGreaterThan(0);
  });

  it('tags: what was found attached is tagged with one call, and a restart costs none', async () => {
    cluster = await testCluster({ instanceTypes: ['t3.medium'] });
    [node] = cluster.nodes as [ClusterNode];
    const byHand = attachByHand(1, 2);
    const settings = { ...FEW, ...SOON, CLUSTER_NAME: 'blue', ADDITIONAL_ENI_TAGS: '{"team":"net"}' };
    let from = mark();
    await node.startDaemon(settings);
    await until('they are tagged', 10_000, () => ec2Calls(cluster, from, 'CreateTags').length > 0);
    const wanted = {
      [INSTANCE]: node.instanceId,
      'cluster.k8s.amazonaws.com/name': 'blue',
      'eks:eni:owner': 'amazon-vpc-cni',
      team: 'net',
    };
    for (const id of [byHand, primary()?.id]) {
      expect(heldBy(cluster, node).find((each) => each.id === id)?.tags).toMatchObject(wanted);
    }
    await node.stopDaemon('SIGTERM');
    from = mark();
    await node.startDaemon(settings);
    await until('EC2 was asked', 10_000, () => ec2Calls(cluster, from, 'DescribeSubnets').length > 0);
    await addPod(node, 'pod');
    expect(ec2Calls(cluster, from, 'CreateTags')).toEqual([]);
    // Somebody else made it, so it does not go with the instance because we adopted it.
    expect(ec2Calls(cluster, from, 'ModifyNetworkInterfaceAttribute')).toEqual([]);
  });

  it('tags that may not be set are a warning and a count', async () => {
    cluster = await testCluster({ instanceTypes: ['t3.small'] });
    [node] = cluster.nodes as [ClusterNode];
    cluster.cloud.failNext('CreateTags', {
      kind: 'error',
      code: 'UnauthorizedOperation',
      status: 403,
      times: 'always',
    });
    await node.startDaemon({ ...FEW, ...SOON });
    await until(
      'it is counted',
      10_000,
      async () => (await counter('wellspring_interface_update_failures_total\\{what="tags"\\}')) > 0,
    );
    await addPod(node, 'served');
  });

  it('VPC CIDRs: a new one is reached without SNAT, also after a restart', async () => {
    await start({ ...FEW, WELLSPRING_METADATA_INTERVAL: '1' });
    expect(await kernelState(node.netns)).not.toContain('10.77.0.0/16');
    execute('AssociateVpcCidrBlock', { VpcId: cluster.vpcId, CidrBlock: '10.77.0.0/16' });
    await until('the kernel knows', 10_000, async () => (await kernelState(node.netns)).includes('10.77.0.0/16'));
    await node.stopDaemon('SIGKILL');
    await node.startDaemon(FEW);
    expect(await kernelState(node.netns)).toContain('10.77.0.0/16');
  });

  it('an interface that is attached by hand is adopted after one Describe, when its link comes', async () => {
    await start(FEW);
    const from = mark();
    const id = attachByHand(1, 2);
    await until('the pool has it', 10_000, async () =>
      (await interfacesOf(node)).some((each) => each.id === id && each.phase === 'ready'),
    );
    expect(ec2Calls(cluster, from, 'DescribeNetworkInterfaces').length).toBe(1);
    expect(cluster.errors).toEqual([]);
  });

  it('an interface of our own making costs three calls and nothing else, though its link comes like any other', async () => {
    await start(FEW);
    await addPod(node, 'first');
    await converged(cluster, node);
    const from = mark();
    const pods = await Promise.all(['a', 'b', 'c'].map((name) => addPod(node, name)));
    await converged(cluster, node);
    // A stranger's link is seen after those before it, so what they cost has been spent when metadata is asked about it.
    const known = cluster.cloud.calls().slice(from);
    await runCommand('ip', ['-n', node.netns, 'link', 'add', 'stranger0', 'type', 'veth', 'peer', 'stranger1']);
    await until('the stranger is looked at', 10_000, () =>
      cluster.cloud
        .calls()
        .slice(from)
        .some(({ kind }) => kind === 'metadata'),
    );
    expect(known.filter(({ kind }) => kind === 'metadata')).toEqual([]);
    const calls = ec2Calls(cluster, from).map(({ action }) => action);
    expect(secondary().length).toBe(1);
    expect(calls.filter((action) => !action.startsWith('Assign')).sort()).toEqual([
      'AttachNetworkInterface',
      'CreateNetworkInterface',
      'ModifyNetworkInterfaceAttribute',
    ]);
    expect(pods.length).toBe(3);
  });

  it('links of other programs cost a few metadata requests and no call', async () => {
    await start(FEW);
    const from = mark();
    for (const index of [0, 1, 2])
      await runCommand('ip', [
        '-n',
        node.netns,
        'link',
        'add',
        `other${index}`,
        'type',
        'veth',
        'peer',
        `rehto${index}`,
      ]);
    await until('metadata was asked', 10_000, () =>
      cluster.cloud
        .calls()
        .slice(from)
        .some(({ kind }) => kind === 'metadata'),
    );
    await Promise.all(['a', 'b'].map((name) => addPod(node, name).then((pod) => deletePods(node, [pod]))));
    expect(ec2Calls(cluster, from, 'DescribeNetworkInterfaces')).toEqual([]);
    expect(
      cluster.cloud
        .calls()
        .slice(from)
        .filter(({ kind }) => kind === 'metadata').length,
    ).toBeLessThanOrEqual(8);
  });

  it('an interface that is detached by hand leaves at once, and its pods are reported', async () => {
    await start(TWO_ENIS);
    const pods = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => addPod(node, name)));
    await converged(cluster, node);
    const [lost] = secondary();
    const victims = pods.filter(({ address }) => lost?.secondaryAddresses.includes(address));
    expect(victims.length).toBeGreaterThan(0);
    // For ten seconds our own word that it is attached counts for more than EC2's.
    await until('own writes are old', 15_000, () => youngestWriteAgeMs() > 10_500);
    execute('DetachNetworkInterface', { AttachmentId: lost?.attachment?.attachmentId ?? '', Force: true });
    await until(
      'the pool forgets it',
      15_000,
      async () => !(await interfacesOf(node)).some(({ id }) => id === lost?.id),
    );
    expect((await loud('a pod runs with an address that the cloud no longer gives')).length).toBe(victims.length);
    expect(await counter('wellspring_orphaned_addresses')).toBe(victims.length);
    expect((await podsOf(node)).length).toBe(pods.length);
    await until('no rule of it is left', 10_000, async () => {
      const rules = (await kernelState(node.netns)).split('\n').filter((line) => line.startsWith('rule'));
      return rules.every((line) => !line.includes(lost?.primaryAddress ?? ''));
    });
    // Its addresses are given to nobody.
    const fresh = await Promise.all(['x', 'y'].map((name) => addPod(node, name)));
    for (const { address } of fresh) expect(lost?.secondaryAddresses).not.toContain(address);
  });

  it('an address that is unassigned by hand is noticed at the next comparison, and is given to nobody', async () => {
    await start({ ...FEW, WELLSPRING_RECONCILE_INTERVAL: '12' });
    const pod = await addPod(node, 'victim');
    // Else the next assign might give it back.
    await until('another is warm', 10_000, () => primary()?.secondaryAddresses.length === 2);
    await converged(cluster, node);
    execute('UnassignPrivateIpAddresses', {
      NetworkInterfaceId: primary()?.id ?? '',
      PrivateIpAddresses: [pod.address],
    });
    const reported = () => loud('a pod runs with an address that the cloud no longer gives');
    await until('it is reported', 40_000, async () => (await reported()).length === 1);
    expect(await counter('wellspring_orphaned_addresses')).toBe(1);
    await deletePods(node, [pod]);
    await converged(cluster, node);
    const fresh = await Promise.all(['x', 'y'].map((name) => addPod(node, name)));
    for (const { address } of fresh)
      expect(heldBy(cluster, node).some((each) => each.secondaryAddresses.includes(address))).toBe(true);
  });

  it('an interface that could neither be used nor be taken off again joins the pool without a restart', async () => {
    await start(FEW);
    const denied = { kind: 'error', code: 'UnauthorizedOperation', status: 403, times: 'always' } as const;
    cluster.cloud.failNext('ModifyNetworkInterfaceAttribute', denied);
    cluster.cloud.failNext('DetachNetworkInterface', denied);
    const pods = Promise.all(['a', 'b', 'c', 'd'].map((name) => addPod(node, name)));
    pods.catch(() => undefined);
    await until(
      'it hangs on the instance',
      20_000,
      async () => (await loud('an unused interface could not be deleted yet')).length > 0,
    );
    cluster.cloud.clearFaults();
    expect((await pods).length).toBe(4);
    expect(secondary().length).toBe(1);
    await converged(cluster, node, 40_000);
  });
});
