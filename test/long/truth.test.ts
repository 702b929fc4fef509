/** What the cloud says and what is so: reads that lag, answers that never came, things that vanish, reboots. */
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
  poolOf,
} from '#test/support/cluster-facts.ts';
import type { AddedPod } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { runCommand } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const FEW = { WARM_IP_TARGET: '1', MINIMUM_IP_TARGET: '1' };
const STALE_MS = 4000;
/** As far behind as reads may be while own writes outrank them, which is for ten seconds. */
const MOST_STALE_MS = 8000;

describeWith(['root', 'ip', 'nft', 'ping', 'conntrack'], 'the truth of the pool', () => {
  let cluster: Cluster;
  let node: ClusterNode;

  async function start(env: Readonly<Record<string, string>>): Promise<void> {
    cluster = await testCluster();
    [node] = cluster.nodes as [ClusterNode];
    await node.startDaemon(env);
    await converged(cluster, node);
  }
  afterEach(() => cluster?.[Symbol.asyncDispose]());

  const host = (...command: readonly string[]) => runCommand('nsenter', [`--net=${node.netnsPath}`, ...command]);
  const addresses = () => heldBy(cluster, node).flatMap((each) => each.secondaryAddresses);
  const shownAddresses = async () =>
    (await interfacesOf(node)).flatMap(({ blocks }) => blocks.map(({ cidr }) => cidr.replace('/32', '')));
  const orphanGauge = async () =>
    Number(/^wellspring_orphaned_addresses (\d+)$/m.exec(await node.page('/metrics'))?.[1]);
  /** Counts are brought up to date at intervals. */
  const orphans = (count: number) => until(`${count} orphans`, 20_000, async () => (await orphanGauge()) === count);
  const loud = async () =>
    (await logOf(node)).filter(({ msg }) => msg?.startsWith('a pod runs with an address') === true);

  it('a restart whose Describe is behind neither loses what was just given nor revives what was just returned', async () => {
    await start(FEW);
    cluster.cloud.setStaleReads(MOST_STALE_MS);
    const pods = await Promise.all(['s1', 's2', 's3'].map((name) => addPod(node, name)));
    await until('one is warm beside the three', 10_000, async () => (await poolOf(node)).total === 4);
    expect(addresses()).toHaveLength(4);
    await node.stopDaemon('SIGKILL');
    await node.startDaemon(FEW);
    await converged(cluster, node);
    expect((await podsOf(node)).map(({ address }) => address).sort()).toEqual(
      pods.map(({ address }) => address).sort(),
    );
    expect(await orphanGauge()).toBe(0);

    await deletePods(node, pods);
    await until('the surplus is returned', 10_000, async () => (await poolOf(node)).total === 1);
    await until('EC2 has it', 10_000, () => addresses().length === 1);
    await node.stopDaemon('SIGKILL');
    await node.startDaemon(FEW);
    await converged(cluster, node);
    expect((await shownAddresses()).toSorted()).toEqual(addresses().toSorted());
    expect(await loud()).toEqual([]);
  });

  it('an interface that was just attached outlives a restart whose Describe does not list it', async () => {
    const env = { WARM_ENI_TARGET: '0', WARM_IP_TARGET: '1', MINIMUM_IP_TARGET: '9' };
    await start(env);
    cluster.cloud.setStaleReads(6000);
    const pods = await Promise.all(Array.from({ length: 11 }, (_, index) => addPod(node, `i${index}`)));
    await converged(cluster, node);
    expect(heldBy(cluster, node)).toHaveLength(2);
    await node.stopDaemon('SIGKILL');
    const mark = cluster.cloud.calls().length;
    await node.startDaemon(env);
    // One at the start, and later one for each interface that was written to; none where that was long ago by then.
    await until(
      'the later looks are done',
      20_000,
      async () =>
        ec2Calls(cluster, mark, 'DescribeNetworkInterfaces').length >= 3 || (await youngestWriteAgeMs()) > 30_000,
    );
    await converged(cluster, node);
    expect((await podsOf(node)).length).toBe(pods.length);
    expect(await loud()).toEqual([]);
    expect(await orphanGauge()).toBe(0);
  });

  it('an assign whose answer was lost and whose Describe is behind is found by a later look, nothing leaks', async () => {
    await start(FEW);
    await addPod(node, 'l1');
    await converged(cluster, node);
    cluster.cloud.setStaleReads(STALE_MS);
    cluster.cloud.failNext('AssignPrivateIpAddresses', { kind: 'lost-answer' });
    await addPod(node, 'l2');
    await until('EC2 gave more than the pool knows', 5000, async () => addresses().length > (await poolOf(node)).total);
    await converged(cluster, node, 30_000);
    expect(cluster.cloud.pendingFaults()).toEqual([]);
  });

  it('an address that is taken from a pod behind our back is asked for twice, reported and never reused', async () => {
    await start(FEW);
    const [lost, kept] = (await Promise.all(['v1', 'v2'].map((name) => addPod(node, name)))) as [AddedPod, AddedPod];
    await converged(cluster, node);
    const [primary] = heldBy(cluster, node);
    cluster.cloud.region.execute('UnassignPrivateIpAddresses', {
      NetworkInterfaceId: primary?.id ?? '',
      PrivateIpAddresses: [lost.address],
    });
    await node.stopDaemon('SIGTERM');
    // Long enough ago that it is not our own write any more.
    await until('own writes are old', 15_000, async () => (await youngestWriteAgeMs()) > 10_000);
    const mark = cluster.cloud.calls().length;
    await node.startDaemon(FEW);
    await until('it is reported', 10_000, async () => (await loud()).length === 1);
    expect((await loud())[0]).toMatchObject({ address: lost.address, pod: 'default/v1' });
    expect(ec2Calls(cluster, mark, 'DescribeNetworkInterfaces').length).toBe(2);
    await orphans(1);
    expect((await podsOf(node)).map(({ name }) => name).sort()).toEqual(['v1', 'v2']);
    expect(await node.cni('CHECK', kept.pod, { prevResult: kept.result })).toMatchObject({ ok: true });

    await node.stopDaemon('SIGKILL');
    await node.startDaemon(FEW);
    await orphans(1);
    await deletePods(node, [lost]);
    await orphans(0);
    await converged(cluster, node);
    await node.stopDaemon('SIGKILL');
    await node.startDaemon(FEW);
    expect((await podsOf(node)).map(({ name }) => name)).toEqual(['v2']);
    await orphans(0);
  });

  it('pods that run stay plugged on a node that lost its journal', async () => {
    await start(FEW);
    // The first Describe is from before the pods' addresses were given, however long it takes until then.
    cluster.cloud.setStaleReads(600_000);
    const pods = await Promise.all(['j1', 'j2'].map((name) => addPod(node, name)));
    await node.stopDaemon('SIGKILL');
    await node.forgetState();
    await node.startDaemon(FEW);
    await until('they are taken for orphans', 20_000, async () => (await orphanGauge()) > 0);
    expect((await podsOf(node)).map(({ address }) => address).sort()).toEqual(
      pods.map(({ address }) => address).sort(),
    );
    for (const { pod, address } of pods) await node.inside(pod, 'ping', '-c', '1', '-W', '10', address);
    cluster.cloud.setStaleReads(0);
    await orphans(0);
    await converged(cluster, node);
    await deletePods(node, pods);
    expect(await podsOf(node)).toEqual([]);
  });

  it('a released address loses its connection entries, and rests longer while somebody still talks to it', async () => {
    const env = { ...FEW, IP_COOLDOWN_PERIOD: '5' };
    await start(env);
    const gone = await addPod(node, 'c1');
    const entry = (port: number) =>
      host(
        'conntrack',
        '-I',
        '-p',
        'tcp',
        '-s',
        gone.address,
        '-d',
        '198.51.100.7',
        '--sport',
        String(port),
        '--dport',
        '443',
        '-t',
        '600',
        '--state',
        'ESTABLISHED',
        '-u',
        'ASSURED',
      );
    const entries = async () =>
      (await host('conntrack', '-L', '-f', 'ipv4')).split('\n').filter((line) => line.includes(gone.address));
    await entry(1001);
    expect(await entries()).toHaveLength(1);
    await deletePods(node, [gone]);
    const released = Date.now();
    await until('the pod’s entries are gone', 2000, async () => (await entries()).length === 0);
    await entry(1002);
    await until('the entry of somebody else is seen', 4000, async () =>
      (await logOf(node)).some(
        (record) =>
          record.msg?.includes('rests longer') === true && 'address' in record && record.address === gone.address,
      ),
    );
    expect(await entries()).toEqual([]);
    const fresh = await addPod(node, 'c2');
    expect(fresh.address).not.toBe(gone.address);
    await until('it has rested', 6000, async () => (await poolOf(node)).cooling === 0);
    // Two periods, less what DEL took after it had released the address.
    expect(Date.now() - released).toBeGreaterThan(8000);
  });

  it('a reboot voids every attachment, keeps what cools, and the node starts clean', async () => {
    const env = { IP_COOLDOWN_PERIOD: '600', WARM_IP_TARGET: '2', MINIMUM_IP_TARGET: '2', ENI_MTU: '9001' };
    await start(env);
    const pods = await Promise.all(['r1', 'r2', 'r3', 'r4'].map((name) => addPod(node, name)));
    const [gone, ...running] = pods as [AddedPod, ...AddedPod[]];
    await deletePods(node, [gone]);
    await converged(cluster, node);
    await node.stopDaemon('SIGKILL');
    await loseKernel(pods);

    await node.startDaemon({ ...env, WELLSPRING_BOOT_ID: 'after-the-reboot' });
    expect(await podsOf(node)).toEqual([]);
    expect(await poolOf(node)).toMatchObject({ assigned: 0, cooling: 4 });
    const voided = (await logOf(node)).filter(
      (record) => 'kind' in record && record.kind === 'attachment-void-after-reboot',
    );
    expect(voided).toHaveLength(running.length);
    await converged(cluster, node);
    const fresh = await Promise.all(['r5', 'r6'].map((name) => addPod(node, name)));
    const before = new Set(pods.map(({ address }) => address));
    expect(fresh.filter(({ address }) => before.has(address))).toEqual([]);
    for (const { pod, result } of fresh)
      expect(await node.cni('CHECK', pod, { prevResult: result })).toMatchObject({ ok: true });
    // The runtime cleans up after the boot: its DELs find nothing and succeed.
    for (const { pod } of running) expect((await node.cni('DEL', pod, { netns: '' })).ok).toBe(true);
    expect(await poolOf(node)).toMatchObject({ assigned: 2, cooling: 4 });
  });

  /** What a reboot leaves of our kernel state: nothing. */
  async function loseKernel(pods: readonly AddedPod[]): Promise<void> {
    await Promise.all(pods.map(({ pod }) => node.removeSandbox(pod)));
    await until('the pods’ links are gone', 5000, async () => !(await kernelState(node.netns)).includes('link eni'));
    const tables = (await host('nft', 'list', 'tables')).split('\n').filter((line) => line.includes('wellspring'));
    for (const table of tables) await host('nft', 'delete', ...table.split(' '));
    for (const priority of ['512', '1024', '1536']) {
      while ((await host('ip', 'rule', 'show', 'priority', priority)).trim() !== '')
        await host('ip', 'rule', 'delete', 'priority', priority);
    }
  }

  async function youngestWriteAgeMs(): Promise<number> {
    const writes = cluster.cloud.calls().filter(({ action }) => /^(Unassign|Assign|Attach|Create)/.test(action));
    return Date.now() - Math.max(...writes.map(({ at }) => at));
  }
});
