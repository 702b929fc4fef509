/** An IPv6 node in the layout of amazon-vpc-cni-k8s becomes ours, and its again, while its connections stay open. */
import { afterEach, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { INTERNET_IPV6_ADDRESS } from '#cloud/emulator/fabric/state.ts';
import { parseConfig } from '#ipamd/config/config.ts';
import { cleanUp } from '#ipamd/datapath/clean-up.ts';
import { back } from '#ipamd/migrate/back.ts';
import { parsePeerCheckpoint } from '#ipamd/store/peer-checkpoint.ts';
import { addPod, converged, heldBy, logOf, podsOf } from '#test/support/cluster-facts.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';
import { PeerLayout, type PeerPod } from './peer-layout.ts';
import { lossesOf, NO_LOSSES, TrafficPlace } from './traffic.ts';

const SETTINGS = { ENABLE_IPv4: 'false', ENABLE_IPv6: 'true', ENABLE_PREFIX_DELEGATION: 'true' };

/** In the form of RFC 5952, as every program writes it. */
const addressIn = (prefix: string, last: number): string =>
  new URL(`http://[${prefix}${last.toString(16)}]`).hostname.slice(1, -1);

describeWith(['root', 'ip', 'nft'], 'a migration of an IPv6 node from amazon-vpc-cni-k8s', () => {
  let stack = new AsyncDisposableStack();
  afterEach(async () => {
    await stack.disposeAsync();
    stack = new AsyncDisposableStack();
  });

  const rules = (peer: PeerLayout) => peer.ip('-6', 'rule', 'show');

  it('and back loses no packet', async () => {
    const cluster = stack.use(await testCluster({ instanceTypes: ['m5.large', 'm5.large'], ipv6: true }));
    const [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
    const checkpoint = join(node.directory, 'ipam.json');
    const env = { ...SETTINGS, AWS_VPC_K8S_CNI_BACKING_STORE: checkpoint };
    // The ENI gets its /80; then the node is as if we had never been there.
    await node.startDaemon(env);
    await converged(cluster, node);
    await node.stopDaemon('SIGTERM');
    await node.forgetState();
    await cleanUp({ remove: true, hostNetns: node.netnsPath });
    const primaryOf = (one: ClusterNode) =>
      heldBy(cluster, one).find(({ attachment }) => attachment?.deviceIndex === 0);
    const prefix = primaryOf(node)?.ipv6Prefixes[0]?.replace('/80', '') ?? '';
    const neighbour = primaryOf(other)?.ipv6Addresses[0] ?? '';
    const peer = new PeerLayout(node);
    const pods: readonly PeerPod[] = [
      await peer.addPod('first', addressIn(prefix, 5), 0),
      await peer.addPod('second', addressIn(prefix, 6), 0),
    ];
    await peer.writeCheckpoint(checkpoint);
    const asPeerMade = await rules(peer);
    expect(asPeerMade.match(/^512:/gm)).toHaveLength(pods.length);

    const place = async (name: string, netns: string) =>
      stack.use(await TrafficPlace.start(name, `/run/netns/${netns}`));
    const [first, second] = pods as [PeerPod, PeerPod];
    const [a, b, host, beside] = await Promise.all([
      place('first', first.netns),
      place('second', second.netns),
      place('node', node.netns),
      place('neighbour', other.netns),
      place('internet', cluster.fabric.internet?.namespace ?? ''),
    ]);
    await a.talkTo(second.address);
    for (const [from, tos] of [
      [a, [INTERNET_IPV6_ADDRESS, neighbour]],
      [b, [INTERNET_IPV6_ADDRESS]],
      [host, [first.address]],
      [beside, [second.address]],
    ] as const)
      for (const to of tos) await from.talkTo(to);

    await node.startDaemon(env);
    await until('the pods are moved', 20_000, async () => {
      const moved = (await logOf(node)).filter(({ msg }) => msg === 'a pod of amazon-vpc-cni-k8s was moved');
      return moved.length === pods.length;
    });
    await until('its rules are gone', 10_000, async () => !/^512:.* lookup main/m.test(await rules(peer)));
    expect(await podsOf(node)).toMatchObject(pods.map(({ name, address }) => ({ name, address })));
    const ours = await addPod(node, 'ours');
    const fresh = (await podsOf(node)).find(({ name }) => name === 'ours')?.address ?? '';
    expect([first.address, second.address]).not.toContain(fresh);
    const c = await place('ours', ours.pod.netns);
    await c.talkTo(INTERNET_IPV6_ADDRESS);
    await host.talkTo(fresh);
    await node.stopDaemon('SIGTERM');

    const config = parseConfig({ ...node.daemonEnv, ...env });
    const answer = await back({ config, yes: true, without: [], hostNetns: node.netnsPath });
    expect(answer).toMatchObject({ done: true, obstacles: [] });
    expect((await cleanUp({ remove: true, hostNetns: node.netnsPath })).left).toEqual([]);
    const all = [...pods.map(({ name, address }) => ({ name, address })), { name: 'ours', address: fresh }];
    const made = (await rules(peer)).match(/^512:.*/gm)?.map((line) => line.replaceAll(/\s+/g, ' '));
    expect(made?.toSorted()).toEqual(all.map(({ address }) => `512: from all to ${address} lookup main`).toSorted());
    const known = parsePeerCheckpoint(await readFile(checkpoint, 'utf8'), 'the checkpoint');
    const named = (some: readonly { readonly name: string; readonly address: string }[]) =>
      some.map(({ name, address }) => `${name} ${address}`).toSorted();
    expect(named(known)).toEqual(named(all));
    const { sent, losses } = lossesOf(await Promise.all([a, b, c, host, beside].map((one) => one.stop())));
    expect(losses).toEqual(NO_LOSSES);
    expect(sent).toBeGreaterThan(200);
  });
});
