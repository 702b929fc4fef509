/** A node in the layout of amazon-vpc-cni-k8s becomes ours, pod by pod, while its connections stay open. */
import { afterEach, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseConfig } from '#ipamd/config/config.ts';
import { back } from '#ipamd/migrate/back.ts';
import { parsePeerCheckpoint } from '#ipamd/store/peer-checkpoint.ts';
import { cleanUp } from '#ipamd/datapath/clean-up.ts';
import { addPod, converged, deletePods, heldBy, logOf, podsOf, poolOf } from '#test/support/cluster-facts.ts';
import type { Cluster } from '#test/support/cluster.ts';
import type { ClusterNode } from '#test/support/cluster-node.ts';
import { run } from '#test/support/command.ts';
import { describeWith } from '#test/support/require.ts';
import { testCluster } from '#test/support/test-cluster.ts';
import { until } from '#test/support/until.ts';
import { PeerLayout, type PeerPod } from './peer-layout.ts';
import { lossesOf, NO_LOSSES, TrafficPlace } from './traffic.ts';

const peerLink = (name: string) => `eni${createHash('sha1').update(`default.${name}`).digest('hex').slice(0, 11)}`;
const SETTINGS = { MINIMUM_IP_TARGET: '12', WARM_IP_TARGET: '1', MAX_ENI: '2' };

