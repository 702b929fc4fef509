/** ipamd whole, with an EC2 that others wrote: the real daemon and binary, real links and packets. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { addPod, deletePods, interfacesOf, podsOf } from '#test/support/cluster-facts.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { kernelState } from '#test/support/kernel-state.ts';
import { describeWith } from '#test/support/require.ts';
import { until } from '#test/support/until.ts';
import { laneSettings } from '../lane.ts';
import { nodeBed, type NodeBed } from '../node-bed.ts';

/** For which the primary interface does not suffice, and which three pods do not make more of. */
const TWO_ENIS = { MINIMUM_IP_TARGET: '5' };
const ENDPOINT = process.env['AWS_ENDPOINT_URL_EC2'] ?? '';
let bed: NodeBed;
let one: ClusterNode;
let other: ClusterNode;

/** Every address that EC2 says an instance holds, its primary ones left out. */
function secondaries(node: ClusterNode): readonly string[] {
  return bed.watch.snapshot.interfaces
    .filter(({ Attachment }) => Attachment?.InstanceId === node.instanceId)
    .flatMap(({ PrivateIpAddresses = [] }) => PrivateIpAddresses.filter(({ Primary }) => Primary !== true))
    .flatMap(({ PrivateIpAddress }) => PrivateIpAddress ?? []);
}

/** The daemon holds what EC2 gave, no more and no less. */
async function agrees(node: ClusterNode): Promise<boolean> {
  const shown = (await interfacesOf(node)).flatMap(({ blocks }) => blocks.map(({ cidr }) => cidr.replace('/32', '')));
  return shown.length > 0 && shown.toSorted().join() === secondaries(node).toSorted().join();
}

async function pings(node: ClusterNode, from: { readonly pod: Parameters<ClusterNode['inside']>[0] }, to: string) {
  await node.inside(from.pod, 'ping', '-c', '2', '-W', '10', '-i', '0.2', to);
}

describeWith(['root', 'ip', 'nft', 'ping'], 'nodes on LocalStack: a node', () => {
  beforeAll(async () => {
    bed = await nodeBed(ENDPOINT, `${laneSettings().run}/nodes`, 2);
    [one, other] = bed.nodes as [ClusterNode, ClusterNode];
    await one.startDaemon(TWO_ENIS);
    await other.startDaemon();
  });
  afterAll(async () => {
    await bed?.[Symbol.asyncDispose]();
  });

  it('is filled from what EC2 holds, though the answers of LocalStack list more than is new', async () => {
    await until('both daemons agree with EC2', 60_000, async () => {
      return secondaries(one).length >= 5 && (await agrees(one)) && (await agrees(other));
    });
    expect(new Set([...secondaries(one), ...secondaries(other)]).size).toBe(
      secondaries(one).length + secondaries(other).length,
    );
    expect((await interfacesOf(one)).filter(({ phase }) => phase === 'ready')).toHaveLength(2);
    expect(bed.errors).toEqual([]);
  });

  it('pods get addresses that EC2 holds for their node, reach one another across nodes and interfaces, and go without a trace', async () => {
    const before = await kernelState(one.netns);
    const here = [await addPod(one, 'a1'), await addPod(one, 'a2'), await addPod(one, 'a3')];
    const there = await addPod(other, 'b1');
    for (const { address } of here) expect(secondaries(one)).toContain(address);
    expect(secondaries(other)).toContain(there.address);
    for (const pod of here) {
      await pings(one, pod, there.address);
      await pings(other, there, pod.address);
    }
    await deletePods(one, here);
    await deletePods(other, [there]);
    expect(await podsOf(one)).toEqual([]);
    await until('the kernel is as before', 10_000, async () => (await kernelState(one.netns)) === before);
  });

  it('killed and started again it knows its pods, and the next pod gets another address', async () => {
    const stays = await addPod(one, 'c1');
    const there = await addPod(other, 'c2');
    await one.stopDaemon('SIGKILL');
    await pings(one, stays, there.address);
    await one.startDaemon(TWO_ENIS);
    expect((await podsOf(one)).map(({ address }) => address)).toEqual([stays.address]);
    const next = await addPod(one, 'c3');
    expect(next.address).not.toBe(stays.address);
    await pings(one, stays, there.address);
    await pings(one, next, there.address);
    await until('the daemon agrees with EC2', 60_000, () => agrees(one));
    await deletePods(one, [stays, next]);
    await deletePods(other, [there]);
    expect(bed.errors).toEqual([]);
  });
});
