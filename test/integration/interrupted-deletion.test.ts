/** A daemon that is killed while it removes an interface: the next one carries on, wherever the removal had come to. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { NetworkInterfaceView } from '#cloud/emulator/region.ts';
import { decodeJournal, encodeRecord, type JournalRecord, replay } from '#ipamd/store/records.ts';
import { addPod, converged, deletePods, heldBy, interfacesOf, logOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { runCommand } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';

const PER_INTERFACE = 9;

describeWith(['root', 'ip', 'nft'], 'an interface that was being removed when the daemon was killed', () => {
  let cluster: Cluster;
  let node: ClusterNode;
  let second: NetworkInterfaceView;
  let round = 0;

  beforeAll(async () => {
    // Young interfaces stay: what goes here was on its way before.
    cluster = await testCluster({
      env: { WELLSPRING_ENI_MINIMUM_AGE: '3600', IP_COOLDOWN_PERIOD: '0', MAX_ENI: '2' },
    });
    [node] = cluster.nodes as [ClusterNode];
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());

  beforeEach(async () => {
    await node.startDaemon();
    const first = await addPod(node, `first${(round += 1)}`);
    // Nine are wanted free beside it, so there is a second interface.
    await until('there is a second interface', 10_000, () => heldBy(cluster, node).length === 2);
    await converged(cluster, node);
    second = heldBy(cluster, node).find(({ attachment }) => attachment?.deviceIndex !== 0) as NetworkInterfaceView;
    await deletePods(node, [first]);
  });
  afterEach(() => node.stopDaemon('SIGTERM'));

  /** Kills the daemon as if it had just written a record about the second interface. */
  async function killAfter(kind: 'draining' | 'gone'): Promise<void> {
    await node.stopDaemon('SIGKILL');
    const journal = join(node.directory, 'state', 'journal');
    const { records } = decodeJournal(await readFile(journal, 'utf8'));
    const stored = replay(records).interfaces.get(second.id);
    if (stored === undefined) throw new Error(`${second.id} is not in the journal`);
    const { networkInterface, subnetCidr } = stored;
    const record: JournalRecord =
      kind === 'gone'
        ? { kind: 'interface-gone', interfaceId: second.id }
        : { kind: 'interface', networkInterface: { ...networkInterface, phase: 'draining' }, subnetCidr };
    // What the daemon told EC2 is longer ago than a test takes: it outranks no read.
    const old = records.filter((each) => each.kind !== 'own-write');
    await writeFile(journal, [...old, record].map(encodeRecord).join(''));
  }

  const inCloud = () => cluster.cloud.region.networkInterfaces().find(({ id }) => id === second.id);
  const detach = () =>
    cluster.cloud.region.execute('DetachNetworkInterface', { AttachmentId: second.attachment?.attachmentId ?? '' });
  const linkTrouble = async () => (await logOf(node)).filter(({ msg }) => msg?.includes('link cannot be used'));

  it.each([
    ['before EC2 was told', () => undefined],
    ['detached', detach],
    [
      'deleted',
      () => {
        detach();
        cluster.cloud.region.execute('DeleteNetworkInterface', { NetworkInterfaceId: second.id });
      },
    ],
  ])('is removed to the end: %s', async (_, happens) => {
    await killAfter('draining');
    happens();
    await node.startDaemon();
    await until('it is gone from the cloud', 10_000, () => inCloud() === undefined);
    await converged(cluster, node);
    expect(await interfacesOf(node)).not.toContainEqual(expect.objectContaining({ id: second.id }));
    expect(await linkTrouble()).toEqual([]);
  });

  it('is left alone where another instance has it by now', async () => {
    await killAfter('draining');
    detach();
    const { region } = cluster.cloud;
    const launch = { ImageId: 'ami-12345678', InstanceType: 'm5.large', MinCount: 1, MaxCount: 1 } as const;
    const InstanceId = region.execute('RunInstances', { ...launch, SubnetId: second.subnetId }).Instances?.[0]
      ?.InstanceId;
    if (InstanceId === undefined) throw new Error('no instance');
    region.execute('AttachNetworkInterface', { NetworkInterfaceId: second.id, InstanceId, DeviceIndex: 1 });
    await node.startDaemon();
    await until('the daemon has let go of it', 10_000, async () =>
      (await interfacesOf(node)).every(({ id }) => id !== second.id),
    );
    await converged(cluster, node);
    expect(inCloud()?.attachment?.instanceId).toBe(InstanceId);
  });

  it('serves again where a pod turns out to run with an address of it', async () => {
    const pods = await Promise.all(Array.from({ length: PER_INTERFACE + 1 }, (_, n) => addPod(node, `p${n}`)));
    await killAfter('draining');
    await node.startDaemon();
    await until('it serves', 10_000, async () =>
      (await interfacesOf(node)).some(({ id, phase }) => id === second.id && phase === 'ready'),
    );
    const here = pods.filter(({ address }) => second.secondaryAddresses.includes(address));
    expect(here).not.toEqual([]);
    for (const { pod, result } of pods)
      expect(await node.cni('CHECK', pod, { prevResult: result })).toMatchObject({ ok: true });
    await deletePods(node, pods);
    await converged(cluster, node);
  });

  it('is not waited for where its link is gone, and it is detached only then', async () => {
    await killAfter('gone');
    await runCommand('ip', ['-n', node.netns, 'link', 'del', await linkOf(second.mac)]);
    await node.startDaemon();
    await until('it is attaching', 10_000, async () =>
      (await interfacesOf(node)).some(({ id, phase }) => id === second.id && phase === 'attaching'),
    );
    const from = performance.now();
    detach();
    await until('it is gone from the cloud', 10_000, () => inCloud() === undefined);
    // A link is waited for a minute.
    expect(performance.now() - from).toBeLessThan(50_000);
    await converged(cluster, node);
  });

  async function linkOf(mac: string): Promise<string> {
    const links = JSON.parse(await runCommand('ip', ['-n', node.netns, '-j', 'link'])) as readonly {
      ifname: string;
      address: string;
    }[];
    return links.find(({ address }) => address === mac)?.ifname ?? '';
  }
});
