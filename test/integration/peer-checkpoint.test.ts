/** A node that amazon-vpc-cni-k8s ran on: its pods keep their addresses, and nobody else gets them. Packets: test/migrate. */
import { afterEach, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { addPod, converged, deletePods, heldBy, logOf, podsOf, poolOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { runCommand } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const SETTINGS = { MINIMUM_IP_TARGET: '9', WARM_IP_TARGET: '1', MAX_ENI: '1' };

describeWith(['root', 'ip', 'nft'], 'a checkpoint of amazon-vpc-cni-k8s', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let checkpoint: string;
  let env: Readonly<Record<string, string>>;
  afterEach(() => cluster?.[Symbol.asyncDispose]());

  const ip = (...command: readonly string[]) => runCommand('ip', ['-n', node.netns, ...command]);
  const write = (document: unknown) => writeFile(checkpoint, JSON.stringify(document));
  const held = () => heldBy(cluster, node).flatMap(({ secondaryAddresses }) => secondaryAddresses);
  const traces = async (address: string) =>
    `${await ip('rule', 'show')}${await ip('route', 'show', 'table', 'all')}`
      .split('\n')
      .filter((line) => line.includes(`${address} `));

  /** An ENI with nine addresses, and no trace of a daemon of ours. */
  async function start(): Promise<void> {
    cluster = await testCluster();
    [node] = cluster.nodes as [ClusterNode];
    checkpoint = join(node.directory, 'ipam.json');
    env = { ...SETTINGS, AWS_VPC_K8S_CNI_BACKING_STORE: checkpoint };
    await node.startDaemon(env);
    await until('nine addresses are there', 15_000, async () => (await poolOf(node)).free === 9);
    await converged(cluster, node);
    await node.stopDaemon('SIGTERM');
    await node.forgetState();
  }

  /** A pod as the peer plumbs it: veth, route in main, a rule to it and one from it. */
  async function peerPod(name: string, address: string): Promise<object> {
    const link = `eni${createHash('sha1').update(`default.${name}`).digest('hex').slice(0, 11)}`;
    const pod = await node.createSandbox(name);
    await ip('link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', pod.netns);
    await ip('link', 'set', link, 'up');
    await ip('route', 'add', address, 'dev', link);
    await ip('rule', 'add', 'priority', '512', 'to', address, 'lookup', 'main');
    await ip('rule', 'add', 'priority', '1536', 'from', address, 'lookup', '2');
    return allocation(name, address, pod.containerId);
  }

  const allocation = (name: string, ipv4: string, containerID: string) => ({
    networkName: 'aws-cni',
    containerID,
    ifName: 'eth0',
    ipv4,
    allocationTimestamp: 1_700_000_000_000_000_000,
    metadata: { k8sPodNamespace: 'default', k8sPodName: name, interfacesCount: 1 },
  });

  it('keeps the addresses of its pods from others through a restart, frees them by DEL, and lets those of gone pods rest', async () => {
    await start();
    const [one = '', two = '', gone = ''] = held();
    const allocations = [
      await peerPod('old-1', one),
      await peerPod('old-2', two),
      allocation('went', gone, 'f'.repeat(64)),
    ];
    await write({ version: 'vpc-cni-ipam/1', allocations });
    await node.startDaemon({ ...env, IP_COOLDOWN_PERIOD: '3600', MINIMUM_IP_TARGET: '9', WARM_IP_TARGET: '0' });
    expect(await podsOf(node)).toMatchObject([
      { name: 'old-1', address: one },
      { name: 'old-2', address: two },
    ]);
    expect(await poolOf(node)).toMatchObject({ assigned: 2, cooling: 1, free: 6, total: 9 });

    await node.stopDaemon('SIGKILL');
    await node.startDaemon({ ...env, IP_COOLDOWN_PERIOD: '3600', MINIMUM_IP_TARGET: '9', WARM_IP_TARGET: '0' });
    const ours = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => addPod(node, `new-${n}`)));
    const given = ours.map(({ address }) => address);
    expect(given).not.toContain(one);
    expect(given).not.toContain(two);
    expect(given).not.toContain(gone);

    const areMoved = async () => (await Promise.all([one, two].map(traces))).every(({ length }) => length === 1);
    await until('both are ours', 10_000, areMoved);
    const { ok } = await node.cni('DEL', node.knownSandbox('old-1'));
    expect(ok).toBe(true);
    expect((await podsOf(node)).map(({ name }) => name)).not.toContain('old-1');
    expect(await poolOf(node)).toMatchObject({ assigned: 7, cooling: 2 });
    expect(await traces(one)).toEqual([]);
    expect(await traces(two)).toHaveLength(1);
    expect((await node.cni('DEL', node.knownSandbox('old-1'))).ok).toBe(true);
    await deletePods(node, ours);
  });

  it('of another version ends the start with what to do, and takes nothing over', async () => {
    await start();
    await write({ version: 'vpc-cni-ipam/9', allocations: [] });
    await expect(node.startDaemon(env)).rejects.toThrow(/ipamd ended with 1/);
    await until('the log says why', 5000, async () =>
      (await logOf(node)).some(
        (record) => record.msg === 'cannot start' && 'code' in record && record.code === 'peer-checkpoint-version',
      ),
    );
    await write({ version: 'vpc-cni-ipam/1', allocations: null });
    await node.startDaemon(env);
    expect(await podsOf(node)).toEqual([]);
  });
});