describeWith(['root', 'ip', 'nft', 'iptables'], 'a migration from amazon-vpc-cni-k8s', () => {
  let stack = new AsyncDisposableStack();
  afterEach(async () => {
    await stack.disposeAsync();
    stack = new AsyncDisposableStack();
  });

  interface Bed {
    readonly cluster: Cluster;
    readonly node: ClusterNode;
    readonly peer: PeerLayout;
    readonly env: Readonly<Record<string, string>>;
    /** On the primary ENI, and on the second one. */
    readonly pods: readonly [PeerPod, PeerPod];
    readonly neighbour: string;
    readonly nodeAddress: string;
  }

  async function peerNode(nativeMarks: boolean, iptables?: PeerLayout['iptablesCommand']): Promise<Bed> {
    const cluster = stack.use(await testCluster({ instanceTypes: ['m5.large', 'm5.large'] }));
    const [node, other] = cluster.nodes as [ClusterNode, ClusterNode];
    const checkpoint = join(node.directory, 'ipam.json');
    const env = { ...SETTINGS, AWS_VPC_K8S_CNI_BACKING_STORE: checkpoint };
    await node.startDaemon(env);
    await until('two ENIs have addresses', 15_000, async () => (await poolOf(node)).free >= 12);
    await converged(cluster, node);
    await node.stopDaemon('SIGTERM');
    await node.forgetState();
    await cleanUp({ remove: true, hostNetns: node.netnsPath });
    const enis = heldBy(cluster, node).toSorted(
      (a, b) => (a.attachment?.deviceIndex ?? 0) - (b.attachment?.deviceIndex ?? 0),
    );
    const [primary, second] = enis;
    if (primary === undefined || second === undefined) throw new Error('the node has no second ENI');
    const peer = new PeerLayout(node, iptables);
    const nodeAddress = primary.primaryAddress;
    const primaryLink = await peer.linkWith(primary.mac);
    await peer.setUpHost({ vpcCidr: '10.0.0.0/16', nodeAddress, primaryLink, nativeMarks });
    const gateway = second.primaryAddress.replace(/\d+$/, '1');
    const { mac, primaryAddress } = second;
    await peer.setUpEni({ mac, primaryAddress, deviceIndex: 1, gateway, prefixLength: 24 });
    const pods = [
      await peer.addPod('first', primary.secondaryAddresses[0] ?? '', 0),
      await peer.addPod('second', second.secondaryAddresses[0] ?? '', 1),
    ] as const;
    await peer.writeCheckpoint(checkpoint);
    const neighbour = heldBy(cluster, other).find(({ attachment }) => attachment?.deviceIndex === 0);
    return { cluster, node, peer, env, pods, nodeAddress, neighbour: neighbour?.primaryAddress ?? '' };
  }

  /** Everybody talks to everybody: in and out of the VPC, both directions, within the node. */
  async function talk({ cluster, node, pods, neighbour }: Bed): Promise<readonly TrafficPlace[]> {
    const internet = cluster.fabric.internet;
    if (internet === undefined) throw new Error('the fabric has no internet');
    const [first, second] = pods;
    const place = async (name: string, netns: string) =>
      stack.use(await TrafficPlace.start(name, `/run/netns/${netns}`));
    const [a, b, host, outside, beyond] = await Promise.all([
      place('first', first.netns),
      place('second', second.netns),
      place('node', node.netns),
      place('neighbour', cluster.nodes[1]?.netns ?? ''),
      place('internet', internet.namespace),
    ]);
    for (const [from, to] of [
      [a, internet.address],
      [b, internet.address],
      [a, second.address],
      [b, first.address],
      [a, neighbour],
      [b, neighbour],
      [outside, first.address],
      [outside, second.address],
      [host, first.address],
      [host, second.address],
    ] as const)
      await from.talkTo(to);
    return [a, b, host, outside, beyond];
  }

  /** What keeps the daemon from starting: the peer beside it, and a policy that would end. */
  async function refusals({ node, peer, pods, env }: Bed): Promise<void> {
    const socket = createServer().listen(join(node.directory, 'ipamd.sock'));
    await expect(node.startDaemon(env)).rejects.toThrow(/delete its DaemonSet/);
    await new Promise((resolve) => socket.close(resolve));
    await peer.tc('qdisc', 'add', 'dev', pods[1].hostIfName, 'clsact');
    await expect(node.startDaemon(env)).rejects.toThrow(/programs of a policy agent stand on the links of 1 pods/);
    await peer.tc('qdisc', 'delete', 'dev', pods[1].hostIfName, 'clsact');
  }

  /** `wellspringctl` on the node, with the daemon's environment. */
  async function ctl({ node, env }: Bed, ...args: readonly string[]) {
    const program = ['node', '--no-warnings', new URL('../../ipamd/ctl/main.ts', import.meta.url).pathname];
    const { code, stdout } = await run('nsenter', [`--net=${node.netnsPath}`, ...program, ...args, '--json'], {
      env: { PATH: process.env['PATH'], ...node.daemonEnv, ...env },
    });
    return { code, answer: JSON.parse(stdout) as Record<string, unknown> };
  }

  async function preflights(bed: Bed): Promise<void> {
    const pods = bed.pods.map(({ name, address, hostIfName }) => ({
      pod: `default/${name}`,
      address,
      link: hostIfName,
      fate: 'moved',
    }));
    // There is no API server to ask for policies.
    const open = await ctl(bed, 'preflight');
    expect(open).toMatchObject({ code: 3, answer: { verdict: 'refused', pods } });
    expect(await legacyCure(bed)).toBeUndefined();
    const { code, answer } = await ctl(bed, 'preflight', '--without', 'network-policy');
    expect([code, answer['verdict']]).toEqual([0, 'ready']);
    expect(answer['remains']).toEqual(
      expect.arrayContaining([
        `rule 512: from all to ${bed.pods[0].address} lookup main`,
        'rule ip nat POSTROUTING: AWS SNAT CHAIN',
        'rule ip mangle PREROUTING: AWS, primary ENI',
        'chain ip nat AWS-CONNMARK-CHAIN-0',
      ]),
    );
  }

  /** The command that preflight gives for iptables-legacy; it must be told where there is one, and only there. */
  async function legacyCure(bed: Bed): Promise<string | undefined> {
    const { answer } = await ctl(bed, 'preflight', '--without', 'network-policy');
    const findings = answer['findings'] as readonly { readonly check: string; readonly cure: string | null }[];
    return findings.find(({ check }) => check === 'iptables-legacy')?.cure?.replace(/^When all pods are moved: /, '');
  }

  const moved = (node: ClusterNode) =>
    until('the pods are moved', 20_000, async () =>
      (await logOf(node)).some(({ msg }) => msg === 'what amazon-vpc-cni-k8s left on the host is removed'),
    );

  async function countLosses(places: readonly TrafficPlace[]): Promise<void> {
    const { sent, losses } = lossesOf(await Promise.all(places.map((place) => place.stop())));
    expect(losses).toEqual(NO_LOSSES);
    expect(sent).toBeGreaterThan(500);
  }

  const remainsOf = async (peer: PeerLayout) =>
    [await peer.ip('rule', 'show'), await peer.iptables('-t', 'nat', '-S'), await peer.iptables('-t', 'mangle', '-S')]
      .join('')
      .split('\n')
      .filter((line) => /AWS|lookup main$/.test(line) && !/^1024|^32766/.test(line));

  it('and back loses no packet of a pod, also of one that came in between', async () => {
    const bed = await peerNode(false);
    const { node, peer, pods, env, nodeAddress } = bed;
    await preflights(bed);
    await refusals(bed);
    const places = await talk(bed);
    await node.startDaemon(env);
    await moved(node);
    expect(await remainsOf(peer)).toEqual([]);
    const ours = await addPod(node, 'ours');
    await node.stopDaemon('SIGTERM');
    const config = parseConfig({ ...node.daemonEnv, ...env });
    expect(await ctl(bed, 'migrate-back')).toMatchObject({ code: 0, answer: { done: false, obstacles: [] } });
    const answer = await back({ config, yes: true, without: [], hostNetns: node.netnsPath });
    expect(answer).toMatchObject({ done: true, obstacles: [] });
    const primary = heldBy(bed.cluster, node).find(({ primaryAddress }) => primaryAddress === nodeAddress);
    const primaryLink = await peer.linkWith(primary?.mac ?? '');
    // The peer starts: it makes its chains anew, and then nothing of ours is needed any more.
    await peer.setUpHost({ vpcCidr: '10.0.0.0/16', nodeAddress, primaryLink });
    const { left } = await cleanUp({ remove: true, hostNetns: node.netnsPath });
    expect(left).toEqual([]);
    await countLosses(places);
    const rules = await peer.ip('rule', 'show');
    const routes = await peer.ip('route', 'show', 'table', 'main');
    for (const { address, hostIfName } of [...pods, { address: ours.address, hostIfName: peerLink('ours') }]) {
      expect(rules).toContain(`512:\tfrom all to ${address} lookup main`);
      expect(routes).toContain(`${address} dev ${hostIfName} scope link`);
      expect(await peer.ip('link', 'show', hostIfName)).not.toMatch(/group 0x|alias/);
    }
    expect(rules).toContain(`1536:\tfrom ${pods[1].address} lookup 2`);
    expect(rules).not.toContain('8787');
    const text = await readFile(env['AWS_VPC_K8S_CNI_BACKING_STORE'] ?? '', 'utf8');
    const known = parsePeerCheckpoint(text, 'the checkpoint').map(({ name, address }) => `${name} ${address}`);
    const expected = [...pods.map(({ name, address }) => `${name} ${address}`), `ours ${ours.address}`];
    expect(known.toSorted()).toEqual(expected.toSorted());
  });

  it("loses no packet either where the peer's marks are a table of its own; then the pods are ours in all things", async () => {
    const bed = await peerNode(true);
    const { node, peer, pods, env } = bed;
    const places = await talk(bed);
    await node.startDaemon(env);
    await moved(node);
    await countLosses(places);
    expect(await remainsOf(peer)).toEqual([]);
    expect(await peer.nft('list tables')).not.toContain('aws-cni');
    expect(await podsOf(node)).toMatchObject(pods.map(({ name, address }) => ({ name, address })));
    const prevResult = (address: string) => ({ cniVersion: '1.0.0', ips: [{ address: `${address}/32` }] });
    for (const pod of pods) {
      expect(await peer.ip('link', 'show', pod.hostIfName)).toContain(pod.containerId);
      const sandbox = node.knownSandbox(pod.name);
      expect(await node.cni('CHECK', sandbox, { prevResult: prevResult(pod.address) })).toMatchObject({ ok: true });
    }
    // Drift repair knows the link by the MAC that it has, and a restart does, too.
    await node.stopDaemon('SIGKILL');
    await peer.ip('neigh', 'delete', pods[1].address, 'dev', pods[1].hostIfName);
    await node.startDaemon(env);
    const sandbox = node.knownSandbox(pods[1].name);
    await until(
      'the neighbour is back',
      10_000,
      async () => (await node.cni('CHECK', sandbox, { prevResult: prevResult(pods[1].address) })).ok,
    );
    for (const pod of pods) expect((await node.cni('DEL', node.knownSandbox(pod.name))).ok).toBe(true);
    await until('their links are gone', 10_000, async () => !(await peer.ip('link')).includes(pods[0].hostIfName));
    await deletePods(node, [await addPod(node, 'fresh')]);
  });

  describeWith(['iptables-legacy'], 'that took iptables-legacy', () => {
    it('loses no packet, beside its rules and when the command of preflight has removed them', async () => {
      const bed = await peerNode(false, 'iptables-legacy');
      const { node, peer, env, pods } = bed;
      const places = await talk(bed);
      const cure = await legacyCure(bed);
      await node.startDaemon(env);
      await moved(node);
      // They are out of our sight, and stay until the operator acts.
      expect((await remainsOf(peer)).join('\n')).toContain('AWS-SNAT-CHAIN-0');
      expect(await podsOf(node)).toMatchObject(pods.map(({ name, address }) => ({ name, address })));
      const { code } = await run('nsenter', [`--net=${node.netnsPath}`, 'sh', '-c', cure ?? 'exit 9']);
      expect([code, await remainsOf(peer)]).toEqual([0, []]);
      const internet = bed.cluster.fabric.internet?.address ?? '';
      for (const place of places.slice(0, 2)) await place.talkTo(internet);
      await countLosses(places);
    });
  });
});
